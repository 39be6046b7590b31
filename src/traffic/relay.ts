// Request and answer on their way, both at once. Two pumps, one a direction, each receiving from
// one connection and writing to the other; a slow reader stops the other side's reading.

import { ProxyError } from '../error.ts';
import type { Connection } from '../net/connection.ts';
import { AnswerPump } from './answer-pump.ts';
import type { Exchange } from './exchange.ts';
import { RequestPump } from './request-pump.ts';
import type { ServerConnection } from './server-connections.ts';

/** RFC 9110 10.1.1: how long a body waits for `100 Continue` in the RFC-2616 mode. */
const continueWaitMs = 1000;

export class Relay {
  readonly #exchange: Exchange;
  readonly #client: Connection;
  readonly #server: ServerConnection;
  readonly #requests: RequestPump;
  readonly #answers: AnswerPump;
  readonly #ended: (exchange: Exchange, failure?: unknown) => void;
  #isRunning = true;
  #continueTimer: NodeJS.Timeout | undefined;

  /** `ended` is called once: request and answer are complete, or cannot be because of a failure. */
  constructor(
    exchange: Exchange,
    server: ServerConnection,
    ended: (exchange: Exchange, failure?: unknown) => void
  ) {
    this.#ended = ended;
    this.#exchange = exchange;
    this.#client = exchange.session.client;
    this.#server = server;
    this.#requests = new RequestPump(this, exchange, server);
    this.#answers = new AnswerPump(this, exchange, server);
  }

  start(): void {
    try {
      this.#requests.start();
      const { expect100 } = this.#exchange.virtualService.global;
      if (this.#requests.isHolding && expect100 !== 'require') {
        this.#continueTimer = setTimeout(() => this.releaseBody(), continueWaitMs);
      }
      this.#server.connection.receive(this.#answers);
      // The server may be gone already, and with it this exchange.
      if (this.#isRunning) this.#client.receive(this.#requests);
    } catch (error) {
      this.fail(error);
    }
  }

  /** When the last byte went in either direction. */
  get lastActivityMs(): number {
    return Math.max(this.#client.lastActivityMs, this.#server.connection.lastActivityMs);
  }

  /** The server has said that it wants the body, or we waited long enough. */
  releaseBody(): void {
    if (this.#requests.isHolding) this.#requests.release();
  }

  /** From here on both directions are bytes without meaning (101). */
  becomeTunnel(): void {
    this.#requests.becomeTunnel();
  }

  /** A direction is complete. */
  sideDone(): void {
    if (!this.#isRunning || !this.#answers.isDone) return;
    // A server that closes has no use for the rest of the body; the client learns it by our close.
    const needsRequest = this.#answers.serverStays || this.#requests.isTunnel;
    if (!this.#requests.isDone && needsRequest) return;
    this.#end();
    if (!this.#requests.isDone) this.#exchange.keepAlive = false;
    if (this.#answers.serverStays) {
      this.#server.rest();
    } else {
      this.#server.destroy();
      // The user that the client's connection stands for was known to this one only.
      if (this.#exchange.session.authenticatesConnection) this.#exchange.keepAlive = false;
    }
    this.#ended(this.#exchange);
  }

  /** Ends the exchange with what went wrong; the server's connection cannot be used again. */
  fail(error: unknown): void {
    if (!this.#isRunning) return;
    this.#end();
    this.#server.destroy();
    this.#ended(this.#exchange, error);
  }

  /** Nothing moved for the service's idle time: whose turn was it? */
  timeOut(): void {
    const { isDone, isHolding } = this.#requests;
    if (this.#client.socket.writableNeedDrain) {
      this.fail(new ProxyError('client-closed', 'client', 'client takes no more of the answer'));
    } else if (isDone || isHolding || this.#server.connection.socket.writableNeedDrain) {
      this.fail(new ProxyError('server-timeout', 'server', 'server silent past its time'));
    } else {
      this.fail(new ProxyError('request-timeout', 'client', 'request body stopped'));
    }
  }

  #end(): void {
    this.#isRunning = false;
    if (this.#continueTimer !== undefined) clearTimeout(this.#continueTimer);
  }
}
