// The LoadMaster's status words (kemp-traffic 1.5 and 7). Pure.
//
// `Redirect` and `Fail Message` stand for a fixed answer: a service without any real server. One
// whose servers are all down says `Down`, though clients may get the same answer: an operator who
// looks for the outage must find it. `Sorry` is such an outage too, with a sorry server that serves.

import type { Configuration, Health, RealServer, Service } from '../config/model.ts';
import type { VirtualService } from '../config/model.ts';
import { whyBelowMinimum } from '../health-check/health.ts';

export type StatusWord =
  'Up' | 'Down' | 'Disabled' | 'Redirect' | 'Fail Message' | 'Unchecked' | 'Sorry';

export type HealthOf = (id: string) => Health;

export function realServerStatus(server: RealServer, health: Health): StatusWord {
  if (!server.enable) return 'Disabled';
  if (health.state === 'unchecked') return 'Unchecked';
  return health.state === 'up' ? 'Up' : 'Down';
}

/** Of a SubVS of `above`, or of a virtual service that has its real servers itself. */
export function serviceStatus(
  service: Service,
  healthOf: HealthOf,
  above?: VirtualService
): StatusWord {
  if (!service.enable) return 'Disabled';
  const { realServers, standby, notAvailable } = service;
  const found = best(realServers.map((server) => realServerStatus(server, healthOf(server.id))));
  if (found !== 'Down' && whyDown(service, healthOf) === undefined) return found;
  // As service/build.ts has it: an answer of its own goes before the sorry server above.
  const sorryServer = standby ?? (notAvailable === undefined ? above?.standby : undefined);
  if (sorryServer !== undefined) return 'Sorry';
  return realServers.length === 0 ? fixedAnswerStatus(service) : 'Down';
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

export function virtualServiceStatus(service: VirtualService, healthOf: HealthOf): StatusWord {
  if (service.subVSs.length === 0) return serviceStatus(service, healthOf);
  if (!service.enable) return 'Disabled';
  const found = best(service.subVSs.map((subVS) => serviceStatus(subVS, healthOf, service)));
  return found !== 'Down' || hasServers(service) ? found : fixedAnswerStatus(service);
}

/**
 * Whether there is work that can be done. A redirector alone does not count as long as there are
 * services with servers: it always works, and would hide that nothing behind it does.
 */
export function isUsable({ virtualServices }: Configuration, healthOf: HealthOf): boolean {
  const withServers = virtualServices.filter((service) => service.enable && hasServers(service));
  const asked = withServers.length > 0 ? withServers : virtualServices;
  return asked.some((service) => {
    const status = virtualServiceStatus(service, healthOf);
    // A sorry server is no work done, unless there is nothing else to do.
    if (status === 'Sorry') return !hasServers(service);
    return status !== 'Down' && status !== 'Disabled';
  });
}

function hasServers(service: VirtualService): boolean {
  return [service, ...service.subVSs].some(({ realServers }) => realServers.length > 0);
}

function fixedAnswerStatus({ notAvailable }: Service): StatusWord {
  if (notAvailable === undefined) return 'Down';
  return notAvailable.code >= 300 && notAvailable.code <= 399 ? 'Redirect' : 'Fail Message';
}

function best(statuses: readonly StatusWord[]): StatusWord {
  if (statuses.includes('Up')) return 'Up';
  if (statuses.includes('Unchecked')) return 'Unchecked';
  return statuses.includes('Sorry') ? 'Sorry' : 'Down';
}
