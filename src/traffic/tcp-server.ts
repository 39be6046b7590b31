// The server of a session: chosen, dialled and listened to until it has welcomed us. One that does
// not is passed over for the next: nothing of the client has been sent yet, so it need not notice.

import { add, serverPlaces } from '../counters.ts';
import type { TcpSettings } from '../config/model.ts';
import type { Dialect } from '../dialect/dialect.ts';
import { ProxyError } from '../error.ts';
import { Connection, type Receiver } from '../net/connection.ts';
import { dial } from '../net/dial.ts';
import { formatProxyHeader } from '../net/proxy-header.ts';
import type { PersistenceFacts } from '../persistence/persistence.ts';
import type { OpenConnection, RealServer } from '../service/real-server.ts';
import { chooseRealServer } from '../service/select.ts';
import { connectTimeoutMs, sourceAddress } from './dialling.ts';
import { serverOnRecord } from './persistent-server.ts';
import type { Phase, TcpSession } from './tcp-session.ts';
import { introduceClient } from './tcp-xclient.ts';

/** RFC 5321 4.5.3.2.1 gives a greeting 5 minutes, but clients ask the next host long before. */
const greetingTimeMs = 10_000;
/** No further server is tried after this. */
const openTimeMs = 30_000;
const greetingBytesMax = 8192;
/** First byte of a TLS record with a client's hello (RFC 8446 5.1). */
const tlsHandshake = 0x16;

/** Waits for the first byte of a client that speaks first; it stays with the connection. */
export function clientSpeaks(session: TcpSession): Promise<void> {
  return new ClientWatch(session).spoke;
}

/** A connection to the server that this session gets; what it has said so far is held. */
export async function openServer(session: TcpSession): Promise<Connection> {
  const watch = new ClientWatch(session);
  const latestMs = performance.now() + openTimeMs;
  const tried: RealServer[] = [];
  let failure: ProxyError | undefined;
  for (;;) {
    const server = await choose(session, tried);
    watch.throwIfEnded();
    if (server === undefined) throw failure ?? noServer(session);
    session.realServer = server;
    try {
      const connection = await open(session, server, watch);
      session.connectedMs = performance.now();
      return connection;
    } catch (error) {
      watch.throwIfEnded();
      // A mistake of ours says nothing about the server.
      if (!(error instanceof ProxyError) || !error.retryable) throw error;
      failure = error;
      add(server.row, serverPlaces.connectFailures, 1);
      session.traffic.suspect(server, error.message);
      tried.push(server);
      if (performance.now() > latestMs) throw error;
    }
  }
}

function choose(
  session: TcpSession,
  tried: readonly RealServer[]
): RealServer | undefined | Promise<RealServer | undefined> {
  const { virtualService: service, from, traffic } = session;
  const chosen = (): RealServer | undefined =>
    chooseRealServer(service, undefined, tried, from.address);
  const key = service.whyDown?.() === undefined ? recordKey(session) : undefined;
  if (key === undefined) return chosen();
  const timeoutMs = service.persistence?.timeoutMs ?? 0;
  return serverOnRecord({ key, timeoutMs, service, tried }, traffic.bindings, chosen);
}

/** What the client is known by in the table of persistence; undefined where there is none. */
export function recordKey({ virtualService, from }: TcpSession): string | undefined {
  return virtualService.persistence?.keyOf?.(new AddressFacts(from.address));
}

function noServer({ virtualService }: TcpSession): ProxyError {
  const why = virtualService.whyDown?.() ?? 'no usable real server';
  return new ProxyError('no-server', 'ballast', `${why} in ${virtualService.fullName}`);
}

async function open(
  session: TcpSession,
  server: RealServer,
  watch: ClientWatch
): Promise<Connection> {
  const connection = await connect(session, server, watch);
  server.hold(session);
  session.server = connection;
  watch.abort = () => connection.destroy();
  try {
    if (session.dialect !== undefined && !session.isOpaque) {
      await new GreetingWait(connection, session.dialect, session.tcp, watch).done;
      if (session.tcp.xclient) await introduceClient(session, server, connection);
    }
    return connection;
  } catch (error) {
    connection.destroy();
    session.server = undefined;
    server.release(session);
    throw error;
  }
}

async function connect(
  { virtualService, tcp, from, here }: TcpSession,
  server: RealServer,
  watch: ClientWatch
): Promise<Connection> {
  const { address, port } = server.settings;
  const dialling = dial({
    address,
    port,
    localAddress: sourceAddress(virtualService, address),
    tls: undefined,
    timeoutMs: connectTimeoutMs
  });
  // Counted from now on: many that dial at the same time must not all choose the same server.
  const attempt: OpenConnection = { signedIn: false, leave() {}, destroy: () => dialling.abort() };
  server.reserve(attempt);
  watch.abort = () => dialling.abort();
  try {
    const connection = new Connection(await dialling.socket);
    if (tcp.proxyProtocol !== 'none') {
      connection.write(formatProxyHeader(tcp.proxyProtocol, from, here));
    }
    return connection;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProxyError('cannot-connect', 'server', reason, true);
  } finally {
    server.release(attempt);
  }
}

/** Keeps what the client says while it has no server, and sees it go. */
class ClientWatch implements Receiver, Phase {
  readonly spoke: Promise<void>;
  /** Ends what is under way for the client. */
  abort: (() => void) | undefined;
  /** Called when the client begins TLS with the server behind us. */
  onOpaque: (() => void) | undefined;
  readonly mayInterrupt = true;
  readonly isClientsTurn = true;
  readonly #session: TcpSession;
  readonly #settle = Promise.withResolvers<void>();
  #error: ProxyError | undefined;

  constructor(session: TcpSession) {
    this.#session = session;
    this.spoke = this.#settle.promise;
    // Only who waits for the first byte hears of it here.
    this.spoke.catch(() => {});
    session.phase = this;
    session.client.receive(this);
  }

  get lastActivityMs(): number {
    return this.#session.client.lastActivityMs;
  }

  throwIfEnded(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  fail(error: ProxyError): void {
    this.#error ??= error;
    this.abort?.();
    this.#settle.reject(this.#error);
  }

  onBytes(bytes: Buffer): void {
    const { client, tlsVersion, tcp } = this.#session;
    const first = !client.hasHeld;
    client.hold(bytes);
    this.#settle.resolve();
    const begins = first && bytes[0] === tlsHandshake;
    if (!begins || tlsVersion !== undefined || tcp.startTls !== 'no') return;
    // To a server that believes what XCLIENT says no client may speak unheard, nor past a filter.
    if (tcp.xclient || tcp.recipients !== undefined) return;
    this.#session.isOpaque = true;
    this.onOpaque?.();
  }

  onEnd(): void {
    // With bytes before it, it is for the server to hear; without, nobody is there to be served.
    if (!this.#session.client.hasHeld) this.fail(clientClosed());
  }

  onClose(): void {
    this.fail(clientClosed());
  }

  onDrain(): void {}
}

function clientClosed(): ProxyError {
  return new ProxyError('client-closed', 'client', 'the client went before it had a server');
}

/** Listens to a server until its greeting is complete; all that it said stays held. */
class GreetingWait implements Receiver {
  readonly done: Promise<void>;
  readonly #connection: Connection;
  readonly #dialect: Dialect;
  readonly #startTlsToCome: boolean;
  readonly #settle = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer = Buffer.alloc(0);
  #isDone = false;

  constructor(
    connection: Connection,
    dialect: Dialect,
    { startTls }: TcpSettings,
    watch: ClientWatch
  ) {
    this.#connection = connection;
    this.#dialect = dialect;
    this.#startTlsToCome = startTls !== 'no';
    this.done = this.#settle.promise;
    this.#timer = setTimeout(() => this.#refuse('said nothing'), greetingTimeMs);
    watch.onOpaque = () => this.#end();
    connection.receive(this);
  }

  onBytes(bytes: Buffer): void {
    if (this.#isDone) return this.#connection.hold(bytes);
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const greeting = this.#dialect.judgeGreeting(this.#bytes, this.#startTlsToCome);
    if (greeting === 'welcome') this.#end();
    else if (greeting === 'refusal' || this.#bytes.length > greetingBytesMax) {
      this.#refuse(`said ${quoteLine(this.#bytes)}`);
    }
  }

  onEnd(): void {
    this.#refuse('closed the connection before its greeting');
  }

  onClose(): void {
    this.#refuse('closed the connection before its greeting');
  }

  onDrain(): void {}

  #end(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    if (this.#bytes.length > 0) this.#connection.hold(this.#bytes);
    this.#settle.resolve();
  }

  #refuse(what: string): void {
    if (this.#isDone) return;
    this.#isDone = true;
    clearTimeout(this.#timer);
    this.#settle.reject(new ProxyError('greeting-refused', 'server', `the server ${what}`, true));
  }
}

/** The first line, printable and short. */
function quoteLine(bytes: Buffer): string {
  const line = bytes.toString('latin1', 0, 200).split(/[\r\n]/, 1)[0] ?? '';
  return JSON.stringify(line.replace(/[^ -~]/g, '?'));
}

/** All that persistence may ask about a client that is no HTTP client. */
class AddressFacts implements PersistenceFacts {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  sourceAddress(): string {
    return this.#address;
  }

  path(): string {
    return '';
  }

  query(): string {
    return '';
  }

  host(): string {
    return '';
  }

  header(): undefined {}

  cookie(): undefined {}
}
