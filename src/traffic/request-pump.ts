// The request on its way: received from the client, written to the server.

import { ProxyError } from '../error.ts';
import { forwardHead, joinedBytesMax } from '../http1/forward-head.ts';
import type { Receiver } from '../net/connection.ts';
import { requestEdits, requestFields } from './connection-fields.ts';
import type { Exchange } from './exchange.ts';
import type { Relay } from './relay.ts';
import type { ServerConnection } from './server-connections.ts';

export class RequestPump implements Receiver {
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

  get isTunnel(): boolean {
    return this.#state === 'tunnel';
  }

  get isHolding(): boolean {
    return this.#state === 'holding';
  }

  /** Sends the head, with what there is of the body in the same write. */
  start(): void {
    const { session, request, virtualService } = this.#exchange;
    const { client, requestBody: body } = session;
    const mode = virtualService.global.expect100;
    const holds = mode !== 'rfc-7231' && request.awaitsContinue;
    const held = holds ? undefined : client.takeHeld();
    body.begin(request.framing, request.contentLength);
    const bodyEnd = held === undefined ? 0 : body.advance(held, 0); // throws before a byte is sent
    if (request.authenticatesConnection) this.#server.signedIn = true;
    const extra = requestFields(this.#exchange);
    const edits = requestEdits(this.#exchange);
    if (held !== undefined && bodyEnd > joinedBytesMax) {
      this.#write(forwardHead(request, extra, undefined, 0, 0, edits));
      this.#pass(bodyEnd === held.length ? held : held.subarray(0, bodyEnd));
    } else {
      this.#write(forwardHead(request, extra, held, 0, bodyEnd, edits));
    }
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
        this.#pass(bytes);
        return;
      case 'holding':
      case 'done':
        client.hold(bytes);
        return;
      case 'body':
    }
    try {
      const end = body.advance(bytes, 0);
      this.#pass(end === bytes.length ? bytes : bytes.subarray(0, end));
      if (end < bytes.length) client.hold(bytes.subarray(end));
      if (body.done) this.#finish();
    } catch (error) {
      this.#relay.fail(error);
    }
  }

  onEnd(): void {
    if (this.#state === 'tunnel') {
      // Not complete before the server has taken the last byte. And not in the middle of a read of its
      // own, of which TLS would lose what is not decrypted yet.
      setImmediate(() => this.#server.connection.socket.end(() => this.#finish()));
    } else if (this.#state !== 'done') {
      this.onClose();
    }
    // A client may close its sending side and still wait for the answer (session.checkDeadline).
  }

  onClose(): void {
    this.#relay.fail(new ProxyError('client-closed', 'client', 'client closed its connection'));
  }

  onDrain(): void {
    this.#server.connection.resume();
  }

  #write(bytes: Buffer): void {
    this.#exchange.bytesToServer += bytes.length;
    if (!this.#server.connection.write(bytes)) this.#exchange.session.client.pause();
  }

  #pass(bytes: Buffer): void {
    this.#exchange.bytesToServer += bytes.length;
    if (!this.#server.connection.pass(bytes)) this.#exchange.session.client.pause();
  }

  #finish(): void {
    this.#state = 'done';
    this.#relay.sideDone();
  }
}
