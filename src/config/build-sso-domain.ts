// `ssoDomains:` of the file, each complete, with the files that it names.

import { resolve } from 'node:path';
import { formatEndpoint, isLoopback, parseAddress } from '../net/address.ts';
import { readAuthorities } from './build-reencrypt.ts';
import type { DirectoryServer, SsoDomain } from './model.ts';
import { quote, type Report } from './problem.ts';
import { readText, withCure } from './read-file.ts';
import type { Setting } from './section.ts';
import type { SsoDomainSection } from './vocabulary/file.ts';
import { logonFormats, transports } from './vocabulary/sso-domain.ts';

type Settings = SsoDomainSection['settings'];
type Transport = SsoDomain['transport'];

const usualPorts: Readonly<Record<Transport, number>> = { ldap: 389, starttls: 389, ldaps: 636 };
/** Of a directory and of a global catalog. */
const tlsPorts: readonly number[] = [636, 3269];
const clearPorts: readonly number[] = [389, 3268];

/** What services may refer to, without regard to case. */
export class SsoDomainBook {
  /** In the order of the file, under their own names; those with problems too. */
  readonly all: readonly SsoDomain[];
  readonly #byName: ReadonlyMap<string, string>;
  /** None is missing because of what is wrong with it. */
  readonly areSound: boolean;
  readonly #used = new Set<string>();

  constructor(domains: readonly SsoDomain[], areSound: boolean) {
    this.all = domains;
    this.areSound = areSound;
    this.#byName = new Map(domains.map(({ name }) => [fold(name), name]));
  }

  get names(): string[] {
    return this.all.map(({ name }) => name);
  }

  /** The name as it is under `ssoDomains`; that domain counts as used. */
  find(name: string): string | undefined {
    const own = this.#byName.get(fold(name));
    if (own !== undefined) this.#used.add(own);
    return own;
  }

  unused(): string[] {
    return this.names.filter((name) => !this.#used.has(name));
  }
}

export async function loadSsoDomains(
  given: Setting<readonly SsoDomainSection[]> | undefined,
  folder: string,
  report: Report,
  warn: (text: string) => void
): Promise<SsoDomainBook> {
  const sections = given?.value ?? [];
  const domains = new Map<string, SsoDomain>();
  for (const { settings, place, path } of sections) {
    const { name, server } = settings;
    if (name === undefined) report(place, path, 'the SSO domain has no name; add name');
    if (server === undefined || server.value?.length === 0) {
      const at = server ?? { place, path };
      const message =
        'no server of the directory is named; add server, for example dc1.corp.example';
      report(at.place, at.path, message);
    }
    if (name?.value === undefined) continue;
    if (domains.has(fold(name.value))) {
      const message = `there is an SSO domain ${quote(name.value)} already; use another name`;
      report(name.place, name.path, message);
      continue;
    }
    const domain = await buildSsoDomain(name.value, settings, folder, report);
    warnOf(domain, warn);
    domains.set(fold(name.value), domain);
  }
  const areSound = sections.every(({ settings: { name } }) => name?.value !== undefined);
  const isSound = given === undefined || given.value !== undefined;
  return new SsoDomainBook([...domains.values()], isSound && areSound);
}

async function buildSsoDomain(
  name: string,
  settings: Settings,
  folder: string,
  report: Report
): Promise<SsoDomain> {
  const transport = transports[settings.authType?.value ?? 'ldap-starttls'];
  return {
    name,
    servers: serversOf(settings, transport, report),
    transport,
    verify: settings.serverCertVerify?.value ?? true,
    caPem: await readCa(settings, transport, folder, report),
    timeoutMs: seconds(settings.timeout, 5),
    realm: realmOf(name, settings, report),
    logonFormat: logonFormats[settings.logonFormat?.value ?? 'principalname'],
    serverLogonFormat: logonFormats[settings.logonFormat2?.value ?? 'principalname'],
    searchBase: settings.baseDn?.value,
    lockout: lockoutOf(settings, report),
    sessionEndsBy: settings.sessToutType?.value === 'max duration' ? 'age' : 'idle',
    publicSession: {
      idleMs: seconds(settings.sessToutIdlePub, 900),
      ageMs: seconds(settings.sessToutDurationPub, 1800)
    },
    privateSession: {
      idleMs: seconds(settings.sessToutIdlePriv, 900),
      ageMs: seconds(settings.sessToutDurationPriv, 28_800)
    },
    revalidateMs: seconds(settings.vinterval, 60),
    testUser: await readTestUser(settings, folder, report)
  };
}

function seconds(
  setting: { readonly value: number | undefined } | undefined,
  usual: number
): number {
  return (setting?.value ?? usual) * 1000;
}

function serversOf({ server }: Settings, transport: Transport, report: Report): DirectoryServer[] {
  const seen = new Set<string>();
  return (server?.value ?? []).flatMap(({ host, port = usualPorts[transport] }) => {
    const endpoint = formatEndpoint(host, port);
    if (seen.has(endpoint) && server !== undefined) {
      report(server.place, server.path, `${endpoint} stands twice here; keep one of them`);
      return [];
    }
    seen.add(endpoint);
    return [{ host, port }];
  });
}

async function readCa(
  settings: Settings,
  transport: Transport,
  folder: string,
  report: Report
): Promise<string | undefined> {
  const { caFile, serverCertVerify } = settings;
  const why =
    transport === 'ldap'
      ? 'nothing is verified without TLS; remove it, or set authType: ldap-starttls'
      : 'nothing is verified with serverCertVerify: false; remove one of them';
  if (caFile !== undefined && (transport === 'ldap' || serverCertVerify?.value === false)) {
    report(caFile.place, caFile.path, why);
  }
  return readAuthorities(caFile, folder, report);
}

/** What stands beside a name is told to the directory, so it must be able to stand there. */
function realmOf(
  name: string,
  { name: settingName, logonDomain, logonFormat }: Settings,
  report: Report
): string {
  if (logonDomain !== undefined) return logonDomain.value ?? name;
  if (logonFormat?.value !== 'not specified' && /[\s@\\]/.test(name)) {
    const message = `users would be asked about as user@${name}; add logonDomain to its entry`;
    const at = logonFormat ?? settingName;
    if (at !== undefined) report(at.place, at.path, message);
  }
  return name;
}

function lockoutOf(settings: Settings, report: Report): SsoDomain['lockout'] {
  const { maxFailedAuths, resetFailTout, unblockTout } = settings;
  const [resetMs, blockedMs] = [seconds(resetFailTout, 60), seconds(unblockTout, 1800)];
  const at = resetFailTout ?? unblockTout;
  if (resetMs >= blockedMs && at !== undefined) {
    const message = `resetFailTout (${resetMs / 1000}) must be less than unblockTout`;
    report(at.place, at.path, `${message} (${blockedMs / 1000}); use a smaller one`);
  }
  return { failuresMax: maxFailedAuths?.value ?? 10, resetMs, blockedMs };
}

async function readTestUser(
  { testUser, testPassFile }: Settings,
  folder: string,
  report: Report
): Promise<SsoDomain['testUser']> {
  if (testUser === undefined || testPassFile === undefined) {
    const [at, missing] =
      testUser === undefined ? [testPassFile, 'testUser'] : [testUser, 'testPassFile'];
    if (at !== undefined) report(at.place, at.path, `it is of no use alone; add ${missing}`);
    return undefined;
  }
  if (testPassFile.value === undefined || testUser.value === undefined) return undefined;
  try {
    const text = await readText(resolve(folder, testPassFile.value));
    // Editors end a file with a line break that is no part of the password.
    const password = text.replace(/\r?\n$/, '');
    // A name with an empty password is let in by many a directory: as nobody (RFC 4513 5.1.2).
    if (password === '')
      throw new Error(`${testPassFile.value} is empty; write the password into it`);
    if (/[\r\n\0]/.test(password)) {
      throw new Error(
        `${testPassFile.value} has several lines; write nothing but the password into it`
      );
    }
    return { name: testUser.value, password };
  } catch (error) {
    report(testPassFile.place, testPassFile.path, withCure(error, 'name a readable file'));
    return undefined;
  }
}

function warnOf(domain: SsoDomain, warn: (text: string) => void): void {
  const { name, transport, verify, servers, publicSession, privateSession } = domain;
  const away = servers.filter(({ host }) => !isHere(host)).map(({ host }) => host);
  if (away.length > 0 && transport === 'ldap') {
    warn(
      `ssoDomains ${name}: passwords go to ${away.join(', ')} in clear; use authType: ldap-starttls`
    );
  } else if (away.length > 0 && !verify) {
    warn(
      `ssoDomains ${name}: passwords go to whoever answers for ${away.join(', ')}; ` +
        'use serverCertVerify: true, with caFile'
    );
  }
  const [foreign, authType] =
    transport === 'ldaps' ? [clearPorts, 'ldap-starttls'] : [tlsPorts, 'ldap-ldaps'];
  for (const { host, port } of servers.filter((server) => foreign.includes(server.port))) {
    const found = `${formatEndpoint(host, port)} is spoken to by ${transport}`;
    warn(
      `ssoDomains ${name}: ${found}, which is not usual on this port; use authType: ${authType}`
    );
  }
  if (domain.lockout.failuresMax === 0) {
    warn(`ssoDomains ${name}: passwords can be tried without end; use maxFailedAuths: 10`);
  }
  if (domain.sessionEndsBy === 'age') return;
  for (const [times, suffix] of [
    [publicSession, 'Pub'],
    [privateSession, 'Priv']
  ] as const) {
    if (times.idleMs <= times.ageMs) continue;
    warn(
      `ssoDomains ${name}: a session ends after ${times.ageMs / 1000} s, before the silence of ` +
        `sessToutIdle${suffix}; give sessToutDuration${suffix}`
    );
  }
}

function isHere(host: string): boolean {
  const address = parseAddress(host);
  return address === undefined ? host === 'localhost' : isLoopback(address);
}

function fold(name: string): string {
  return name.toLowerCase();
}
