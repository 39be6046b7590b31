// Request and answer on their way, both at once. Two pumps, one a direction, each receiving from
// one connection and writing to the other; a slow reader stops the other side's reading.

import { ProxyError } from '../error.ts';
import type { AnswerHead } from '../http1/head.ts';
import { forwardHead } from '../http1/forward-head.ts';
import { interimAnswersMax } from '../http1/limits.ts';
import type { Connection, Receiver } from '../net/connection.ts';
import {
  answerFields,
  clientStays,
  dropChunked,
  interimFields,
  requestFields
} from './connection-fields.ts';
import type { Exchange } from './exchange.ts';
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
    if (!this.#requests.isDone && this.#answers.serverStays) return;
    this.#end();
    if (!this.#requests.isDone) this.#exchange.keepAlive = false;
    if (this.#answers.serverStays) this.#server.rest();
    else this.#server.destroy();
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
    const who = this.#requests.isDone || this.#requests.isHolding ? 'server' : 'client';
    this.fail(
      who === 'server'
        ? new ProxyError('server-timeout', 'server', 'server silent past its time')
        : new ProxyError('request-timeout', 'client', 'request body stopped')
    );
  }

  #end(): void {
    this.#reject = undefined;
    clearTimeout(this.#continueTimer);
  }
}

/** Receives from the client and writes to the server. */
class RequestPump implements Receiver {
  readonly #relay: Relay;
  readonly #exchange: Exchange;
  readonly #server: ServerConnection;
  #state: 'holding' | 'body' | 'tunnel' | 'done' = 'body';

  constructor(relay: Relay, exchange: Exchange, server: ServerConnection) {
    this.#relay = relay;
    this.#exchange = exchange;
    this.#server = server;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  get isHolding(): boolean {
    return this.#state === 'holding';
  }

  /** Sends the head, with what there is of the body in the same write. */
  start(): void {
    const { session, request, virtualService } = this.#exchange;
    const { client, requestBody: body } = session;
    const mode = virtualService.global.expect100;
    const holds = mode !== 'rfc-7231' && request.expectContinue && request.framing !== 'none';
    const held = holds ? undefined : client.takeHeld();
    body.begin(request.framing, request.contentLength);
    const bodyEnd = held === undefined ? 0 : body.advance(held, 0); // throws before a byte is sent
    const extra = requestFields(this.#exchange);
    this.#write(forwardHead(request, extra, held, 0, bodyEnd));
    this.#state = holds ? 'holding' : body.done ? 'done' : 'body';
    if (held !== undefined && bodyEnd < held.length) client.hold(held.subarray(bodyEnd));
  }

  release(): void {
    this.#state = 'body';
    this.#exchange.session.client.receive(this);
  }

  becomeTunnel(): void {
    this.#state = 'tunnel';
    this.#exchange.session.client.receive(this);
  }

  onBytes(bytes: Buffer): void {
    const { client, requestBody: body } = this.#exchange.session;
    switch (this.#state) {
      case 'tunnel':
        this.#write(bytes);
        return;
      case 'holding':
      case 'done':
        client.hold(bytes);
        return;
      case 'body':
    }
    try {
      const end = body.advance(bytes, 0);
      this.#write(end === bytes.length ? bytes : bytes.subarray(0, end));
      if (end < bytes.length) client.hold(bytes.subarray(end));
      if (body.done) this.#finish();
    } catch (error) {
      this.#relay.fail(error);
    }
  }

  onEnd(): void {
    if (this.#state === 'tunnel') {
      this.#server.connection.socket.end();
      this.#finish();
    } else if (this.#state !== 'done') {
      this.onClose();
    }
    // A client may close its sending side and still wait for the answer (session.checkDeadline).
  }

  onClose(): void {
    this.#relay.fail(new ProxyError('client-closed', 'client', 'client closed its connection'));
  }

  onDrain(): void {
    this.#server.connection.socket.resume();
  }

  #write(bytes: Buffer): void {
    this.#exchange.bytesToServer += bytes.length;
    if (!this.#server.connection.write(bytes)) this.#exchange.session.client.socket.pause();
  }

  #finish(): void {
    this.#state = 'done';
    this.#relay.sideDone();
  }
}

/** Receives from the server and writes to the client. */
class AnswerPump implements Receiver {
  readonly #relay: Relay;
  readonly #exchange: Exchange;
  readonly #server: ServerConnection;
  readonly #head: AnswerHead;
  /** Whether the server's connection can carry another exchange. */
  serverStays = false;
  #state: 'head' | 'body' | 'tunnel' | 'done' = 'head';
  /** The client takes no chunked body (HTTP/1.0): only the data goes to it. */
  #unchunks = false;
  #interimAnswers = 0;

  constructor(relay: Relay, exchange: Exchange, server: ServerConnection) {
    this.#relay = relay;
    this.#exchange = exchange;
    this.#server = server;
    this.#head = server.head;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  onBytes(bytes: Buffer): void {
    try {
      if (this.#state === 'head') this.#readHeads(bytes);
      else if (this.#state === 'body') this.#passBody(bytes);
      else if (this.#state === 'tunnel') this.#write(bytes);
      else this.#unasked();
    } catch (error) {
      this.#relay.fail(error);
    }
  }

  onEnd(): void {
    const { session } = this.#exchange;
    if (this.#state === 'tunnel') {
      session.client.socket.end();
      this.#finish();
    } else if (this.#state === 'body' && this.#server.body.endsWithConnection) {
      this.#finish();
    } else if (this.#state === 'done') {
      this.#unasked();
    } else {
      this.#closed('server closed its connection');
    }
  }

  onClose(error: Error | undefined): void {
    if (this.#state === 'done') this.#unasked();
    else this.#closed(error?.message ?? 'server closed its connection');
  }

  onDrain(): void {
    this.#exchange.session.client.socket.resume();
  }

  /** Any number of interim answers, then the final one. */
  #readHeads(bytes: Buffer): void {
    let rest: Buffer | undefined = bytes;
    while (this.#state === 'head' && rest.length > 0) {
      rest = this.#server.heads.take(rest);
      if (rest === undefined) return;
      if (!this.#head.isInterim) {
        this.#passHead(rest);
        return;
      }
      this.#passInterim();
    }
    if (rest.length > 0) this.#write(rest); // first bytes of a tunnel
  }

  #passInterim(): void {
    const { request } = this.#exchange;
    const switching = this.#head.status === 101;
    if (switching && !request.asksForUpgrade) {
      throw new ProxyError('malformed-answer', 'server', '101 without an Upgrade asked for');
    }
    if (++this.#interimAnswers > interimAnswersMax) {
      throw new ProxyError('malformed-answer', 'server', 'too many interim answers');
    }
    // RFC 9110 15.2: an HTTP/1.0 client must not be sent one.
    if (request.minorVersion === 1) {
      this.#write(forwardHead(this.#head, interimFields(this.#head), undefined));
    }
    if (switching) {
      this.#exchange.answered(this.#head);
      this.#state = 'tunnel';
      this.#relay.becomeTunnel();
    } else if (this.#head.status === 100) {
      this.#relay.releaseBody();
    }
  }

  /** The final head, with what there is of its body in the same write. */
  #passHead(rest: Buffer): void {
    const { body } = this.#server;
    const head = this.#head;
    const framing = head.framing(this.#exchange.request);
    this.#unchunks = framing === 'chunked' && this.#exchange.request.minorVersion === 0;
    this.serverStays = head.persistent && framing !== 'close';
    this.#exchange.keepAlive = clientStays(this.#exchange, head, framing);
    const extra = answerFields(this.#exchange, head);
    if (this.#unchunks) dropChunked(head);
    body.begin(framing, head.contentLength);
    if (this.#unchunks) {
      const data = this.#data(rest);
      this.#exchange.answered(head);
      this.#write(forwardHead(head, extra, data, 0, data.length));
    } else {
      const end = body.advance(rest, 0); // throws before a byte is sent
      this.#exchange.answered(head);
      this.#write(forwardHead(head, extra, rest, 0, end));
      if (end < rest.length) this.serverStays = false;
    }
    this.#state = 'body';
    this.#relay.releaseBody();
    if (body.done) this.#finish();
  }

  #passBody(bytes: Buffer): void {
    const { body } = this.#server;
    if (this.#unchunks) {
      this.#write(this.#data(bytes));
    } else {
      const end = body.advance(bytes, 0);
      this.#write(end === bytes.length ? bytes : bytes.subarray(0, end));
      if (end < bytes.length) this.serverStays = false;
    }
    if (body.done) this.#finish();
  }

  /** The data of chunked bytes, without its framing. */
  #data(bytes: Buffer): Buffer {
    const runs: Buffer[] = [];
    const end = this.#server.body.advance(bytes, 0, (from, to) => {
      runs.push(bytes.subarray(from, to));
    });
    if (end < bytes.length) this.serverStays = false;
    return Buffer.concat(runs);
  }

  #write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#exchange.bytesToClient += bytes.length;
    if (!this.#exchange.session.client.write(bytes)) this.#server.connection.socket.pause();
  }

  #finish(): void {
    this.#state = 'done';
    this.#relay.sideDone();
  }

  /** Bytes or an end after a complete answer, while the request is still on its way. */
  #unasked(): void {
    this.serverStays = false;
    this.#relay.sideDone();
  }

  #closed(reason: string): void {
    this.#relay.fail(
      this.#exchange.status === 0
        ? new ProxyError('server-closed', 'server', reason)
        : new ProxyError('truncated-answer', 'server', reason)
    );
  }
}
