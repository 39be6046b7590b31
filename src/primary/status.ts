// The LoadMaster's status words (kemp-traffic 1.5 and 7). Pure.
//
// `Redirect` and `Fail Message` stand for a fixed answer: a service without any real server. One
// whose servers are all down says `Down`, though clients may get the same answer: an operator who
// looks for the outage must find it. `Sorry` is such an outage too, with a sorry server that serves.

import type { Configuration, Health, RealServer, Service } from '../config/model.ts';
import type { SubVirtualService, VirtualService } from '../config/model.ts';
import { loginPath } from '../gate/login-url.ts';
import { whyBelowMinimum } from '../health-check/health.ts';

const loginWord = loginPath.slice(1);

export type StatusWord =
  | 'Up'
  | 'Down'
  | 'Disabled'
  | 'Redirect'
  | 'Fail Message'
  | 'Unchecked'
  | 'Sorry'
  | 'Security Down';

export type HealthOf = (id: string) => Health;

/** What the words are made of. */
export interface Sight {
  readonly healthOf: HealthOf;
  /** Why nobody can sign in at this SSO domain; undefined = one can. */
  readonly whyNoLogon: (ssoDomain: string) => string | undefined;
}

export function realServerStatus(server: RealServer, health: Health): StatusWord {
  if (!server.enable) return 'Disabled';
  if (health.state === 'unchecked') return 'Unchecked';
  return health.state === 'up' ? 'Up' : 'Down';
}

/** Of a SubVS of `above`, or of a virtual service that has its real servers itself. */
export function serviceStatus(service: Service, sight: Sight, above?: VirtualService): StatusWord {
  if (!service.enable) return 'Disabled';
  const status = statusOfServers(service, sight.healthOf, above);
  // Without servers it does nothing for those either who have signed in.
  if (status === 'Down' || whySecurityDown(service, sight) === undefined) return status;
  return 'Security Down';
}

function statusOfServers(
  service: Service,
  healthOf: HealthOf,
  above: VirtualService | undefined
): StatusWord {
  const { realServers, standby, notAvailable } = service;
  const found = best(realServers.map((server) => realServerStatus(server, healthOf(server.id))));
  if (found !== 'Down' && whyDown(service, healthOf) === undefined) return found;
  // As service/build.ts has it: an answer of its own goes before the sorry server above.
  const sorryServer = standby ?? (notAvailable === undefined ? above?.standby : undefined);
  if (sorryServer !== undefined) return 'Sorry';
  return realServers.length === 0 ? fixedAnswerStatus(service) : 'Down';
}

/** Why nobody can sign in to it: its directory does not answer. */
export function whySecurityDown({ esp }: Service, { whyNoLogon }: Sight): string | undefined {
  if (esp === undefined || esp.clientMode === 'delegate') return undefined;
  const why = whyNoLogon(esp.domain);
  return why === undefined ? undefined : `SSO domain ${esp.domain}: ${why}`;
}

/** Why it counts as down although servers may be up: rsMinimum, or a critical server. */
export function whyDown(
  { rsMinimum, realServers }: Service,
  healthOf: HealthOf
): string | undefined {
  if (rsMinimum === undefined) return undefined;
  const members = realServers.map((settings) => {
    const { state } = healthOf(settings.id);
    return { settings, isUp: state === 'up' || state === 'unchecked' };
  });
  return whyBelowMinimum(rsMinimum, members);
}

export function virtualServiceStatus(service: VirtualService, sight: Sight): StatusWord {
  if (service.subVSs.length === 0) return serviceStatus(service, sight);
  if (!service.enable) return 'Disabled';
  const working = service.subVSs.filter((subVS) => !isLoginAlone(subVS));
  const found = best(working.map((subVS) => serviceStatus(subVS, sight, service)));
  return found !== 'Down' || hasServers(service) ? found : fixedAnswerStatus(service);
}

/**
 * Whether there is work that can be done. A redirector alone does not count as long as there are
 * services with servers: it always works, and would hide that nothing behind it does.
 */
export function isUsable({ virtualServices }: Configuration, sight: Sight): boolean {
  const withServers = virtualServices.filter((service) => service.enable && hasServers(service));
  const asked = withServers.length > 0 ? withServers : virtualServices;
  return asked.some((service) => {
    const status = virtualServiceStatus(service, sight);
    // A sorry server is no work done, unless there is nothing else to do.
    if (status === 'Sorry') return !hasServers(service);
    // And where nobody gets in no work is done, though who is in can go on.
    return status !== 'Down' && status !== 'Disabled' && status !== 'Security Down';
  });
}

function hasServers(service: VirtualService): boolean {
  return [service, ...service.subVSs].some(({ realServers }) => realServers.length > 0);
}

/**
 * The Authentication Proxy: a rule for the login URLs, which Ballast answers itself. Nothing behind it
 * is ever checked, so it says nothing of the service that it belongs to (kemp-esp 3).
 */
function isLoginAlone({ rules }: SubVirtualService): boolean {
  return (
    rules.length > 0 && rules.every(({ pattern, negate }) => pattern.includes(loginWord) && !negate)
  );
}

function fixedAnswerStatus({ notAvailable }: Service): StatusWord {
  if (notAvailable === undefined) return 'Down';
  return notAvailable.code >= 300 && notAvailable.code <= 399 ? 'Redirect' : 'Fail Message';
}

function best(statuses: readonly StatusWord[]): StatusWord {
  if (statuses.includes('Up')) return 'Up';
  if (statuses.includes('Unchecked')) return 'Unchecked';
  if (statuses.includes('Sorry')) return 'Sorry';
  return statuses.includes('Security Down') ? 'Security Down' : 'Down';
}
