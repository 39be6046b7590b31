// How the proxies of an HTTP scenario are set up, and what a scenario is.

import type { Target } from '../client.ts';
import type { ProxyName, Scenario } from '../contest.ts';
import type { Round } from '../rounds.ts';
import type { Sample } from '../sample.ts';
import type { Heads } from '../workload.ts';

export interface Setup {
  readonly tlsInFront: boolean;
  readonly tlsBehind: boolean;
  /** Of the certificate. */
  readonly key: 'rsa' | 'ecdsa';
  /** Workers of Ballast and of nginx, threads of HAProxy. */
  readonly workers: number;
  readonly accessLog: boolean;
  /** Whether HAProxy and nginx may use a server connection for another client; Ballast never does. */
  readonly sharesServerConnections: boolean;
  /** Whether it will be told to reload. */
  readonly reloads: boolean;
}

export const usualSetup: Setup = {
  tlsInFront: false,
  tlsBehind: false,
  key: 'rsa',
  workers: 1,
  accessLog: false,
  sharesServerConnections: true,
  reloads: false
};

export interface HttpRound extends Round {
  /** A server, for comparison. */
  readonly direct: Target;
  /** How many polls are held, if not as many as the scenario has. */
  readonly held: number | undefined;
}

export interface HttpScenario extends Scenario {
  readonly setup: Setup;
  /** `load`: small requests from autocannon or wrk; else a load of our own. */
  readonly work:
    { readonly heads: Heads } | { readonly measure: (round: HttpRound) => Promise<Sample> };
  /** Needs the server of ours; all else is served by nginx where that is installed. */
  readonly ownServer: boolean;
}

const everyone: readonly ProxyName[] = ['ballast', 'haproxy', 'nginx'];

/** What most HTTP scenarios have in common. */
export const usual = {
  groups: ['http'],
  unit: 'request',
  cost: 'CPU us/request',
  proxies: everyone,
  quick: false,
  freshPrograms: false,
  ownServer: false
} as const;
