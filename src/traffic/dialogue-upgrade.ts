// STARTTLS on our side: the answer, then TLS on the same socket. From the client's line until TLS is
// up nobody may say a word. What came behind that line in the clear could have been put there by
// anybody on the way and must never count as said under TLS (CVE-2011-0411); what the server says
// meanwhile answers nothing, and the client would take it for an answer under TLS.

import type { TLSSocket } from 'node:tls';
import { ProxyError } from '../error.ts';
import type { Connection, Receiver } from '../net/connection.ts';
import type { TcpSession } from './tcp-session.ts';

export class Upgrade {
  readonly #session: TcpSession;
  readonly #server: Connection;
  readonly #done = Promise.withResolvers<void>();
  #state: 'answering' | 'encrypting' | 'over' = 'answering';

  constructor(session: TcpSession, server: Connection) {
    this.#session = session;
    this.#server = server;
  }

  /** Resolves when the session's client is encrypted. */
  run(answer: string): Promise<void> {
    const { client } = this.#session;
    this.#server.receive(new Silence('server', this));
    client.receive(new Silence('client', this));
    if (this.#state === 'answering') {
      client.socket.write(answer, 'latin1', (error) => {
        if (error == null) this.#handOver(client);
      });
    }
    return this.#done.promise;
  }

  fail(error: unknown): void {
    if (this.#state === 'encrypting') this.#session.client.destroy();
    this.#state = 'over';
    this.#done.reject(error);
  }

  /** The answer is out: what the client sends from now on is TLS, or no handshake comes about. */
  #handOver(client: Connection): void {
    if (this.#state !== 'answering') return;
    if (client.socket.readableLength > 0) return this.fail(spokeInClear());
    const { acceptor, counters } = this.#session;
    if (acceptor === undefined) return this.fail(new Error('STARTTLS in a service without TLS'));
    this.#state = 'encrypting';
    acceptor.accept(client.release(), {
      begin: (socket) => {
        counters.handshakeDone();
        this.#encrypted(socket);
      },
      failed: (reason) => {
        counters.handshakeFailed();
        this.fail(new ProxyError('client-closed', 'client', `TLS handshake: ${reason}`));
      }
    });
  }

  #encrypted(socket: TLSSocket): void {
    if (this.#state === 'over') {
      socket.destroy();
      return;
    }
    this.#state = 'over';
    this.#session.clientEncrypted(socket);
    this.#done.resolve();
  }
}

export function spokeInClear(): ProxyError {
  const words = 'nothing may follow the command for TLS but TLS, once it is answered';
  return new ProxyError('protocol-violation', 'client', words);
}

/** Any word of this side ends the session. */
class Silence implements Receiver {
  readonly #side: 'client' | 'server';
  readonly #upgrade: Upgrade;

  constructor(side: 'client' | 'server', upgrade: Upgrade) {
    this.#side = side;
    this.#upgrade = upgrade;
  }

  onBytes(): void {
    const words = 'the server spoke while TLS began with the client';
    this.#upgrade.fail(
      this.#side === 'client'
        ? spokeInClear()
        : new ProxyError('protocol-violation', 'server', words)
    );
  }

  onEnd(): void {
    const words = `the ${this.#side} ended the session while TLS began`;
    this.#upgrade.fail(new ProxyError(`${this.#side}-closed`, this.#side, words));
  }

  onClose(): void {
    this.onEnd();
  }

  onDrain(): void {}
}
