// What all sessions of a worker share: the log, who is connected, and the way to tell
// that a server does not answer.

import type { Logger } from '../log.ts';
import type { RealServer } from '../service/real-server.ts';
import { ServiceCounters } from '../service/service-counters.ts';
import type { Bindings } from './bindings.ts';

export interface Session {
  /** Looks whether a deadline has passed; called about twice a second. */
  checkDeadline(nowMs: number): void;
  /** Ends the session as soon as nothing is in flight. */
  drain(): void;
  /** The same where its service is no longer in the configuration. */
  endIfGone(): void;
  /** Ends it now. */
  destroy(): void;
}

export class Traffic {
  readonly log: Logger;
  accessLog: boolean;
  readonly sessions = new Set<Session>();
  /** Of connections whose service was gone when they came. */
  readonly counters = new ServiceCounters();
  /** True once the worker accepts no more and ends its sessions. */
  draining = false;
  readonly bindings: Bindings;
  readonly #suspect: (server: RealServer, reason: string) => void;
  readonly #idPrefix: string;
  #nextId = 0;

  constructor(
    log: Logger,
    idPrefix: string,
    suspect: (server: RealServer, reason: string) => void,
    bindings: Bindings
  ) {
    this.log = log;
    this.accessLog = true;
    this.#idPrefix = idPrefix;
    this.#suspect = suspect;
    this.bindings = bindings;
  }

  /** An id that no other request of this installation has. */
  requestId(): string {
    return `${this.#idPrefix}-${(this.#nextId++).toString(36)}`;
  }

  /** A dial failed: others go first until the primary has checked the server. */
  suspect(server: RealServer, reason: string): void {
    server.suspected = true;
    this.#suspect(server, reason);
  }

  sweep(nowMs: number): void {
    for (const session of this.sessions) session.checkDeadline(nowMs);
  }
}
