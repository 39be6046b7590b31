// The work of a mail relay: small lines to and fro, bulk each way, sessions set up and ended, and
// sessions that do nothing.

import type { ClientTls } from '../client.ts';
import { megabyte } from '../content.ts';
import type { ProxyName, Scenario } from '../contest.ts';

export type RelayJob =
  | { readonly kind: 'lines'; readonly connections: number }
  | {
      readonly kind: 'bulk';
      readonly connections: number;
      readonly direction: 'down' | 'up';
      readonly bytes: number;
    }
  | { readonly kind: 'sessions'; readonly connections: number }
  | { readonly kind: 'idle'; readonly sessions: number };

export interface RelayScenario extends Scenario {
  readonly tls: ClientTls;
  readonly protocol: 'imap' | 'smtp';
  readonly job: RelayJob;
}

const everyone: readonly ProxyName[] = ['ballast', 'haproxy', 'nginx', 'net-relay'];

const withTls: Readonly<Record<ClientTls, string>> = {
  none: 'in clear',
  implicit: 'TLS ended at the proxy',
  starttls: 'STARTTLS at the proxy'
};

export const relayScenarios: readonly RelayScenario[] = [
  ...(['none', 'implicit'] as const).map((tls) => lines(tls)),
  ...(['none', 'implicit'] as const).flatMap((tls) =>
    (['down', 'up'] as const).flatMap((direction) =>
      [1, 20].map((megabytes) => bulk(tls, direction, megabytes))
    )
  ),
  ...(['none', 'implicit', 'starttls'] as const).map((tls) => sessions(tls)),
  idle(5000)
];

function lines(tls: ClientTls): RelayScenario {
  return {
    ...named('lines', tls, `a line of 60 bytes each way in turn, ${withTls[tls]}`),
    ...priced('message'),
    protocol: 'imap',
    quick: tls === 'none',
    job: { kind: 'lines', connections: 64 }
  };
}

function bulk(tls: ClientTls, direction: 'down' | 'up', megabytes: number): RelayScenario {
  return {
    ...named(`${direction}-${megabytes}m`, tls, `${megabytes} MB ${direction}, ${withTls[tls]}`),
    ...priced('MB'),
    groups: ['mail', 'bulk'],
    protocol: 'imap',
    quick: false,
    job: { kind: 'bulk', connections: 8, direction, bytes: megabytes * megabyte }
  };
}

function sessions(tls: ClientTls): RelayScenario {
  return {
    ...named('sessions', tls, `connect, greeting, NOOP, QUIT, ${withTls[tls]}`),
    ...priced('session'),
    protocol: 'smtp',
    quick: tls === 'starttls',
    job: { kind: 'sessions', connections: 32 }
  };
}

function idle(count: number): RelayScenario {
  return {
    ...named('idle', 'implicit', `memory of ${count} idle IMAP sessions, ${withTls.implicit}`),
    name: 'idle',
    unit: 'session',
    cost: 'KB/session',
    protocol: 'imap',
    quick: false,
    freshPrograms: true,
    job: { kind: 'idle', sessions: count }
  };
}

function named(
  base: string,
  tls: ClientTls,
  says: string
): Pick<RelayScenario, 'name' | 'groups' | 'says' | 'tls' | 'proxies'> {
  const name = { none: base, implicit: `${base}-tls`, starttls: `${base}-starttls` }[tls];
  // Only Ballast ends STARTTLS.
  const proxies: readonly ProxyName[] = tls === 'starttls' ? ['ballast'] : everyone;
  return { name, groups: ['mail'], says, tls, proxies };
}

function priced(unit: string): Pick<RelayScenario, 'unit' | 'cost' | 'freshPrograms'> {
  return { unit, cost: `CPU us/${unit}`, freshPrograms: false };
}
