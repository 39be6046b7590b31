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
import { clock } from '../net/clock.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import { certificateFields, connectionLines, serverNameOf } from '../tls/client-certificate.ts';
import { answerUnread } from './answer.ts';
import { Exchange, serveExchange } from './exchange.ts';
import { Linger } from './linger.ts';
import type { Visitor } from './pre-auth.ts';
import { HeadFacts } from './request-facts.ts';
import { ServerConnections } from './server-connections.ts';
import type { ClientEnd, Entrance, Session, Traffic } from './traffic.ts';

/** A head must be complete within this time of its first byte (slow loris). */
const headTimeMs = 30_000;
/** A connection without any request; browsers open some in advance. */
const firstRequestTimeMs = 60_000;
/** How long a client that closed its sending side may wait for its answer. */
const halfClosedTimeMs = 60_000;

export class HttpSession implements Session, Receiver {
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
  /** Who signed in last over this connection (pre-authentication). */
  visitor: Visitor | undefined;
  /** The session (pre-authentication) that the latest request to a server was sent for. */
  servedKey: string | undefined;
  /** SNI of the client. */
  readonly clientName: string | undefined;
  /** NTLM or Negotiate was seen: the server knows this connection as one user. */
  authenticatesConnection = false;
  state: 'waiting' | 'exchange' | 'lingering' | 'closed' = 'waiting';
  readonly #clientPort: number;
  #stateSinceMs: number = clock.nowMs;
  /** Latest activity of a relay that was told as a use of its session (pre-authentication). */
  #usedMs = 0;
  #isAdvancing = false;
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
    this.clientName = socket instanceof TLSSocket ? serverNameOf(socket) : undefined;
    this.servers = new ServerConnections(() => this.#serverLost(), this.clientName);
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

  /** Begins its life, which is short with a `refusal`. */
  begin(refusal?: ProxyError): void {
    this.traffic.sessions.add(this);
    this.counters.clientsOpen++;
    if (refusal === undefined) this.#advance();
    else this.#fail(refusal);
  }

  /** An exchange is over, with or without an answer. */
  exchangeEnded({ keepAlive }: Exchange): void {
    this.exchange = undefined;
    if (this.state !== 'exchange') return;
    if (!keepAlive || this.isEnding || this.client.isClosed) return this.close();
    this.#enter('waiting');
    this.#advance();
  }

  /** Between exchanges the session itself receives what the client says. */
  onBytes(bytes: Buffer): void {
    this.client.hold(bytes);
    if (this.state === 'waiting') this.#advance();
  }

  onEnd(): void {
    // A client that has not taken its last answer yet shall have it.
    if (this.state === 'waiting' && !this.#isClogged) this.close();
  }

  onClose(): void {
    if (this.state === 'waiting') this.close();
  }

  onDrain(): void {
    if (this.state !== 'waiting') return;
    this.#advance();
    if (this.state === 'waiting' && !this.client.isOpen) this.close();
  }

  /**
   * Serves what the client has asked for, one request after the other, until an exchange has to wait
   * or a head is not complete. Exchanges that end at once come back here: a loop, since as many
   * calls as a client can send requests ahead would not fit the stack.
   */
  #advance(): void {
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    try {
      while (this.state === 'waiting' && this.#takeHead()) serveExchange(this.#beginExchange());
    } catch (error) {
      this.#fail(error);
    }
    if (this.state === 'waiting') this.client.receive(this);
    this.#isAdvancing = false;
  }

  /**
   * Whether a request's head is complete. A client that has not taken its last answer yet is not
   * read: one that asks and never reads would fill our memory with answers.
   */
  #takeHead(): boolean {
    if (this.#isClogged) return false;
    const bytes = this.client.takeHeld();
    if (bytes === undefined) return false;
    if (!this.heads.inProgress) this.#stateSinceMs = clock.nowMs;
    const rest = this.heads.take(bytes);
    if (rest === undefined) return false;
    if (rest.length > 0) this.client.hold(rest);
    return true;
  }

  get #isClogged(): boolean {
    return this.client.socket.writableNeedDrain;
  }

  #beginExchange(): Exchange {
    const { virtualService } = this.entrance;
    if (virtualService === undefined) {
      const code = this.traffic.draining ? 'draining' : 'service-gone';
      throw new ProxyError(code, 'ballast', 'the service ended before the request was complete');
    }
    this.#enter('exchange');
    this.#served = true;
    if (this.request.authenticatesConnection) {
      this.authenticatesConnection = true;
      this.servedKey = undefined;
    }
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
    this.exchange?.relay?.fail(new ProxyError('draining', 'ballast', 'cut by Ballast'));
    this.state = 'closed';
    if (this.traffic.sessions.delete(this)) this.counters.clientsOpen--;
    this.servers.closeAll();
    this.client.destroy();
  }

  drain(): void {
    this.#mustEnd = true;
    if (this.state === 'waiting' && !this.heads.inProgress) this.close();
  }

  endIfGone(): void {
    if (this.entrance.virtualService === undefined || !this.#isAdmitted) this.drain();
  }

  passesEnded(keys: ReadonlySet<string>): void {
    const { exchange } = this;
    if (exchange?.pass === undefined || !keys.has(exchange.pass.key)) return;
    exchange.passEnded = true;
    exchange.relay?.fail(new ProxyError('forbidden', 'ballast', 'the session was ended'));
  }

  checkDeadline(nowMs: number): void {
    this.client.keepAlive();
    this.servers.keepAlive();
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
    const { lastActivityMs } = exchange.relay;
    if (exchange.pass !== undefined && lastActivityMs > this.#usedMs) {
      this.#usedMs = lastActivityMs;
      this.traffic.passes.used(exchange.pass.key);
    }
    const moreMs = client.unsentTimeMs;
    if (nowMs - lastActivityMs > exchange.idleTimeMs + moreMs) exchange.relay.timeOut();
    else if (!client.isOpen && nowMs - client.lastActivityMs > halfClosedTimeMs + moreMs) {
      exchange.relay.fail(new ProxyError('client-closed', 'client', 'client closed its side'));
    }
  }

  #checkWaiting(nowMs: number): void {
    const waitedMs = nowMs - this.#stateSinceMs;
    if (this.heads.inProgress) {
      if (waitedMs > headTimeMs) {
        this.#fail(new ProxyError('request-timeout', 'client', 'request head too slow'));
      }
      return;
    }
    const idleTimeMs = this.entrance.virtualService?.settings.idleTimeMs ?? 0;
    const limitMs = this.#served ? idleTimeMs : Math.min(idleTimeMs, firstRequestTimeMs);
    if (waitedMs > limitMs) this.close();
  }

  /** A server closed a connection that stood for a user: nobody else may come to stand for him. */
  #serverLost(): void {
    if (!this.authenticatesConnection) return;
    this.drain();
  }

  #enter(state: 'waiting' | 'exchange' | 'lingering'): void {
    this.state = state;
    this.#stateSinceMs = clock.nowMs;
  }

  /** Ends it with the reason why a head could not be read. */
  #fail(error: unknown): void {
    answerUnread(this, error);
    this.close();
  }
}

/** The life of a client connection, which is short with a `refusal`. */
export function serveHttp(session: HttpSession, refusal?: ProxyError): void {
  session.begin(refusal);
}
