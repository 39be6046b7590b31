// What the hot path needs to know of persistence records. The worker keeps those it has met; the
// primary keeps them all.

import type { RealServer } from '../service/real-server.ts';

export interface Bindings {
  /** The server of this record, where the worker knows it. */
  find(key: string): RealServer | undefined;
  /** Makes the record last for another `timeoutMs`. */
  use(key: string, server: RealServer, timeoutMs: number): void;
  /**
   * The server of this client according to the primary: that of its record, else `proposal`, which
   * is then on record. Records for servers in `failed` do not count. It never takes long.
   */
  ask(
    key: string,
    proposal: RealServer | undefined,
    timeoutMs: number,
    failed: readonly RealServer[]
  ): Promise<RealServer | undefined>;
  /** The server gave this key to the client itself. */
  learn(key: string, server: RealServer, timeoutMs: number): void;
}
