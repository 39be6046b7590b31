// All that the primary and its workers say to each other, as two unions. Plain JSON only.

import type { Configuration, Health } from './config/model.ts';
import type { LogonAnswer, LogonAsk, Pass } from './gate/pass.ts';

/** What was added to a row of counters.ts since the last report: place, amount, place, amount ... */
export type RowChange = readonly [key: string, added: readonly number[]];

/** What a worker counted since its last report, and how it is now. */
export interface WorkerReport {
  /** By full name of a virtual service or SubVS; rows without a change are left out. */
  readonly services: readonly RowChange[];
  /** By real server id. */
  readonly servers: readonly RowChange[];
  /** Open client connections, and those of them by virtual service. */
  readonly clients: number;
  readonly clientsOf: readonly (readonly [service: string, open: number])[];
  readonly residentBytes: number;
  readonly loopDelay: LoopDelayMs;
}

/** How late the event loop was in the last half minute or a little more. */
export interface LoopDelayMs {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** An OCSP response for one certificate. */
export interface Staple {
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  /** Base64; undefined once there is none that still holds. */
  readonly response: string | undefined;
}

/** Which server is this client's? Asked by a worker that does not know. */
export interface BindAsk {
  /** Number of the question, for its answer. */
  readonly n: number;
  readonly key: string;
  /** The asker's choice, which counts unless there is a record already; '' = it has none. */
  readonly id: string;
  readonly timeoutMs: number;
  /** Servers that could not be reached: a record for one of them is replaced. */
  readonly failed: readonly string[];
}

/** Open connections of a client to a service, under a key that only workers understand. */
export type OpenCount = readonly [key: string, open: number];

/** A persistence record in use. */
export type Use = readonly [key: string, id: string, timeoutMs: number];

export type ToWorker =
  | {
      readonly type: 'plan';
      readonly revision: number;
      readonly configuration: Configuration;
      readonly health: readonly (readonly [id: string, health: Health])[];
      /** Real servers that a reload took in or out of service, and when (ms since 1970). */
      readonly switched: readonly (readonly [id: string, atMs: number])[];
      /** 48 bytes in base64, shared by all workers so that tickets work across them. */
      readonly ticketKeys: string;
      /** 32 bytes in base64 for seals and tokens of pre-authentication; never leaves memory. */
      readonly gateKey: string;
      readonly staples: readonly Staple[];
    }
  | { readonly type: 'staple'; readonly staple: Staple }
  | { readonly type: 'health'; readonly id: string; readonly health: Health }
  | {
      /** Connections that the other workers hold, by real server id. */
      readonly type: 'load';
      readonly elsewhere: readonly (readonly [id: string, active: number])[];
    }
  /** The same by client, only those that changed. */
  | { readonly type: 'clients'; readonly elsewhere: readonly OpenCount[] }
  /** Answers to `bind`; an empty id = there is none. */
  | { readonly type: 'bound'; readonly bound: readonly (readonly [n: number, id: string])[] }
  /** Answers to `logon` and `find-pass`; undefined = there is none, or not for that service. */
  | { readonly type: 'logon-answer'; readonly n: number; readonly answer: LogonAnswer }
  | { readonly type: 'pass'; readonly n: number; readonly pass: Pass | undefined }
  /** The answer to `logoff`; all workers were told before. */
  | { readonly type: 'logged-off'; readonly n: number }
  /** These sessions are over: logged off, killed, or out of time. */
  | { readonly type: 'passes-ended'; readonly keys: readonly string[] }
  /** These keys are another server's by now: ask when they come again. */
  | { readonly type: 'unbound'; readonly keys: readonly string[] }
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
  /** Clients whose number of connections changed, where it is limited. */
  | { readonly type: 'clients'; readonly open: readonly OpenCount[] }
  /** A dial failed: please check this server now. */
  | { readonly type: 'suspect'; readonly id: string; readonly reason: string }
  | { readonly type: 'logon'; readonly n: number; readonly ask: LogonAsk }
  /** Whose is this key, and may he use this service? */
  | {
      readonly type: 'find-pass';
      readonly n: number;
      readonly key: string;
      readonly service: string;
    }
  /** Sessions in use, with the latest use of each (ms since 1970). */
  | { readonly type: 'pass-uses'; readonly uses: readonly (readonly [key: string, atMs: number])[] }
  /** Ends sessions for everybody; answered, so that nobody has more than one on its way. */
  | { readonly type: 'logoff'; readonly n: number; readonly keys: readonly string[] }
  | { readonly type: 'bind'; readonly asks: readonly BindAsk[] }
  /** The server itself gave the client this key. */
  | { readonly type: 'learned'; readonly use: Use }
  /** `late`: answers to `bind` that took too long, since the last time. */
  | { readonly type: 'uses'; readonly uses: readonly Use[]; readonly late: number }
  | { readonly type: 'counters'; readonly report: WorkerReport };
