// What the clients of all loads of our own have in common: how they connect, and how they keep count.

import { connect, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';

/** Where TLS begins; it ends at the proxy in any case. */
export type ClientTls = 'none' | 'implicit' | 'starttls';

export interface Target {
  /** Loopback unless said otherwise. */
  readonly host?: string;
  readonly port: number;
  readonly tls: ClientTls;
}

/** Filled by the clients; the round decides what of it counts. */
export class Tally {
  /** Since the last `restart`. */
  units = 0;
  timesMs: number[] = [];
  /** Requests without an answer where that is a figure and no failure: while a proxy reloads. */
  lost = 0;
  /** Of the whole round, for a wrong answer is wrong at any time. */
  readonly failures = new Map<string, number>();

  restart(): void {
    this.units = 0;
    this.timesMs = [];
  }

  done(units: number, beganMs: number): void {
    this.units += units;
    this.timesMs.push(performance.now() - beganMs);
  }

  fail(kind: string): void {
    this.failures.set(kind, (this.failures.get(kind) ?? 0) + 1);
  }
}

export interface Load {
  /** Begins nothing more, and resolves when what runs has come to its end. */
  stop(): Promise<void>;
}

/** Runs `connections` clients side by side, each until it sees that it shall stop. */
export function sideBySide(
  connections: number,
  run: (number: number, isStopping: () => boolean) => Promise<void>
): Load {
  let stopping = false;
  const isStopping = (): boolean => stopping;
  const ended = Array.from({ length: connections }, (_, number) => run(number, isStopping));
  return {
    stop: async () => {
      stopping = true;
      await Promise.all(ended);
    }
  };
}

/** Runs `once` again and again on each of `lanes` lanes, until something failed. */
export function againAndAgain(
  lanes: number,
  tally: Tally,
  once: (lane: number) => Promise<void>
): Load {
  return sideBySide(lanes, async (lane, isStopping) => {
    while (!isStopping() && tally.failures.size === 0) await once(lane);
  });
}

export function open(target: Target): Socket {
  const { host = '127.0.0.1', port } = target;
  const socket = connect({ port, host, noDelay: true });
  return target.tls === 'implicit' ? beginTls(socket) : socket;
}

/** One version, cipher and group for all proxies, else they would not do the same work. */
const secureContext = createSecureContext({
  minVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519'
});

/** `session` is one to resume. */
export function beginTls(socket: Socket, session?: Buffer): TLSSocket {
  return connectTls({
    socket,
    servername: 'mail.example.com',
    // The certificate was made for this run and signed by nobody.
    rejectUnauthorized: false,
    secureContext,
    ...(session !== undefined && { session })
  });
}

/** One client: gets what comes, says when it has ended well. */
export interface Client {
  readonly onBytes: (chunk: Buffer) => void;
  readonly isDone: () => boolean;
}

/** Feeds `client` from `socket`; resolves when the connection is gone, a failure unless it was done. */
export function attend(socket: Socket, client: Client, tally: Tally): Promise<void> {
  let reason = '';
  socket.on('data', client.onBytes);
  socket.on('error', (error: NodeJS.ErrnoException) => (reason = ` (${error.code})`));
  socket.on('end', () => socket.end());
  return new Promise((resolve) => {
    socket.on('close', () => {
      if (!client.isDone()) tally.fail(`connections lost${reason}`);
      resolve();
    });
  });
}
