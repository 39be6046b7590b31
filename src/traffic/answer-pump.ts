// The answer on its way: received from the server, written to the client.

import { ProxyError } from '../error.ts';
import { forwardHead, isUnchanged, joinedBytesMax } from '../http1/forward-head.ts';
import type { HeadEdits } from '../http1/head-edits.ts';
import type { AnswerHead } from '../http1/head.ts';
import { interimAnswersMax } from '../http1/limits.ts';
import type { Receiver } from '../net/connection.ts';
import { answerEdits, answerFields, clientStays } from './connection-fields.ts';
import { dropChunked, interimFields } from './connection-fields.ts';
import type { Exchange } from './exchange.ts';
import type { Relay } from './relay.ts';
import type { ServerConnection } from './server-connections.ts';

export class AnswerPump implements Receiver {
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
      else if (this.#state === 'tunnel') this.#pass(bytes);
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
    const { status } = this.#exchange;
    // Nobody takes the client's half of a tunnel any more.
    if (this.#state === 'done' && status !== 101) this.#unasked();
    else this.#closed(error?.message ?? 'server closed its connection');
  }

  onDrain(): void {
    this.#exchange.session.client.resume();
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
    if (rest.length > 0) this.#pass(rest); // first bytes of a tunnel
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
      const edits = switching ? answerEdits(this.#exchange, this.#head) : undefined;
      this.#forward(interimFields(this.#head), undefined, 0, edits);
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
    const edits = answerEdits(this.#exchange, head);
    body.begin(framing, head.contentLength);
    if (this.#unchunks) {
      const data = this.#data(rest);
      this.#exchange.answered(head);
      this.#forward(extra, data, data.length, edits);
    } else {
      const end = body.advance(rest, 0); // throws before a byte is sent
      this.#exchange.answered(head);
      this.#forward(extra, rest, end, edits);
      if (end < rest.length) this.serverStays = false;
    }
    this.#state = 'body';
    this.#relay.releaseBody();
    if (body.done) this.#finish();
  }

  /** Head and body in one write; what did not change is still where it was read into. */
  #forward(
    extra: string,
    body: Buffer | undefined,
    bodyEnd: number,
    edits: HeadEdits | undefined
  ): void {
    const head = this.#head;
    if (isUnchanged(head, extra, edits)) {
      this.#pass(forwardHead(head, '', body, 0, bodyEnd));
    } else if (bodyEnd > joinedBytesMax && body !== undefined) {
      this.#write(forwardHead(head, extra, undefined, 0, 0, edits));
      this.#pass(body.subarray(0, bodyEnd));
    } else {
      this.#write(forwardHead(head, extra, body, 0, bodyEnd, edits));
    }
  }

  #passBody(bytes: Buffer): void {
    const { body } = this.#server;
    if (this.#unchunks) {
      this.#write(this.#data(bytes));
    } else {
      const end = body.advance(bytes, 0);
      this.#pass(end === bytes.length ? bytes : bytes.subarray(0, end));
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
    if (!this.#exchange.session.client.write(bytes)) this.#server.connection.pause();
  }

  /** Bytes of the server as they came. */
  #pass(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#exchange.bytesToClient += bytes.length;
    if (!this.#exchange.session.client.pass(bytes)) this.#server.connection.pause();
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
