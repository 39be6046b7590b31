// Templates: the YAML files under config/templates/. Each is a configuration file of its own, plus
// `template:` with its name. How one is written stands in config/README.md.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { collectProblems, type Place, type Problem } from './problem.ts';
import { decodeText, withCure } from './read-file.ts';
import {
  readTemplateSection,
  type RuleSection,
  type ServiceSection,
  type TemplateFileSection
} from './vocabulary/file.ts';
import { parseYaml, withoutTopLevelKey } from './yaml.ts';

export interface Template {
  readonly name: string;
  /** Of real servers given without one; undefined = the main service's. */
  readonly serverPort: number | undefined;
  readonly note: string | undefined;
  readonly rules: readonly RuleSection[];
  /** The service that has the template's name. */
  readonly main: ServiceSection;
  /** All services in the order of the file, the main one among them. */
  readonly services: readonly ServiceSection[];
  readonly text: string;
}

const templateFolder = fileURLToPath(new URL('../../config/templates/', import.meta.url));

/** The names of the templates, in alphabetical order. */
export function listTemplates(): string[] {
  return readTemplates().templates.map((template) => template.name);
}

/** What a template expands to, as YAML that could stand in a configuration file. */
export function renderTemplate(name: string): string | undefined {
  const template = findTemplate(readTemplates().templates, name);
  return template === undefined ? undefined : withoutTopLevelKey(template.text, 'template');
}

export function findTemplate(templates: readonly Template[], name: string): Template | undefined {
  const folded = name.trim().toLowerCase();
  return templates.find((template) => template.name.toLowerCase() === folded);
}

/** Reads all of them. A file with problems gives no template. */
export function readTemplates(folder = templateFolder): {
  templates: Template[];
  problems: Problem[];
} {
  const problems: Problem[] = [];
  const templates: Template[] = [];
  for (const file of readdirSync(folder).toSorted()) {
    if (!file.endsWith('.yaml')) continue;
    const read = readTemplate(`${folder}${file}`);
    problems.push(...read.problems);
    if (read.template !== undefined) templates.push(read.template);
  }
  templates.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { templates, problems };
}

function readTemplate(path: string): { template?: Template; problems: Problem[] } {
  const { problems, report } = collectProblems();
  const top = { file: path, line: 1, column: 1 };
  let text: string;
  try {
    text = decodeText(readFileSync(path), path);
  } catch (error) {
    report(top, 'file', withCure(error, 'let this user read it'));
    return { problems };
  }
  const root = parseYaml(text, path, report);
  const file = root === undefined ? undefined : readTemplateSection(root, report);
  if (file === undefined || problems.length > 0) return { problems };
  const template = assemble(file, text, (where, message) => report(where ?? top, 'file', message));
  return template === undefined ? { problems } : { template, problems };
}

function assemble(
  file: TemplateFileSection,
  text: string,
  report: (place: Place | undefined, message: string) => void
): Template | undefined {
  const head = file.settings.template?.value?.settings;
  const name = head?.name?.value;
  if (name === undefined) {
    report(undefined, 'the template has no name; add template with a name');
    return undefined;
  }
  const services = file.settings.virtualServices?.value ?? [];
  const main = services.find((service) => service.settings.name?.value === name);
  if (main === undefined) {
    report(head?.name?.place, `no virtual service is called "${name}"; give one this name`);
    return undefined;
  }
  for (const service of services) {
    const other = service.settings.name?.value ?? '';
    if (service === main || other.startsWith(`${name} - `)) continue;
    report(service.place, `"${other}" does not belong to the template; begin with "${name} - "`);
    return undefined;
  }
  return {
    name,
    serverPort: head?.serverPort?.value,
    note: head?.note?.value,
    rules: file.settings.rules?.value ?? [],
    main,
    services,
    text
  };
}
