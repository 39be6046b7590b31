// The two choices for a request: which SubVS, which real server. Pure: nothing here waits.

import type { RequestFacts } from '../content-rule/content-rule.ts';
import { ProxyError } from '../error.ts';
import type { OpenConnection, RealServer } from './real-server.ts';
import type { PreRule, Service, VirtualService } from './virtual-service.ts';

/** The SubVS for a request: content rules in order, the first match wins, else the default one. */
export function chooseService(virtualService: VirtualService, facts: RequestFacts): Service {
  admitTo(virtualService, facts);
  if (!virtualService.hasSubVSs) return virtualService;
  const service = chooseSubVS(virtualService, facts);
  if (service.preRules.all.length > 0) askPreRules(service, facts);
  return service;
}

/** Asks the rules that stand before any choice; throws `ProxyError` where one refuses. */
export function admitTo(virtualService: VirtualService, facts: RequestFacts): void {
  facts.flags = 0;
  if (virtualService.preRules.all.length > 0) askPreRules(virtualService, facts);
}

/** They set flags for the rules to come, and refuse where they must. */
function askPreRules({ preRules }: Service, facts: RequestFacts): void {
  for (const rule of preRules.mayMatch(facts)) {
    if (rule.matches(facts) && rule.mustFail) throw refusal(rule);
  }
}

function chooseSubVS(virtualService: VirtualService, facts: RequestFacts): Service {
  for (const option of virtualService.switches.mayMatch(facts)) {
    if (!option.matches(facts)) continue;
    if (option.mustFail) throw refusal(option);
    return option.service;
  }
  if (virtualService.defaultService !== undefined) return virtualService.defaultService;
  throw new ProxyError('no-rule', 'client', 'no content rule matches');
}

function refusal({ rule }: PreRule): ProxyError {
  return new ProxyError('rule-must-fail', 'client', `content rule ${rule} refuses it`);
}

/** The connection that a client uses at present. */
export interface Current extends OpenConnection {
  readonly address: string;
  readonly port: number;
}

/**
 * A real server for a new request: the one whose address the client already uses, while it may be
 * used (exchange-and-peers 1.3 rule 2), else what the scheduler picks, else the sorry server. Those
 * in `tried` are out, and one under suspicion is taken only when there is no other.
 */
export function chooseRealServer(
  service: Service,
  current: Current | undefined,
  tried: readonly RealServer[],
  clientAddress: string
): RealServer | undefined {
  const { realServers, sorryServer } = service;
  if (service.whyDown?.() !== undefined) {
    return sorryServer === undefined || tried.includes(sorryServer) ? undefined : sorryServer;
  }
  const present = current && presentServer(service, current, tried);
  if (present !== undefined) return present;
  const available = realServers.filter((server) => server.isAvailable && !tried.includes(server));
  const trusted = available.filter((server) => !server.suspected);
  const picked = service.scheduler.pick(trusted.length > 0 ? trusted : available, clientAddress);
  if (picked !== undefined || sorryServer === undefined) return picked;
  return tried.includes(sorryServer) ? undefined : sorryServer;
}

/** The server of `service` that the client uses already, while it may be used. */
export function presentServer(
  service: Service,
  current: Current,
  tried: readonly RealServer[]
): RealServer | undefined {
  let sameHost: RealServer | undefined;
  for (const server of service.realServers) {
    const { address, port } = server.settings;
    if (address !== current.address || tried.includes(server)) continue;
    if (!server.isAvailable && !server.allows(current)) continue;
    if (port === current.port) return server;
    sameHost ??= server;
  }
  return sameHost;
}
