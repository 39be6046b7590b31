// What the clients of all relay scenarios have in common: how they connect, and how they keep count.

import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ClientTls } from './scenarios.ts';

export interface Target {
  readonly port: number;
  readonly tls: ClientTls;
}

/** Filled by the clients; the round decides what of it counts. */
export class Tally {
  /** Since the last `restart`. */
  units = 0;
  timesMs: number[] = [];
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

export function open(target: Target): Socket {
  const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
  return target.tls === 'implicit' ? beginTls(socket) : socket;
}

/** One version, cipher and group for all proxies, else they would not do the same work. */
export function beginTls(socket: Socket): TLSSocket {
  return connectTls({
    socket,
    servername: 'mail.example.com',
    // The certificate was made for this run and signed by nobody.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'X25519'
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
