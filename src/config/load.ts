// Reads a configuration file: all problems of it in one go, or the finished, frozen configuration.

import { availableParallelism } from 'node:os';
import { dirname, resolve as resolvePath } from 'node:path';
import { isLoopback } from '../net/address.ts';
import { readTiming } from './build-check.ts';
import { resolveOnce, type Resolve } from './build-servers.ts';
import { buildVirtualService } from './build.ts';
import type { Surroundings } from './surroundings.ts';
import { loadSsoDomains } from './build-sso-domain.ts';
import { loadCertificates, selfSignedName } from './certificates.ts';
import { expand, type ServiceEntry } from './expand.ts';
import type { Configuration, GlobalSettings } from './model.ts';
import { collectProblems, sortProblems, type Problem, type Report } from './problem.ts';
import { readText, withCure } from './read-file.ts';
import { readRules, type RuleBook } from './rules.ts';
import { keepSelfSigned } from './self-signed.ts';
import { findTemplate, readTemplates, type Template } from './template.ts';
import { judgeTogether, type Built } from './validate.ts';
import { readFileSection, type FileSection, type GlobalSection } from './vocabulary/file.ts';
import { parseYaml } from './yaml.ts';

export type Loaded =
  | { readonly configuration: Configuration; readonly warnings: readonly string[] }
  | { readonly problems: readonly Problem[] };

export interface LoadOptions {
  /** False: nothing is written, as `check` promises. */
  readonly writable?: boolean;
  /** Finds the address of a host name; the system's resolver unless given. */
  readonly resolve?: Resolve;
}

const none = { templates: [], problems: [] };

export async function loadConfiguration(file: string, options: LoadOptions = {}): Promise<Loaded> {
  const { problems, report } = collectProblems();
  const start = { file, line: 1, column: 1 };
  const text = await readText(file).catch((error: unknown) => {
    report(start, 'file', withCure(error, 'name a readable file'));
    return undefined;
  });
  if (text === undefined) return { problems };
  const root = parseYaml(text, file, report);
  const section = root === undefined ? undefined : readFileSection(root, report);
  if (section === undefined) return { problems };
  const warnings: string[] = [];
  const warn = (warning: string): unknown => warnings.push(warning);
  const folder = dirname(resolvePath(file));
  const built = await build(section, folder, options.resolve, report, warn);
  if (problems.length > 0) return { problems: sortProblems(problems, file) };
  const configuration = await addSelfSigned(built, folder, options.writable ?? true, warn);
  return { configuration: freeze(configuration), warnings };
}

async function build(
  section: FileSection,
  folder: string,
  ask: Resolve | undefined,
  report: Report,
  warn: (text: string) => void
): Promise<Configuration> {
  const { settings, place } = section;
  const global = settings.global?.value?.settings ?? {};
  const admin = {
    address: settings.admin?.value?.settings.address?.value ?? '127.0.0.1',
    port: settings.admin?.value?.settings.port?.value ?? 8444
  };
  if (!isLoopback(admin.address)) warn(`admin: plain HTTP on ${admin.address} without TLS`);
  if (settings.virtualServices === undefined) {
    // A file cut short while it was being written must not take every service away.
    report(place, 'virtualServices', 'there are none; add virtualServices, [] for none on purpose');
  }
  const entries = expandAll(section, report, warn);
  const certificates = await loadCertificates(settings.certificates?.value ?? [], folder, report);
  const ssoDomains = await loadSsoDomains(settings.ssoDomains, folder, report, warn);
  const resolve = resolveOnce(ask);
  for (const host of hostNames(entries)) void resolve(host).catch(() => undefined);
  const around: Omit<Surroundings, 'templateRules'> = {
    folder,
    timing: readTiming(global, report),
    subnetOriginating: global.subnetOriginating?.value ?? true,
    trustsProxies: (global.trustedProxies?.value ?? []).length > 0,
    certificates,
    rules: readRules(settings.rules?.value ?? [], report),
    ssoDomains,
    resolve,
    report,
    warn
  };
  const bookOf = templateBooks(report);
  const built: Built[] = [];
  for (const entry of entries) {
    const templateRules = entry.template === undefined ? new Map() : bookOf(entry.template);
    built.push({ entry, service: await buildVirtualService(entry, { ...around, templateRules }) });
  }
  judgeTogether(built, admin, report);
  for (const name of ssoDomains.unused()) warn(`ssoDomains ${name}: no service asks it`);
  const virtualServices = built.map(({ service }) => service);
  return {
    global: buildGlobal(global),
    admin,
    certificates: certificates.all(),
    ssoDomains: ssoDomains.all,
    virtualServices
  };
}

/** Only once the rest is sound: a refused configuration leaves nothing behind. */
async function addSelfSigned(
  configuration: Configuration,
  folder: string,
  writable: boolean,
  warn: (text: string) => void
): Promise<Configuration> {
  const users = configuration.virtualServices.filter((service) =>
    service.tls?.certificates.includes(selfSignedName)
  );
  if (users.length === 0) return configuration;
  for (const { name } of users) warn(`${name}: a self-signed certificate is in use`);
  const certificate = await keepSelfSigned(folder, writable, warn);
  return { ...configuration, certificates: [...configuration.certificates, certificate] };
}

function expandAll(
  { settings }: FileSection,
  report: Report,
  warn: (text: string) => void
): ServiceEntry[] {
  const sections = settings.virtualServices?.value ?? [];
  const asked = sections.flatMap(({ settings: { template } }) => template?.value ?? []);
  const { templates, problems } = asked.length > 0 ? readTemplates() : none;
  // A broken template matters when it may be the one that is asked for.
  if (asked.some((name) => findTemplate(templates, name) === undefined)) {
    for (const problem of problems) report(problem, problem.path, problem.message);
  }
  return sections.flatMap((section) => {
    const entries = expand(section, templates, report);
    const [first] = entries;
    if (first?.template?.note !== undefined) warn(`${first.template.name}: ${first.template.note}`);
    return entries;
  });
}

function hostNames(entries: readonly ServiceEntry[]): Set<string> {
  const lists = entries.flatMap((entry) => [
    entry.settings.realServers?.value ?? [],
    ...entry.subVSs.map((sub) => sub.settings.realServers?.value ?? [])
  ]);
  return new Set(lists.flat().flatMap((server) => (server.isHostName ? [server.host] : [])));
}

function templateBooks(report: Report): (template: Template) => RuleBook {
  const books = new Map<Template, RuleBook>();
  return (template) => {
    const book = books.get(template) ?? readRules(template.rules, report);
    books.set(template, book);
    return book;
  };
}

function buildGlobal(settings: GlobalSection['settings']): GlobalSettings {
  return {
    // 0 = one per CPU
    workers: settings.workers?.value || availableParallelism(),
    expect100: settings.expect100?.value ?? 'rfc-7231',
    additionalL7Header: settings.additionalL7Header?.value ?? 'none',
    dropOnFail: settings.dropOnFail?.value ?? false,
    alwaysPersist: (settings.alwaysPersist?.value ?? 0) > 0,
    trustedProxies: settings.trustedProxies?.value ?? [],
    drainTimeMs: (settings.drainTime?.value ?? 300) * 1000,
    slowStartMs: (settings.slowStart?.value ?? 0) * 1000,
    logLevel: settings.logLevel?.value ?? 'info',
    accessLog: settings.accessLog?.value ?? true,
    user: settings.user?.value
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
