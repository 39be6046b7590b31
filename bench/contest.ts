// A contest: proxies that do the same work in turns. HTTP and mail relay each bring theirs.

import type { Program } from './program.ts';
import type { Sample } from './sample.ts';

/** Those after Ballast are what the others are compared with, in this order. */
export const proxyNames = ['ballast', 'haproxy', 'nginx', 'net-relay'] as const;

export type ProxyName = (typeof proxyNames)[number];

export interface Proxy {
  readonly name: ProxyName;
  readonly program: Program;
  readonly port: number;
  /** Where its access log goes, if it writes one. */
  readonly logFile?: string | undefined;
  /** Has it take up a configuration that differs a little, as an administrator would. */
  readonly reload?: () => void;
}

export interface Scenario {
  readonly name: string;
  /** Other words by which the command line chooses it, together with its kin. */
  readonly groups: readonly string[];
  readonly says: string;
  /** One request, message, MB or session. */
  readonly unit: string;
  /** What is compared, as the head of its column. */
  readonly cost: string;
  /** Who can do this at all. */
  readonly proxies: readonly ProxyName[];
  /** Among those that `--quick` looks at. */
  readonly quick: boolean;
  /** What it measures does not come back, such as memory: each round needs a new process. */
  readonly freshPrograms: boolean;
}

export interface Contest {
  readonly scenario: Scenario;
  /** Undefined where the program is not installed. */
  start(name: ProxyName): Promise<Proxy | undefined>;
  /** Resolves once all answers are right; throws where they stay wrong. */
  verify(proxy: Proxy): Promise<void>;
  round(proxy: Proxy, seconds: number): Promise<Sample>;
}
