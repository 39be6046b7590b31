// From an expanded entry to a virtual service of the model: defaults filled in, references
// resolved, and what one setting says about another judged.

import { buildCheck, buildMinimum } from './build-check.ts';
import { buildEsp } from './build-esp.ts';
import { buildListening } from './build-listen.ts';
import { buildPersistence, judgeOwnCookies } from './build-persistence.ts';
import { buildServers, buildStandby } from './build-servers.ts';
import { buildReencrypt } from './build-reencrypt.ts';
import { buildTcp, chooseVsType } from './build-tcp.ts';
import { buildTls } from './build-tls.ts';
import type { ServiceEntry, SubVSEntry } from './expand.ts';
import { judgeEsp } from './judge-esp.ts';
import { judgeCheck } from './judge-tcp.ts';
import type { RealServer, Service, SubVirtualService, VirtualService } from './model.ts';
import { unescapeSlashes } from './percent.ts';
import type { Report } from './problem.ts';
import { chooseRuleLists, chooseRules } from './rules.ts';
import type { Surroundings } from './surroundings.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

const idleTimeDefault = 660;
const redirectCodes: readonly number[] = [301, 302, 303, 307, 308];

export async function buildVirtualService(
  entry: ServiceEntry,
  around: Surroundings
): Promise<VirtualService> {
  const { settings, name } = entry;
  const { report, warn } = around;
  const vsType = chooseVsType(settings);
  if (settings.port === undefined) report(entry.place, entry.path, 'there is no port; add port');
  const port = settings.port?.value ?? 0;
  const serverPort = entry.template?.serverPort ?? port;
  // Elsewhere SubVSs are refused, and what else may be wrong with them is of no interest.
  const subEntries = vsType === 'http' ? entry.subVSs : [];
  const servers = await buildServers(
    subEntries.length === 0 ? (settings.realServers?.value ?? []) : [],
    name,
    serverPort,
    around.resolve,
    report
  );
  const subVSs: SubVirtualService[] = [];
  for (const sub of subEntries) subVSs.push(await buildSubVS(entry, sub, serverPort, around));
  judgeAnswers(entry, vsType, report);
  judgeSubVSs(entry, subVSs, around);
  judgeOwnCookies(entry, subVSs, report);
  const service = buildService(settings, name, servers, serverPort, around);
  judgeCheck(settings, vsType, service.check.type, report);
  const esp = vsType === 'http' ? buildEsp(settings, around.ssoDomains) : undefined;
  if (vsType === 'http') judgeEsp(entry, { ...service, esp }, subVSs, around);
  return {
    ...service,
    // With SubVSs it is theirs alone: a request that is none of theirs is answered here.
    esp: subVSs.length > 0 ? undefined : esp,
    standby: await buildStandby(settings, name, serverPort, around.resolve, report),
    // With SubVSs it is theirs alone.
    persistence: subVSs.length > 0 ? undefined : buildPersistence(settings, name, report),
    vsType,
    tcp: buildTcp(entry, vsType, report, warn),
    ...buildListening(settings, around),
    address: settings.address?.value ?? '0.0.0.0',
    port,
    tls: await buildTls(entry, around),
    // For others it is refused, with all that belongs to it.
    reencrypt:
      vsType === 'http' ? await buildReencrypt(settings, around.folder, report) : undefined,
    subnetOriginating: originates(entry, around),
    subVSs
  };
}

async function buildSubVS(
  entry: ServiceEntry,
  sub: SubVSEntry,
  serverPort: number,
  around: Surroundings
): Promise<SubVirtualService> {
  const { report, resolve } = around;
  const fullName = `${entry.name}/${sub.name}`;
  const servers = await buildServers(
    sub.settings.realServers?.value ?? [],
    fullName,
    serverPort,
    resolve,
    report
  );
  const chosen = chooseRules(sub.settings, around);
  const { rules } = sub.settings;
  if (rules === undefined || rules.value?.length === 0) {
    const at = rules ?? sub;
    report(at.place, at.path, 'the SubVS has no rules; add rules, or rules: [default]');
  }
  return {
    ...buildService(sub.settings, sub.name, servers, serverPort, around),
    esp: buildEsp(sub.settings, around.ssoDomains),
    standby: await buildStandby(sub.settings, fullName, serverPort, resolve, report),
    persistence: buildPersistence(sub.settings, fullName, report),
    ...chosen
  };
}

function buildService(
  settings: ServiceSettings | SubVSSettings,
  name: string,
  realServers: readonly RealServer[],
  serverPort: number,
  around: Surroundings
): Omit<Service, 'standby' | 'persistence' | 'esp'> {
  return {
    name,
    enable: settings.enable?.value ?? true,
    schedule: settings.schedule?.value ?? 'rr',
    idleTimeMs: (settings.idleTime?.value || idleTimeDefault) * 1000,
    check: buildCheck(settings, realServers, serverPort, around.timing, around.report),
    rsMinimum: buildMinimum(settings, realServers, around.report),
    ...chooseRuleLists(settings, around),
    notAvailable: notAvailable(settings, around.report),
    realServers
  };
}

function notAvailable(
  settings: ServiceSettings | SubVSSettings,
  report: Report
): Service['notAvailable'] {
  const { errorCode, errorUrl } = settings;
  const code = errorCode?.value ?? 0;
  if (errorCode === undefined || code === 0) {
    if (errorUrl !== undefined && (errorCode === undefined || errorCode.value === 0)) {
      const message = 'nothing is answered with it; add errorCode, for example 302 or 503';
      report(errorUrl.place, errorUrl.path, message);
    }
    return undefined;
  }
  if (code < 200 || (code >= 300 && code < 400 && !redirectCodes.includes(code))) {
    const usable = `${redirectCodes.join(', ')}, or a code from 200 to 299 or 400 to 505`;
    const message = `${code} cannot be answered; use ${usable}`;
    report(errorCode.place, errorCode.path, message);
  }
  if (!redirectCodes.includes(code)) return { code, urlOrText: errorUrl?.value ?? '' };
  if (errorUrl === undefined) {
    const message = `${code} needs a target; add errorUrl, for example https://%h%s`;
    report(errorCode.place, errorCode.path, message);
  }
  const target = unescapeSlashes(errorUrl?.value ?? '');
  // It becomes the Location field: nothing may stand in it that could end the field or the head.
  if (errorUrl !== undefined && !/^[!-~]*$/.test(target)) {
    const message = 'a target is printable ASCII without blanks; percent-encode the rest';
    report(errorUrl.place, errorUrl.path, message);
  }
  return { code, urlOrText: target };
}

/** A service must have servers, be told explicitly that it has none yet, or answer by itself. */
function judgeAnswers(entry: ServiceEntry, vsType: VirtualService['vsType'], report: Report): void {
  const { settings, subVSs, place, path } = entry;
  if (settings.errorCode !== undefined && settings.errorCode.value !== 0) return;
  if (settings.standbyAddr !== undefined) return;
  const cure = vsType === 'http' ? 'add realServers, or an errorCode' : 'add realServers';
  const silent = subVSs.filter(({ settings: own }) =>
    [own.realServers, own.standbyAddr, own.errorCode].every((one) => one === undefined)
  );
  if (subVSs.length === 0 ? settings.realServers === undefined : silent.length === subVSs.length) {
    report(place, path, `the service has nothing that could answer; ${cure}`);
    return;
  }
  for (const sub of silent) {
    report(sub.place, sub.path, `the SubVS has nothing that could answer; ${cure}`);
  }
}

function judgeSubVSs(
  entry: ServiceEntry,
  built: readonly SubVirtualService[],
  { report, warn }: Surroundings
): void {
  const seen = new Set<string>();
  let catchAll: string | undefined;
  for (const [index, sub] of entry.subVSs.entries()) {
    const at = sub.settings.name ?? sub;
    if (sub.name !== '' && seen.has(sub.name)) {
      report(at.place, at.path, `there is a SubVS "${sub.name}" already; use another name`);
    }
    seen.add(sub.name);
    if (built[index]?.isDefault !== true) continue;
    if (catchAll !== undefined) {
      const where = sub.settings.rules ?? sub;
      const message = `"${catchAll}" has the rule default already; give it to one SubVS`;
      report(where.place, where.path, message);
    }
    catchAll = sub.name;
  }
  const { realServers } = entry.settings;
  const reached = entry.subVSs.some((sub) => sub.settings.realServers === realServers);
  if (entry.subVSs.length > 0 && (realServers?.value?.length ?? 0) > 0 && !reached) {
    warn(`${entry.name}: its own real servers are used by no SubVS, each has some of its own`);
  }
}

/** Guide 2.2: switched on globally it is on everywhere; else each service has its own choice. */
function originates(entry: ServiceEntry, { subnetOriginating, warn }: Surroundings): boolean {
  const own = entry.settings.subnetOriginating?.value;
  if (subnetOriginating && own === false) {
    warn(
      `${entry.name}: subnetOriginating: false has no effect while it is true under global; ` +
        'set it to false there as well'
    );
  }
  return subnetOriginating || (own ?? false);
}
