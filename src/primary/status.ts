// The LoadMaster's status words (kemp-traffic 1.5 and 7). Pure.
//
// `Redirect` and `Fail Message` stand for a fixed answer: a service without any real server. One
// whose servers are all down says `Down`, though clients may get the same answer: an operator who
// looks for the outage must find it.

import type { Configuration, Health, RealServer, Service } from '../config/model.ts';
import type { VirtualService } from '../config/model.ts';

export type StatusWord = 'Up' | 'Down' | 'Disabled' | 'Redirect' | 'Fail Message' | 'Unchecked';

export type HealthOf = (id: string) => Health;

export function realServerStatus(server: RealServer, health: Health): StatusWord {
  if (!server.enable) return 'Disabled';
  if (health.state === 'unchecked') return 'Unchecked';
  return health.state === 'up' ? 'Up' : 'Down';
}

/** Of a SubVS, or of a virtual service that has its real servers itself. */
export function serviceStatus(service: Service, healthOf: HealthOf): StatusWord {
  if (!service.enable) return 'Disabled';
  if (service.realServers.length === 0) return fixedAnswerStatus(service);
  return best(service.realServers.map((server) => realServerStatus(server, healthOf(server.id))));
}

export function virtualServiceStatus(service: VirtualService, healthOf: HealthOf): StatusWord {
  if (service.subVSs.length === 0) return serviceStatus(service, healthOf);
  if (!service.enable) return 'Disabled';
  if (!hasServers(service)) return fixedAnswerStatus(service);
  return best(service.subVSs.map((subVS) => serviceStatus(subVS, healthOf)));
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
  return statuses.includes('Unchecked') ? 'Unchecked' : 'Down';
}
