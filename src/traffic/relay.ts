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
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #continueTimer: NodeJS.Timeout | undefined;

  constructor(exchange: Exchange, server: ServerConnection) {
    this.#exchange = exchange;
    this.#client = exchange.session.client;
    this.#server = server;
    this.#requests = new RequestPump(this, exchange, server);
    this.#answers = new AnswerPump(this, exchange, server);
  }

  /** Resolves when request and answer are complete; throws `ProxyError` when they cannot be. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      try {
        this.#requests.start();
        if (
          this.#requests.isHolding &&
          this.#exchange.virtualService.global.expect100 !== 'require'
        ) {
          this.#continueTimer = setTimeout(() => this.releaseBody(), continueWaitMs);
        }
        this.#server.connection.receive(this.#answers);
        this.#client.receive(this.#requests);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /** `performance.now()` of the last byte in either direction. */
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
    if (this.#reject === undefined || !this.#answers.isDone) return;
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
    this.#resolve?.();
  }

  /** Ends the exchange with what went wrong; the server's connection cannot be used again. */
  fail(error: unknown): void {
    const reject = this.#reject;
    if (reject === undefined) return;
    this.#end();
    this.#server.destroy();
    reject(error);
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
    this.#reject = undefined;
    clearTimeout(this.#continueTimer);
  }
}
