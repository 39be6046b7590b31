// All that the primary and its workers say to each other, as two unions. Plain JSON only.

import type { Configuration, Health } from './config/model.ts';

export interface ServerCounters {
  /** Real server id of the plan. */
  readonly id: string;
  /** Connections to it that are open now, in this worker. */
  readonly active: number;
  readonly connections: number;
  readonly requests: number;
  readonly bytesToServer: number;
  readonly bytesFromServer: number;
}

export interface WorkerCounters {
  readonly clients: number;
  readonly requests: number;
  /** Own answers and early ends by `ErrorCode`. */
  readonly errors: Readonly<Record<string, number>>;
  readonly servers: readonly ServerCounters[];
}

export type ToWorker =
  | {
      readonly type: 'plan';
      readonly revision: number;
      readonly configuration: Configuration;
      readonly health: readonly (readonly [id: string, health: Health])[];
      /** 48 bytes in base64, shared by all workers so that tickets work across them. */
      readonly ticketKeys: string;
    }
  | { readonly type: 'health'; readonly id: string; readonly health: Health }
  | {
      /** Connections that the other workers hold, by real server id. */
      readonly type: 'load';
      readonly elsewhere: readonly (readonly [id: string, active: number])[];
    }
  | { readonly type: 'drain' };

export type ToPrimary =
  /** Asked for by a worker that is ready to receive its first plan. */
  | { readonly type: 'hello' }
  | { readonly type: 'applied'; readonly revision: number }
  | { readonly type: 'cannot-listen'; readonly revision: number; readonly reason: string }
  | {
      readonly type: 'load';
      readonly active: readonly (readonly [id: string, active: number])[];
    }
  /** A dial failed: please check this server now. */
  | { readonly type: 'suspect'; readonly id: string; readonly reason: string }
  | { readonly type: 'counters'; readonly counters: WorkerCounters };
