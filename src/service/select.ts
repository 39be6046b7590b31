// The two choices for a request: which SubVS, which real server. Pure: nothing here waits.

import type { RequestFacts } from '../content-rule/content-rule.ts';
import { ProxyError } from '../error.ts';
import type { OpenConnection, RealServer } from './real-server.ts';
import type { Service, VirtualService } from './virtual-service.ts';

/** The SubVS for a request: content rules in order, the first match wins, else the default one. */
export function chooseService(virtualService: VirtualService, facts: RequestFacts): Service {
  if (!virtualService.hasSubVSs) return virtualService;
  for (const option of virtualService.switches) {
    if (!option.matches(facts)) continue;
    if (option.mustFail) {
      throw new ProxyError('rule-must-fail', 'client', `content rule ${option.rule} refuses it`);
    }
    return option.service;
  }
  if (virtualService.defaultService !== undefined) return virtualService.defaultService;
  throw new ProxyError('no-rule', 'client', 'no content rule matches');
}

/** The connection that a client uses at present. */
export interface Current extends OpenConnection {
  readonly address: string;
  readonly port: number;
  /** NTLM or Negotiate went over it: the server knows it as a user. */
  readonly signedIn: boolean;
}

/**
 * A real server for a new request: the one whose address the client already uses, while it may be
 * used (exchange-and-peers 1.3 rule 2), else what the scheduler picks. Servers in `tried` are out,
 * and one under suspicion is taken only when there is no other.
 */
export function chooseRealServer(
  service: Service,
  current: Current | undefined,
  tried: readonly RealServer[]
): RealServer | undefined {
  const { realServers } = service;
  if (current !== undefined) {
    let sameHost: RealServer | undefined;
    for (const server of realServers) {
      const { address, port } = server.settings;
      if (address !== current.address || tried.includes(server)) continue;
      if (!server.isAvailable && !server.allows(current, current.signedIn)) continue;
      if (port === current.port) return server;
      sameHost ??= server;
    }
    if (sameHost !== undefined) return sameHost;
  }
  const available = realServers.filter((server) => server.isAvailable && !tried.includes(server));
  const trusted = available.filter((server) => !server.suspected);
  return service.scheduler.pick(trusted.length > 0 ? trusted : available);
}
