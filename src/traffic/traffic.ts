// What all sessions of a worker share: the log, who is connected, and the way to tell
// that a server does not answer.

import type { Socket } from 'node:net';
import type { Logger } from '../log.ts';
import { plainAddress } from '../net/address.ts';
import { Roster } from '../net/roster.ts';
import type { RealServer } from '../service/real-server.ts';
import { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import type { Bindings } from './bindings.ts';
import type { Passes } from './passes.ts';

/** Where a session's requests go: the service of a listener, replaced at a reload. */
export interface Entrance {
  /** Undefined once the configuration has the service no more. */
  virtualService: VirtualService | undefined;
}

/** Who the client is: the far end of its connection, or whom a PROXY header names. */
export interface ClientEnd {
  readonly address: string;
  readonly port: number;
}

/** The far end of a connection as the system sees it. */
export function clientEndOf(socket: Socket): ClientEnd {
  return { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
}

export interface Session {
  /** Looks whether a deadline has passed; called about twice a second. */
  checkDeadline(nowMs: number): void;
  /** Ends the session as soon as nothing is in flight. */
  drain(): void;
  /** The same where its service is no longer in the configuration. */
  endIfGone(): void;
  /** Ends what runs for these sessions of pre-authentication, which are over. */
  passesEnded(keys: ReadonlySet<string>): void;
  /** Ends it now. */
  destroy(): void;
}

export class Traffic {
  readonly log: Logger;
  accessLog: boolean;
  readonly sessions = new Roster<Session>();
  /** Of connections whose service was gone when they came. */
  readonly counters = new ServiceCounters();
  /** True once the worker accepts no more and ends its sessions. */
  draining = false;
  readonly bindings: Bindings;
  readonly passes: Passes;
  readonly #suspect: (server: RealServer, reason: string) => void;
  readonly #idPrefix: string;
  #nextId = 0;

  constructor(
    log: Logger,
    idPrefix: string,
    suspect: (server: RealServer, reason: string) => void,
    bindings: Bindings,
    passes: Passes
  ) {
    this.log = log;
    this.accessLog = true;
    this.#idPrefix = idPrefix;
    this.#suspect = suspect;
    this.bindings = bindings;
    this.passes = passes;
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
