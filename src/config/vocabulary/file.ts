// The whole configuration file, and a template file, as one kind each.

import { list, text, type At, type Kind } from '../kind.ts';
import type { Report } from '../problem.ts';
import { canonicalKeys, parameter, section, type Section, type Vocabulary } from '../section.ts';
import type { YamlNode } from '../yaml.ts';
import { adminVocabulary, globalVocabulary } from './global.ts';
import { port, serviceName } from './names.ts';
import { realServerVocabulary } from './real-server.ts';
import { certificateVocabulary, ruleVocabulary } from './rule.ts';
import { subVSVocabulary, virtualServiceVocabulary } from './service.ts';
import { ssoDomainVocabulary } from './sso-domain.ts';

export const templateVocabulary = {
  name: parameter(serviceName, '-', 'guide 4; how `template:` calls it'),
  serverPort: parameter(port, "the service's port", 'of real servers given without one'),
  note: parameter(text(1000), '-', 'logged as a warning where the template is used')
};

const rules = list(section('a rule', ruleVocabulary), 'rules');
const services = list(section('a virtual service', virtualServiceVocabulary), 'virtual services');

const fileVocabulary = {
  global: parameter(section('global', globalVocabulary), '-', ''),
  admin: parameter(section('admin', adminVocabulary), '-', ''),
  certificates: parameter(
    list(section('a certificate', certificateVocabulary), 'certificates'),
    '-',
    ''
  ),
  rules: parameter(rules, '-', ''),
  virtualServices: parameter(services, '-', ''),
  ssoDomains: parameter(list(section('an SSO domain', ssoDomainVocabulary), 'SSO domains'), '-', '')
};

const templateFileVocabulary = {
  template: parameter(section('a template', templateVocabulary), '-', ''),
  rules: parameter(rules, '-', ''),
  virtualServices: parameter(services, '-', '')
};

export type FileSection = Section<typeof fileVocabulary>;
export type TemplateFileSection = Section<typeof templateFileVocabulary>;
export type RuleSection = Section<typeof ruleVocabulary>;
export type CertificateSection = Section<typeof certificateVocabulary>;
export type ServiceSection = Section<typeof virtualServiceVocabulary>;
export type SubVSSection = Section<typeof subVSVocabulary>;
export type ServiceSettings = ServiceSection['settings'];
export type SubVSSettings = SubVSSection['settings'];
export type SsoDomainSection = Section<typeof ssoDomainVocabulary>;
export type GlobalSection = Section<typeof globalVocabulary>;

/** Each vocabulary by its place in the file, as config/README.md lists them. */
export const vocabularies: readonly (readonly [place: string, vocabulary: Vocabulary])[] = [
  ['global', globalVocabulary],
  ['admin', adminVocabulary],
  ['a certificate', certificateVocabulary],
  ['a rule', ruleVocabulary],
  ['a virtual service', virtualServiceVocabulary],
  ['a SubVS', subVSVocabulary],
  ['a real server', realServerVocabulary],
  ['an SSO domain', ssoDomainVocabulary],
  ['a template', templateVocabulary]
];

const wholeFile: Kind<FileSection> = section('the file', fileVocabulary);
const wholeTemplateFile: Kind<TemplateFileSection> = section(
  'a template file',
  templateFileVocabulary
);

export function readFileSection(root: YamlNode, report: Report): FileSection | undefined {
  return wholeFile.read(root, beginning(report));
}

export function readTemplateSection(
  root: YamlNode,
  report: Report
): TemplateFileSection | undefined {
  return wholeTemplateFile.read(root, beginning(report));
}

function beginning(report: Report): At {
  return { path: '', report, belongsTo: (key) => owners.get(key) };
}

/** Folded spellings with the first section that has them, for keys that stand in a wrong place. */
const owners: ReadonlyMap<string, string> = new Map(
  [...vocabularies, ['the top of the file', fileVocabulary] as const]
    .toReversed()
    .flatMap(([place, vocabulary]) =>
      [...canonicalKeys(vocabulary).keys()].map((key) => [key, place] as const)
    )
);
