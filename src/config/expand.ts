// One entry under `virtualServices` becomes one virtual service, or with a template several: the
// template's settings, overridden by those of the entry. Every setting keeps its own place.

import { nearest } from './nearest.ts';
import { quote, type Place, type Report } from './problem.ts';
import { findTemplate, type Template } from './template.ts';
import type {
  ServiceSection,
  ServiceSettings,
  SubVSSection,
  SubVSSettings
} from './vocabulary/file.ts';

/** A virtual service to be built. */
export interface ServiceEntry {
  /** Where the administrator wrote it. */
  readonly place: Place;
  readonly path: string;
  readonly name: string;
  readonly settings: ServiceSettings;
  readonly subVSs: readonly SubVSEntry[];
  readonly template: Template | undefined;
  /** The name of the template that does the same with ESP, where there is one. */
  readonly espTemplate?: string | undefined;
}

export interface SubVSEntry {
  readonly place: Place;
  readonly path: string;
  readonly name: string;
  readonly settings: SubVSSettings;
}

/** What a service hands down to those of its SubVSs that do not say otherwise. */
const handedDown = [
  'schedule',
  'persist',
  'persistTimeout',
  'refreshPersist',
  'cookie',
  'queryTag',
  'persistMask',
  'persistMask6',
  'idleTime',
  'checkType',
  'checkPort',
  'checkUrl',
  'checkUse1.1',
  'checkUseGet',
  'checkHost',
  'checkHeaders',
  'checkCodes',
  'checkPattern',
  'checkPostData',
  'enhancedHealthChecks',
  'rsMinimum',
  'chkInterval',
  'chkTimeout',
  'chkRetryCount',
  'realServers',
  'espEnabled',
  'espLogs',
  'inputAuthMode',
  'outputAuthMode',
  'allowedHosts',
  'allowedDirectories',
  'excludedDirectories',
  'domain',
  'allowedGroups',
  'includeNestedGroups',
  'singleSignOnMessage',
  'logoff',
  'displayPubPriv',
  'userPwdChangeUrl',
  'userPwdChangeMsg',
  'serverFbaPath',
  'serverFbaPost',
  'serverFbaUsernameOnly'
] as const satisfies readonly (keyof SubVSSettings & keyof ServiceSettings)[];

/** The suffix of the service of a template that sends port 80 to the main service. */
const redirectorSuffix = ' - HTTP Redirect';

export function expand(
  section: ServiceSection,
  templates: readonly Template[],
  report: Report
): ServiceEntry[] {
  const { template: asked, redirectPort } = section.settings;
  if (asked === undefined) {
    if (redirectPort !== undefined) reportNoRedirector(redirectPort, report);
    return [expandPlain(section, report)];
  }
  if (asked.value === undefined) return [];
  const template = findTemplate(templates, asked.value);
  if (template === undefined) {
    const known = nearest(
      asked.value,
      templates.map(({ name }) => name)
    );
    const message = `there is no template ${quote(asked.value)}; the nearest is ${known ?? 'none'}`;
    report(asked.place, asked.path, message);
    return [];
  }
  const espTemplate = findTemplate(templates, `${template.name} with ESP`)?.name;
  return expandTemplate(section, template, report).map((entry) => ({ ...entry, espTemplate }));
}

function expandPlain(section: ServiceSection, report: Report): ServiceEntry {
  const { settings, place, path } = section;
  const address = settings.address?.value ?? '0.0.0.0';
  const name = settings.name?.value ?? `${address}:${settings.port?.value ?? ''}`;
  const subVSs = (settings.subVSs?.value ?? []).map((sub) =>
    subEntry(sub, { ...handDown(settings), ...sub.settings }, report)
  );
  return { place, path, name, settings, subVSs, template: undefined };
}

function expandTemplate(
  section: ServiceSection,
  template: Template,
  report: Report
): ServiceEntry[] {
  const own = section.settings;
  const name = own.name?.value ?? template.name;
  const others = template.services.filter((service) => service !== template.main);
  const redirector = others.find((service) => nameOf(service).endsWith(redirectorSuffix));
  if (own.redirectPort !== undefined && redirector === undefined) {
    reportNoRedirector(own.redirectPort, report);
  }
  return template.services.flatMap((service) => {
    if (service === template.main) {
      const settings = { ...withoutServers(service.settings), ...own };
      const subVSs = mergeSubVSs(own, template, report);
      return [{ place: section.place, path: section.path, name, settings, subVSs, template }];
    }
    const redirectPort = service === redirector ? own.redirectPort : undefined;
    if (redirectPort?.value === false) return [];
    const entry: ServiceEntry = {
      place: redirectPort?.place ?? section.place,
      path: section.path,
      name: `${name}${nameOf(service).slice(template.name.length)}`,
      settings: {
        ...service.settings,
        ...(own.address === undefined ? {} : { address: own.address }),
        ...(redirectPort === undefined
          ? {}
          : { port: { ...redirectPort, value: redirectPort.value } })
      },
      subVSs: [],
      template
    };
    return [entry];
  });
}

/**
 * The template's SubVSs, each overridden by the entry and its SubVS of that name; new ones last. One
 * that has `realServers: []` there answers by itself, so those of the entry are not for it.
 */
function mergeSubVSs(own: ServiceSettings, template: Template, report: Report): SubVSEntry[] {
  const ownSubVSs = own.subVSs?.value ?? [];
  const theirs = template.main.settings.subVSs?.value ?? [];
  const names = theirs.map((sub) => sub.settings.name?.value ?? '');
  const lowest = handDown(withoutServers(template.main.settings));
  const merged = theirs.map((sub, index) => {
    const override = ownSubVSs.find(({ settings }) => settings.name?.value === names[index]);
    const down =
      sub.settings.realServers === undefined ? handDown(own) : handDown(withoutServers(own));
    const settings = { ...lowest, ...sub.settings, ...down, ...override?.settings };
    return subEntry(override ?? sub, settings, report);
  });
  const added = ownSubVSs.filter(({ settings }) => !names.includes(settings.name?.value ?? ''));
  for (const sub of added) {
    const { name, rules } = sub.settings;
    if (name?.value === undefined || rules !== undefined) continue;
    const known = nearest(name.value, names) ?? 'none';
    const message = `the template has no SubVS ${quote(name.value)}; the nearest is ${known}`;
    report(name.place, name.path, `${message}, and a new one needs rules`);
  }
  const complete = added.filter(({ settings }) => settings.rules !== undefined);
  const late = complete.map((sub) =>
    subEntry(sub, { ...lowest, ...handDown(own), ...sub.settings }, report)
  );
  reportTwice(ownSubVSs, names, report);
  return [...merged, ...late];
}

/** Of two overrides of one SubVS only the first would count. */
function reportTwice(
  subVSs: readonly SubVSSection[],
  names: readonly string[],
  report: Report
): void {
  const seen = new Set<string>();
  for (const { name } of subVSs.map(({ settings }) => settings)) {
    if (name?.value === undefined || !names.includes(name.value)) continue;
    if (seen.has(name.value)) {
      const message = `the SubVS ${quote(name.value)} was given already; keep one of them`;
      report(name.place, name.path, message);
    }
    seen.add(name.value);
  }
}

function subEntry(sub: SubVSSection, settings: SubVSSettings, report: Report): SubVSEntry {
  const { place, path } = sub;
  if (settings.name === undefined) {
    report(place, path, 'the SubVS has no name; add name');
  }
  return { place, path, name: settings.name?.value ?? '', settings };
}

function handDown(settings: ServiceSettings): SubVSSettings {
  return Object.fromEntries(
    handedDown.flatMap((key) => (settings[key] === undefined ? [] : [[key, settings[key]]]))
  );
}

/** A template's `realServers: []` is there for whoever copies it; it is not the entry's word. */
function withoutServers(settings: ServiceSettings): ServiceSettings {
  const { realServers: _, ...rest } = settings;
  return rest;
}

function nameOf(service: ServiceSection): string {
  return service.settings.name?.value ?? '';
}

function reportNoRedirector(at: { place: Place; path: string }, report: Report): void {
  report(at.place, at.path, 'there is no redirector; use it with a template that has one');
}
