// TLS sessions with real servers, to be resumed: that spares both sides the signature and the look
// at the certificate. Made for one set of settings and gone with it, since a resumed session is not
// verified again: none outlives the verification that it stands for.

import type { TLSSocket } from 'node:tls';

/** The certificate of a server is looked at again after so long, however often it was resumed. */
const verifiedTimeMs = 3_600_000;
/** A server gives one or two with a handshake, and many clients may come back at once. */
const sessionsMax = 8;
/** Names may be the clients' own, so there could be any number. */
const keysMax = 256;

interface Kept {
  readonly session: Buffer;
  /** When the full handshake was that it goes back to. */
  readonly verifiedMs: number;
}

export interface Resumption {
  /** For `tls.connect`; undefined asks for a full handshake. */
  readonly session: Buffer | undefined;
  /** Keeps what the server gives for the next time. */
  readonly watch: (socket: TLSSocket) => void;
}

export class ServerSessions {
  /** Least recently given first. */
  readonly #kept = new Map<string, Kept[]>();
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** For a connection to the server and names that `key` stands for. */
  resume(key: string): Resumption {
    let used = this.#take(key);
    let verifiedMs: number | undefined;
    const verifiedAt = (socket: TLSSocket): number =>
      (verifiedMs ??= (socket.isSessionReused() ? used?.verifiedMs : undefined) ?? this.#clock());
    return {
      session: used?.session,
      // Node gives no session before it has verified the server.
      watch: (socket) => {
        socket.on('session', (session: Buffer) => {
          this.#keep(key, { session, verifiedMs: verifiedAt(socket) });
        });
        socket.once('secureConnect', () => {
          verifiedAt(socket);
          // Some give no other one, as TLS 1.2 does; what a server did not take is of no more use.
          if (used !== undefined && socket.isSessionReused() && !this.#kept.has(key)) {
            this.#keep(key, used);
          }
          used = undefined; // which the other listener would hold as long as the connection lasts
        });
      }
    };
  }

  /** The newest; each is used once where there are several (RFC 8446 C.4). */
  #take(key: string): Kept | undefined {
    const all = this.#kept.get(key);
    const kept = all?.pop();
    if (all?.length === 0) this.#kept.delete(key);
    if (kept === undefined || this.#clock() - kept.verifiedMs < verifiedTimeMs) return kept;
    this.#kept.delete(key); // those below are older
    return undefined;
  }

  #keep(key: string, kept: Kept): void {
    const all = this.#kept.get(key) ?? [];
    this.#kept.delete(key);
    this.#kept.set(key, all);
    all.push(kept);
    if (all.length > sessionsMax) all.shift();
    if (this.#kept.size <= keysMax) return;
    const [oldest = ''] = this.#kept.keys();
    this.#kept.delete(oldest);
  }
}
