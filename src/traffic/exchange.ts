// One request and its answer, from the head that was read to the line in the log.

import { add, countAnswer, countError, countLatency } from '../counters.ts';
import { serverPlaces, servicePlaces } from '../counters.ts';
import { ProxyError } from '../error.ts';
import type { AnswerHead, RequestHead } from '../http1/head.ts';
import { clock, tick } from '../net/clock.ts';
import { chooseRealServer, chooseService } from '../service/select.ts';
import type { RealServer } from '../service/real-server.ts';
import type { Service, VirtualService } from '../service/virtual-service.ts';
import { logAccess } from './access-log.ts';
import { answerError } from './answer.ts';
import { logGate } from './esp-log.ts';
import type { Pass } from '../gate/pass.ts';
import type { HttpSession } from './http-session.ts';
import { isForLogin, serveLogin } from './login.ts';
import { answerOwn, type OwnAnswer } from './own-answer.ts';
import { preAuthorize } from './pre-auth.ts';
import { logOnToServer, needsServerLogon } from './server-logon.ts';
import { choosePersistent, learnCookie } from './persistent-server.ts';
import { Relay } from './relay.ts';
import type { ServerConnection } from './server-connections.ts';

export class Exchange {
  readonly session: HttpSession;
  readonly request: RequestHead;
  readonly virtualService: VirtualService;
  readonly startMs: number = clock.nowMs;
  /** Who answers, once content switching has chosen. */
  service: Service | undefined;
  realServer: RealServer | undefined;
  relay: Relay | undefined;
  connectedMs = 0;
  firstByteMs = 0;
  /** Status that the client got; 0 while there is none. */
  status = 0;
  bytesToServer = 0;
  bytesToClient = 0;
  /** Whether the client's connection goes on after this exchange. */
  keepAlive = false;
  /** Whether the answer brings the cookie by which the client comes back to this server. */
  setsCookie = false;
  /** Who asks, where pre-authentication found out. */
  pass: Pass | undefined;
  /** His session ended meanwhile: nothing goes on to a server any more. */
  passEnded = false;
  /** Whether it had to: on other paths who asks is the server's business. */
  isGuarded = false;
  error: ProxyError | undefined;
  #id: string | undefined;

  constructor(session: HttpSession, virtualService: VirtualService) {
    this.session = session;
    this.request = session.request;
    this.virtualService = virtualService;
  }

  /** In the log and in every answer of our own. */
  get id(): string {
    return (this.#id ??= this.session.traffic.requestId());
  }

  /** Longest silence in both directions. */
  get idleTimeMs(): number {
    return (this.service ?? this.virtualService).settings.idleTimeMs;
  }

  /** Notes the answer that goes to the client. */
  answered(head: AnswerHead): void {
    this.status = head.status;
    this.firstByteMs = clock.nowMs;
    const cookie = this.service?.persistence?.serverCookie;
    if (cookie !== undefined) learnCookie(this, cookie, head);
  }
}

/**
 * The life of a request, which always comes to `endExchange`, once. It goes as far as it can at once:
 * where the server is connected already no promise is made, which saves 1 us.
 */
export function serveExchange(exchange: Exchange): void {
  try {
    if (isForLogin(exchange)) return answerOnce(exchange, serveLogin(exchange));
    const service = chooseService(exchange.virtualService, exchange.session.facts);
    exchange.service = service;
    if (service.guard === undefined) return forward(exchange, service);
    const ruling = preAuthorize(exchange, service, service.guard);
    if (ruling === undefined) forward(exchange, service);
    else answerOnce(exchange, ruling);
  } catch (error) {
    endExchange(exchange, error);
  }
}

function forward(exchange: Exchange, service: Service): void {
  const server = connectRealServer(exchange, service);
  if (server instanceof Promise) void relayOnceConnected(exchange, server);
  else relay(exchange, server);
}

/** Answers in place of a server, or goes on to it after all: the primary had to be asked. */
function answerOnce(exchange: Exchange, answer: OwnAnswer | Promise<OwnAnswer | undefined>): void {
  if (answer instanceof Promise) {
    answer
      .then((settled) => answerOrForward(exchange, settled))
      .catch((error: unknown) => {
        endExchange(exchange, error);
      });
  } else {
    answerOrForward(exchange, answer);
  }
}

function answerOrForward(exchange: Exchange, answer: OwnAnswer | undefined): void {
  const { session, service } = exchange;
  if (session.client.isClosed) throw clientClosed();
  if (exchange.passEnded) throw sessionEnded();
  if (answer === undefined && service !== undefined) return forward(exchange, service);
  if (answer !== undefined) answerOwn(exchange, answer);
  endExchange(exchange);
}

async function relayOnceConnected(
  exchange: Exchange,
  server: Promise<ServerConnection>
): Promise<void> {
  try {
    relay(exchange, await server);
  } catch (error) {
    endExchange(exchange, error);
  }
}

/** Both ways at once: an answer may begin before the request ends. */
function relay(exchange: Exchange, server: ServerConnection): void {
  if (exchange.passEnded) throw sessionEnded();
  if (needsServerLogon(exchange)) {
    server.rest(); // until the client comes back with what the server's form gave out
    return answerOnce(exchange, logOnToServer(exchange));
  }
  exchange.relay = new Relay(exchange, server, endExchange);
  exchange.relay.start();
}

const none: readonly RealServer[] = [];

/** The open connection to the server that this request goes to, or a new one. */
function connectRealServer(
  exchange: Exchange,
  service: Service
): ServerConnection | Promise<ServerConnection> {
  const server = choose(exchange, service, none);
  if (!(server instanceof Promise)) return connectTo(exchange, service, server);
  return server.then((found) => {
    if (exchange.session.client.isClosed) throw clientClosed();
    return connectTo(exchange, service, found);
  });
}

function choose(
  exchange: Exchange,
  service: Service,
  tried: readonly RealServer[]
): RealServer | undefined | Promise<RealServer | undefined> {
  const { persistence } = service;
  const { servers, clientAddress } = exchange.session;
  return persistence === undefined
    ? chooseRealServer(service, servers.current, tried, clientAddress)
    : choosePersistent(exchange, service, persistence, tried);
}

function connectTo(
  exchange: Exchange,
  service: Service,
  server: RealServer | undefined
): ServerConnection | Promise<ServerConnection> {
  const { virtualService, session } = exchange;
  if (server === undefined) throw noServer(service);
  exchange.realServer = server;
  return (
    session.servers.openTo(server, virtualService) ?? dialUntilConnected(exchange, service, server)
  );
}

/** Dials `first`, and where that fails the others in turn: nothing has been sent yet. */
async function dialUntilConnected(
  exchange: Exchange,
  service: Service,
  first: RealServer
): Promise<ServerConnection> {
  const { session, virtualService } = exchange;
  const tried: RealServer[] = [];
  for (let server: RealServer | undefined = first; ;) {
    exchange.realServer = server;
    try {
      const { servers } = session;
      const connection =
        servers.openTo(server, virtualService) ?? (await servers.dial(server, virtualService));
      if (session.client.isClosed) throw clientClosed();
      exchange.connectedMs = tick();
      noteConnection(exchange, server);
      return connection;
    } catch (error) {
      if (session.client.isClosed) throw clientClosed();
      // A mistake of ours says nothing about the server.
      if (!(error instanceof ProxyError) || !error.retryable) throw error;
      add(server.row, serverPlaces.connectFailures, 1);
      session.traffic.suspect(server, error.message);
      tried.push(server);
      // Who has authenticated a connection is known to that server only.
      server = session.authenticatesConnection ? undefined : await choose(exchange, service, tried);
      // Nobody is left behind the sorry server; an answer of ours is for just that.
      if (server === undefined && tried.at(-1) === service.sorryServer) throw noServer(service);
      if (server === undefined) throw error;
    }
  }
}

/** Bit 4 of espLogs, once for each connection to a server. */
function noteConnection(exchange: Exchange, server: RealServer): void {
  const { pass, service } = exchange;
  if (service?.guard === undefined) return;
  const event = { outcome: 'connected', about: { server: server.settings.name } };
  logGate(exchange, 'connection', pass === undefined ? event : { ...event, user: pass.user });
}

function noServer(service: Service): ProxyError {
  const why = service.whyDown?.() ?? 'no usable real server';
  return new ProxyError('no-server', 'ballast', `${why} in ${service.fullName}`);
}

function clientClosed(): ProxyError {
  return new ProxyError('client-closed', 'client', 'client closed its connection');
}

function sessionEnded(): ProxyError {
  return new ProxyError('forbidden', 'ballast', 'the session was ended');
}

function endExchange(exchange: Exchange, failure?: unknown): void {
  if (failure !== undefined) answerError(exchange, failure);
  countExchange(exchange, failure === undefined ? clock.nowMs : tick());
  exchange.session.exchangeEnded(exchange);
}

function countExchange(exchange: Exchange, endMs: number): void {
  const { session, startMs, firstByteMs, realServer, error, status } = exchange;
  const { row } = (exchange.service ?? exchange.virtualService).counters;
  if (realServer === undefined) {
    countAnswer(row, servicePlaces.answers, status);
  } else {
    countAnswer(realServer.row, serverPlaces.answers, status);
    add(realServer.row, serverPlaces.bytesToServer, exchange.bytesToServer);
    add(realServer.row, serverPlaces.bytesFromServer, exchange.bytesToClient);
  }
  if (error !== undefined) countError(row, error.code);
  if (firstByteMs !== 0) countLatency(row, servicePlaces.firstByte, firstByteMs - startMs);
  countLatency(row, servicePlaces.duration, endMs - startMs);
  // An answer of our own must be found in the log by its id, whatever else is logged.
  if (session.traffic.accessLog || error !== undefined) logAccess(exchange, endMs);
}
