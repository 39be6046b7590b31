// One client connection, from accept to close: its requests one after the other, and the server
// connections that belong to it.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { ProxyError } from '../error.ts';
import { BodyReader } from '../http1/body.ts';
import type { RequestHead } from '../http1/head.ts';
import { HeadGatherer } from '../http1/head-gatherer.ts';
import { RequestParser } from '../http1/parse-head.ts';
import { Connection, type Receiver } from '../net/connection.ts';
import { plainAddress } from '../net/address.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import { certificateFields, connectionLines, serverNameOf } from '../tls/client-certificate.ts';
import { answerUnread } from './answer.ts';
import { Exchange, serveExchange } from './exchange.ts';
import { Linger } from './linger.ts';
import { HeadFacts } from './request-facts.ts';
import { ServerConnections } from './server-connections.ts';
import type { ClientEnd, Entrance, Session, Traffic } from './traffic.ts';

/** A head must be complete within this time of its first byte (slow loris). */
const headTimeMs = 30_000;
/** A connection without any request; browsers open some in advance. */
const firstRequestTimeMs = 60_000;
/** How long a client that closed its sending side may wait for its answer. */
const halfClosedTimeMs = 60_000;

export class HttpSession implements Session {
  readonly client: Connection;
  readonly clientAddress: string;
  /** TLS version in use, `undefined` in clear. */
  readonly tlsVersion: string | undefined;
  readonly traffic: Traffic;
  readonly entrance: Entrance;
  /** Those of the service that the client came to. */
  readonly counters: ServiceCounters;
  readonly servers: ServerConnections;
  readonly request: RequestHead;
  readonly facts: HeadFacts;
  readonly requestBody = new BodyReader('client');
  readonly heads: HeadGatherer;
  /** Full names of services with persistence that were looked up for this connection. */
  readonly persistentIn: string[] = [];
  exchange: Exchange | undefined;
  /** NTLM or Negotiate was seen: the server knows this connection as one user. */
  authenticatesConnection = false;
  state: 'waiting' | 'exchange' | 'lingering' | 'closed' = 'waiting';
  readonly #clientPort: number;
  #stateSinceMs: number = performance.now();
  #waiting: HeadWait | undefined;
  #mustEnd = false;
  #served = false;
  #linger: Linger | undefined;
  /** By whom the client's certificate was judged; undefined where it needed none. */
  readonly #clientAuthorities: string | undefined;
  #tlsFields: { readonly of: VirtualService; readonly lines: string } | undefined;

  constructor(socket: Socket, from: ClientEnd, entrance: Entrance, traffic: Traffic) {
    this.client = new Connection(socket);
    this.clientAddress = from.address;
    this.#clientPort = from.port;
    // Noted now: a socket that is gone does not tell any more.
    this.tlsVersion = socket instanceof TLSSocket ? (socket.getProtocol() ?? undefined) : undefined;
    this.traffic = traffic;
    this.entrance = entrance;
    this.counters = entrance.virtualService?.counters ?? traffic.counters;
    const clientName = socket instanceof TLSSocket ? serverNameOf(socket) : undefined;
    this.servers = new ServerConnections(() => this.#serverLost(), clientName);
    this.#clientAuthorities = entrance.virtualService?.settings.tls?.clientCaPem;
    this.#mustEnd = !this.#isAdmitted;
    const parser = new RequestParser();
    this.request = parser.head;
    this.heads = new HeadGatherer(parser, true);
    this.facts = new HeadFacts(parser.head, this.clientAddress);
  }

  /** True when the connection is to close after the present exchange. */
  get isEnding(): boolean {
    return this.#mustEnd || this.traffic.draining || this.entrance.virtualService === undefined;
  }

  /** Both ends as LoadMaster writes them in X-ClientSide. */
  get clientSide(): string {
    const { localAddress, localPort } = this.client.socket;
    const here = `${plainAddress(localAddress ?? '')}:${localPort}`;
    return `${this.clientAddress}:${this.#clientPort} -> ${here}`;
  }

  /** What the servers are told of this connection's TLS (clientCert, passCipher). */
  tlsFields(virtualService: VirtualService): string {
    if (this.#tlsFields?.of !== virtualService) {
      this.#tlsFields = { of: virtualService, lines: this.#makeTlsFields(virtualService) };
    }
    return this.#tlsFields.lines;
  }

  /** Waits for the next request's head in `request`; false when the client has no more. */
  nextRequest(): boolean | Promise<boolean> {
    if (this.isEnding || this.client.isClosed) return false;
    this.#enter('waiting');
    const held = this.client.socket.writableNeedDrain ? undefined : this.client.takeHeld();
    if (held !== undefined) {
      const rest = this.heads.take(held);
      if (rest !== undefined) {
        if (rest.length > 0) this.client.hold(rest);
        return true;
      }
    }
    return new Promise((resolve, reject) => {
      this.#waiting = new HeadWait(this, resolve, reject);
      this.client.receive(this.#waiting);
    });
  }

  beginExchange(virtualService: VirtualService): Exchange {
    this.#enter('exchange');
    this.#served = true;
    if (this.request.authenticatesConnection) this.authenticatesConnection = true;
    return (this.exchange = new Exchange(this, virtualService));
  }

  /** Ends our side, reads on for a moment, then closes. */
  close(): void {
    this.heads.release();
    this.servers.closeAll();
    if (this.state === 'closed') return;
    this.#enter('lingering');
    this.#linger = new Linger(this.client, () => this.destroy());
  }

  destroy(): void {
    this.state = 'closed';
    if (this.traffic.sessions.delete(this)) this.counters.clientsOpen--;
    this.servers.closeAll();
    this.client.destroy();
  }

  drain(): void {
    this.#mustEnd = true;
    if (this.state === 'waiting' && !this.heads.inProgress) this.#waiting?.stop();
  }

  endIfGone(): void {
    if (this.entrance.virtualService === undefined || !this.#isAdmitted) this.drain();
  }

  checkDeadline(nowMs: number): void {
    switch (this.state) {
      case 'exchange':
        this.#checkExchange(nowMs);
        return;
      case 'waiting':
        this.#checkWaiting(nowMs);
        return;
      case 'lingering':
        this.#linger?.checkDeadline(nowMs);
        return;
      case 'closed':
    }
  }

  /** The head's first byte came: from now on it has `headTimeMs`. */
  headBegan(): void {
    this.#stateSinceMs = performance.now();
  }

  /** A reload may ask for certificates, or for others than the one that was shown. */
  get #isAdmitted(): boolean {
    const authorities = this.entrance.virtualService?.settings.tls?.clientCaPem;
    if (authorities === undefined) return true;
    const { socket } = this.client;
    return (
      socket instanceof TLSSocket && socket.authorized && authorities === this.#clientAuthorities
    );
  }

  #makeTlsFields({ settings: { tls } }: VirtualService): string {
    const { socket } = this.client;
    if (tls === undefined || !(socket instanceof TLSSocket)) return '';
    const { clientCertFields, connectionFields } = tls;
    return (
      certificateFields(clientCertFields, socket) +
      (connectionFields ? connectionLines(socket, clientCertFields === 'names') : '')
    );
  }

  #checkExchange(nowMs: number): void {
    const { exchange, client } = this;
    if (exchange?.relay === undefined) return; // dialling has its own time
    if (nowMs - exchange.relay.lastActivityMs > exchange.idleTimeMs) exchange.relay.timeOut();
    else if (!client.isOpen && nowMs - client.lastActivityMs > halfClosedTimeMs) {
      exchange.relay.fail(new ProxyError('client-closed', 'client', 'client closed its side'));
    }
  }

  #checkWaiting(nowMs: number): void {
    const waitedMs = nowMs - this.#stateSinceMs;
    if (this.heads.inProgress) {
      if (waitedMs > headTimeMs) {
        this.#waiting?.fail(new ProxyError('request-timeout', 'client', 'request head too slow'));
      }
      return;
    }
    const idleTimeMs = this.entrance.virtualService?.settings.idleTimeMs ?? 0;
    const limitMs = this.#served ? idleTimeMs : Math.min(idleTimeMs, firstRequestTimeMs);
    if (waitedMs > limitMs) this.#waiting?.stop();
  }

  /** A server closed a connection that stood for a user: nobody else may come to stand for him. */
  #serverLost(): void {
    if (!this.authenticatesConnection) return;
    this.drain();
  }

  #enter(state: 'waiting' | 'exchange' | 'lingering'): void {
    this.state = state;
    this.#stateSinceMs = performance.now();
  }
}

/** The life of a client connection, which is short with a `refusal`. It never throws. */
export async function serveHttp(session: HttpSession, refusal?: ProxyError): Promise<void> {
  session.traffic.sessions.add(session);
  session.counters.clientsOpen++;
  try {
    if (refusal !== undefined) throw refusal;
    for (;;) {
      const next = session.nextRequest();
      if (!(next instanceof Promise ? await next : next)) break;
      const { virtualService } = session.entrance;
      if (virtualService === undefined) {
        const code = session.traffic.draining ? 'draining' : 'service-gone';
        throw new ProxyError(code, 'ballast', 'the service ended before the request was complete');
      }
      const exchange = session.beginExchange(virtualService);
      await serveExchange(exchange);
      if (!exchange.keepAlive) break;
    }
  } catch (error) {
    answerUnread(session, error);
  } finally {
    session.close();
  }
}

/**
 * Reads until a request's head is complete. A client that has not taken its last answer yet is not
 * read: one that asks and never reads would fill our memory with answers.
 */
class HeadWait implements Receiver {
  readonly #session: HttpSession;
  readonly #resolve: (complete: boolean) => void;
  readonly #reject: (error: unknown) => void;
  #state: 'unsent' | 'waiting' | 'settled';

  constructor(
    session: HttpSession,
    resolve: (complete: boolean) => void,
    reject: (error: unknown) => void
  ) {
    this.#state = session.client.socket.writableNeedDrain ? 'unsent' : 'waiting';
    this.#session = session;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  onBytes(bytes: Buffer): void {
    const { client, heads } = this.#session;
    if (this.#state !== 'waiting') {
      client.hold(bytes);
      return;
    }
    if (!heads.inProgress) this.#session.headBegan();
    try {
      const rest = heads.take(bytes);
      if (rest === undefined) return;
      this.#state = 'settled';
      if (rest.length > 0) client.hold(rest);
      this.#resolve(true);
    } catch (error) {
      this.fail(error);
    }
  }

  onEnd(): void {
    if (this.#state === 'waiting') this.stop();
  }

  onClose(): void {
    this.stop();
  }

  onDrain(): void {
    if (this.#state !== 'unsent') return;
    this.#state = 'waiting';
    this.#session.client.receive(this);
  }

  stop(): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    this.#resolve(false);
  }

  fail(error: unknown): void {
    if (this.#state === 'settled') return;
    this.#state = 'settled';
    this.#reject(error);
  }
}
