// Bytes on their way between a client and its server, both directions at once: each side receives
// from its own connection and writes to the other's. A slow reader stops the other side's reading;
// an end of one side is handed on, and the other direction goes on.

import { ProxyError } from '../error.ts';
import type { Connection, Receiver } from '../net/connection.ts';
import type { Phase, TcpSession } from './tcp-session.ts';

const lineFeed = 10;
/** First byte of a TLS record with a client's hello (RFC 8446 5.1). */
const tlsHandshake = 0x16;

/** One direction: what comes from `from` goes to `to`. */
class Side implements Receiver {
  readonly from: Connection;
  readonly to: Connection;
  readonly name: 'client' | 'server';
  bytes = 0;
  /** When the latest of them came. */
  heardMs = 0;
  /** The very last one; 10 is the end of a line. */
  lastByte = lineFeed;
  ended = false;
  readonly #relay: TcpRelay;

  constructor(from: Connection, to: Connection, name: 'client' | 'server', relay: TcpRelay) {
    this.from = from;
    this.to = to;
    this.name = name;
    this.#relay = relay;
  }

  onBytes(bytes: Buffer): void {
    this.bytes += bytes.length;
    this.heardMs = this.from.lastActivityMs;
    if (bytes[0] === tlsHandshake && this.lastByte === lineFeed) this.#relay.tlsPasses(this);
    this.lastByte = bytes[bytes.length - 1] ?? lineFeed;
    if (!this.to.pass(bytes)) this.from.pause();
  }

  onEnd(): void {
    this.ended = true;
    this.#relay.sideEnded(this);
    this.to.socket.end();
  }

  onClose(error: Error | undefined): void {
    this.#relay.sideClosed(this, error);
  }

  /** `from` takes bytes again: those of the other direction. */
  onDrain(): void {
    this.to.resume();
  }
}

export class TcpRelay implements Phase {
  readonly #session: TcpSession;
  readonly #client: Side;
  readonly #server: Side;
  readonly #done = Promise.withResolvers<void>();
  #open = 2;

  constructor(session: TcpSession, server: Connection) {
    this.#session = session;
    this.#client = new Side(session.client, server, 'client', this);
    this.#server = new Side(server, session.client, 'server', this);
    // Behind a dialogue some have passed already.
    this.#client.bytes = session.bytesToServer;
    this.#server.bytes = session.bytesToClient;
  }

  /** Resolves when both sides have ended; throws `ProxyError` when one was cut. */
  run(): Promise<void> {
    this.#session.phase = this;
    this.#session.isGreeted = true;
    this.#server.from.receive(this.#server);
    this.#client.from.receive(this.#client);
    return this.#done.promise.finally(() => this.#note());
  }

  get lastActivityMs(): number {
    this.#note();
    return Math.max(this.#client.from.lastActivityMs, this.#server.from.lastActivityMs);
  }

  get mayInterrupt(): boolean {
    const { lastByte, to } = this.#server;
    return lastByte === lineFeed && to.socket.writableLength === 0;
  }

  /** Of TLS that passes through the ends of lines cannot be seen. */
  get isClientsTurn(): boolean {
    const { heardMs, to } = this.#server;
    if (heardMs < this.#client.heardMs) return false;
    return this.#session.isOpaque ? to.socket.writableLength === 0 : this.mayInterrupt;
  }

  fail(error: ProxyError): void {
    this.#done.reject(error);
  }

  /** The server's own STARTTLS: from here on a line of ours would be garbage. */
  tlsPasses({ name }: Side): void {
    if (name === 'client') this.#session.isOpaque = true;
  }

  sideEnded({ name }: Side): void {
    this.#session.endedBy ??= name;
  }

  sideClosed({ name, ended, to }: Side, error: Error | undefined): void {
    if (error !== undefined || !ended) {
      // The other end must be able to tell that this was no regular end.
      to.abort();
      const why = error === undefined ? 'was cut' : `broke: ${error.message}`;
      this.fail(new ProxyError(`${name}-closed`, name, `the ${name}'s connection ${why}`));
    }
    if (--this.#open === 0) this.#done.resolve();
  }

  #note(): void {
    this.#session.bytesToServer = this.#client.bytes;
    this.#session.bytesToClient = this.#server.bytes;
  }
}
