// What the hot path needs to know of people who sign in. The worker keeps the sessions it has met;
// the primary keeps them all.

import type { GateKeys } from '../gate/keys.ts';
import type { LogonAnswer, LogonAsk, Pass } from '../gate/pass.ts';

export interface Passes {
  /** Seals and tokens are made with it; the same in all workers. */
  readonly keys: GateKeys;
  /** The session of this key, where the worker knows that it is good for this service. A use. */
  find(key: string, service: string): Pass | undefined;
  /** The same according to the primary. Rejects where that does not answer in time. */
  ask(key: string, service: string): Promise<Pass | undefined>;
  /** Asks the directory, and begins a session where it agrees. */
  logon(ask: LogonAsk): Promise<LogonAnswer>;
  /** What runs for this session is a use of it, long after the request that began it. */
  used(key: string): void;
  /**
   * Ends sessions for everybody. To be waited for, or who invents keys fills the primary's memory.
   * Resolves also where the primary does not answer in time.
   */
  logoff(keys: readonly string[]): Promise<void>;
}
