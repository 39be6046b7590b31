// One client of a service that relays bytes, from accept to close, with the server that it was given.
// Where TLS begins by STARTTLS its lines are read first (dialogue); everything else is just relayed.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { TcpSettings } from '../config/model.ts';
import { add, countLatency, serverPlaces, servicePlaces } from '../counters.ts';
import type { Dialect } from '../dialect/dialect.ts';
import { dialects } from '../dialect/registry.ts';
import { ProxyError } from '../error.ts';
import { plainAddress } from '../net/address.ts';
import { Connection } from '../net/connection.ts';
import type { Endpoint } from '../net/proxy-header.ts';
import type { OpenConnection, RealServer } from '../service/real-server.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import type { TlsAcceptor } from '../tls/acceptor.ts';
import { logSession } from './access-log.ts';
import { followDialogue } from './dialogue.ts';
import { logMailSession } from './esp-log.ts';
import { sayFarewell } from './farewell.ts';
import { Linger } from './linger.ts';
import { clientSpeaks, openServer, recordKey } from './tcp-server.ts';
import { TcpRelay } from './tcp-relay.ts';
import type { ClientEnd, Session, Traffic } from './traffic.ts';

/** A session that is to end for want of the service waits until nobody spoke for this long. */
const quietTimeMs = 2000;
/** A server that has said its last word need not wait for a client that keeps its side open. */
const serverEndedTimeMs = 60_000;
/** A client that has may be owed an answer that takes its time. */
const clientEndedTimeMs = 600_000;

/** What a session is busy with. */
export interface Phase {
  /** Ends it with this reason. */
  fail(error: ProxyError): void;
  /** Whether a line of ours to the client would stand by itself, in no line or data of the server. */
  readonly mayInterrupt: boolean;
  /** Whether it is the client's turn: nothing that it asked for is on its way. */
  readonly isClientsTurn: boolean;
  readonly lastActivityMs: number;
  /** Deadlines of its own. */
  checkDeadline?(nowMs: number): void;
}

/** Where a session comes from, and what it may use. */
export interface TcpEntrance {
  readonly virtualService: VirtualService;
  readonly tcp: TcpSettings;
  /** Begins TLS in mid-session (STARTTLS). */
  readonly acceptor: TlsAcceptor | undefined;
}

export class TcpSession implements Session, OpenConnection {
  /** Another one once TLS has begun. */
  client: Connection;
  readonly from: ClientEnd;
  /** Our end of its connection. */
  readonly here: Endpoint;
  /** TLS version in use, `undefined` in clear. */
  tlsVersion: string | undefined;
  readonly virtualService: VirtualService;
  readonly tcp: TcpSettings;
  readonly acceptor: TlsAcceptor | undefined;
  /** Undefined where what is spoken is unknown. */
  readonly dialect: Dialect | undefined;
  readonly traffic: Traffic;
  readonly counters: ServiceCounters;
  readonly startMs: number = performance.now();
  realServer: RealServer | undefined;
  server: Connection | undefined;
  phase: Phase | undefined;
  connectedMs = 0;
  /** The client began TLS with the server behind us: nothing can be understood, or said. */
  isOpaque = false;
  /** The client has the server's greeting. */
  isGreeted = false;
  bytesToServer = 0;
  bytesToClient = 0;
  /** Who ended it in good order. */
  endedBy: 'client' | 'server' | undefined;
  error: ProxyError | undefined;
  /** What the server said to end it; the client is told that and nothing else. */
  lastWords: string | undefined;
  #id: string | undefined;
  #linger: Linger | undefined;
  #leaving: ProxyError | undefined;
  #countedToServer = 0;
  #countedToClient = 0;
  #usedMs = 0;

  constructor(socket: Socket, from: ClientEnd, entrance: TcpEntrance, traffic: Traffic) {
    this.client = new Connection(socket);
    this.from = from;
    // Noted now: a socket that is gone does not tell any more.
    const { localAddress = '', localPort = 0 } = socket;
    this.here = { address: plainAddress(localAddress), port: localPort };
    this.tlsVersion = tlsVersionOf(socket);
    this.virtualService = entrance.virtualService;
    this.tcp = entrance.tcp;
    this.acceptor = entrance.acceptor;
    const { protocol } = entrance.tcp;
    this.dialect = protocol === 'other' || protocol === 'none' ? undefined : dialects[protocol];
    this.traffic = traffic;
    this.counters = entrance.virtualService.counters;
  }

  /** In the log and in every word of our own. */
  get id(): string {
    return (this.#id ??= this.traffic.requestId());
  }

  /** It stands for a user: a server that drains keeps it for the drain time. */
  get signedIn(): boolean {
    return true;
  }

  /** TLS has begun on the client's socket. */
  clientEncrypted(socket: TLSSocket): void {
    this.client = new Connection(socket);
    this.tlsVersion = tlsVersionOf(socket);
  }

  /** The drain time of its server is over. */
  leave(): void {
    this.phase?.fail(new ProxyError('drained', 'ballast', 'its server was taken out of service'));
  }

  drain(): void {
    this.#leaving = new ProxyError('draining', 'ballast', 'Ballast is shutting down');
  }

  endIfGone(): void {
    // A reload drops nothing: it stays for as long as its server may drain.
  }

  passesEnded(): void {
    // Nobody signs in to such a service here.
  }

  destroy(): void {
    this.phase?.fail(new ProxyError('drained', 'ballast', 'cut by Ballast'));
    // Its last word goes out first: the failure is heard of once we return.
    setImmediate(() => this.#closed());
  }

  checkDeadline(nowMs: number): void {
    if (this.#linger !== undefined) return this.#linger.checkDeadline(nowMs);
    this.client.keepAlive();
    this.server?.keepAlive();
    this.#count();
    const { phase } = this;
    if (phase === undefined) return;
    phase.checkDeadline?.(nowMs);
    const silentMs = nowMs - phase.lastActivityMs;
    const limitMs = this.#silenceMaxMs;
    if (silentMs > limitMs + this.client.unsentTimeMs) {
      phase.fail(new ProxyError('idle', 'client', `nothing was said for ${limitMs / 1000} s`));
    } else if (this.#leaving !== undefined && silentMs > quietTimeMs && phase.isClientsTurn) {
      phase.fail(this.#leaving);
    } else {
      this.#refreshRecord(nowMs);
    }
  }

  get #silenceMaxMs(): number {
    const { idleTimeMs } = this.virtualService.settings;
    if (this.endedBy === undefined) return idleTimeMs;
    return Math.min(idleTimeMs, this.endedBy === 'server' ? serverEndedTimeMs : clientEndedTimeMs);
  }

  begin(): void {
    this.traffic.sessions.add(this);
    this.counters.clientsOpen++;
  }

  /** Nothing more is relayed. The client may still take what it was told. */
  end(): void {
    this.phase = undefined;
    this.server?.destroy();
    this.realServer?.release(this);
    this.#count();
    const endMs = performance.now();
    const { row } = this.counters;
    // Without a connection it is only the last one that was tried.
    if (this.realServer !== undefined && this.connectedMs !== 0) {
      add(this.realServer.row, serverPlaces.sessions, 1);
    }
    if (this.error !== undefined) this.counters.error(this.error.code);
    countLatency(row, servicePlaces.duration, endMs - this.startMs);
    if (this.traffic.accessLog || this.error !== undefined) logSession(this, endMs);
    if (this.tcp.recipients?.logs.connection === true) logMailSession(this);
    if (this.client.isClosed) this.#closed();
    else this.#linger = new Linger(this.client, () => this.#closed());
  }

  #closed(): void {
    if (this.traffic.sessions.delete(this)) this.counters.clientsOpen--;
    this.client.destroy();
  }

  /** `refreshPersist`: who is connected is remembered, however long it takes. */
  #refreshRecord(nowMs: number): void {
    const { persistence } = this.virtualService;
    if (persistence?.refreshes !== true || this.realServer === undefined) return;
    if (nowMs - this.#usedMs < persistence.timeoutMs / 4) return;
    this.#usedMs = nowMs;
    const key = recordKey(this);
    if (key !== undefined) this.traffic.bindings.use(key, this.realServer, persistence.timeoutMs);
  }

  /** Sessions last for hours: what they move is counted on the way. */
  #count(): void {
    const { realServer } = this;
    if (realServer === undefined) return;
    add(realServer.row, serverPlaces.bytesToServer, this.bytesToServer - this.#countedToServer);
    add(realServer.row, serverPlaces.bytesFromServer, this.bytesToClient - this.#countedToClient);
    this.#countedToServer = this.bytesToServer;
    this.#countedToClient = this.bytesToClient;
  }
}

/** The life of a session, which is short with a `refusal`. It never throws. */
export async function serveTcp(session: TcpSession, refusal?: ProxyError): Promise<void> {
  session.begin();
  try {
    if (refusal !== undefined) throw refusal;
    if (session.tcp.protocol === 'none') await clientSpeaks(session);
    const server = await openServer(session); // persistence, scheduler, dial, greeting; or another
    // Where TLS begins by STARTTLS every line is read, until none needs to be.
    if (await followDialogue(session, server)) await new TcpRelay(session, server).run();
  } catch (error) {
    sayFarewell(session, error);
  } finally {
    session.end();
  }
}

function tlsVersionOf(socket: Socket): string | undefined {
  return socket instanceof TLSSocket ? (socket.getProtocol() ?? undefined) : undefined;
}
