// The connections to servers of one client connection: made on demand, at most one a server, and
// closed with it. There is no pool: NTLM and Negotiate authenticate the connection, and a shared
// one would log a user in as another (exchange-and-peers 1.3).

import { ProxyError } from '../error.ts';
import { AnswerHead } from '../http1/head.ts';
import { BodyReader } from '../http1/body.ts';
import { HeadGatherer } from '../http1/head-gatherer.ts';
import { AnswerParser } from '../http1/parse-head.ts';
import { Connection, type Receiver } from '../net/connection.ts';
import { dial } from '../net/dial.ts';
import type { RealServer } from '../service/real-server.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import { connectTimeoutMs, sourceAddress } from './dialling.ts';

/** One connection to a server. Between exchanges it receives itself: any byte then is unasked for. */
export class ServerConnection implements Receiver {
  readonly address: string;
  readonly port: number;
  readonly connection: Connection;
  readonly head: AnswerHead;
  readonly heads: HeadGatherer;
  readonly body = new BodyReader('server');
  /** By which settings it was made; undefined = in clear. */
  readonly tlsIdentity: string | undefined;
  /** Several SubVSs may use one connection; each counts it as its own. */
  readonly users: RealServer[] = [];
  /** NTLM or Negotiate went over it. */
  signedIn = false;
  #state: 'used' | 'resting' | 'leaving' = 'used';
  readonly #owner: ServerConnections;

  constructor(
    connection: Connection,
    server: RealServer,
    tlsIdentity: string | undefined,
    owner: ServerConnections
  ) {
    this.tlsIdentity = tlsIdentity;
    this.address = server.settings.address;
    this.port = server.settings.port;
    this.connection = connection;
    const parser = new AnswerParser();
    this.head = parser.head;
    this.heads = new HeadGatherer(parser);
    this.#owner = owner;
  }

  /** An exchange begins on it. */
  use(): void {
    if (this.#state === 'resting') this.#state = 'used';
  }

  /** Waits for the next exchange, or for the server to end it. */
  rest(): void {
    if (this.#state === 'leaving') return this.destroy();
    this.#state = 'resting';
    this.connection.receive(this);
  }

  /** Its server drains: ends it now, or after the present exchange. */
  leave(): void {
    if (this.#state === 'resting') this.destroy();
    else this.#state = 'leaving';
    // Who is signed in over it is known to no other server.
    if (this.signedIn) this.#owner.lost();
  }

  destroy(): void {
    this.heads.release();
    this.connection.destroy();
    this.#owner.forget(this);
  }

  onBytes(): void {
    // An answer to no request would be taken for the answer to the next one.
    this.destroy();
    this.#owner.lost();
  }

  onEnd(): void {
    this.destroy();
    this.#owner.lost();
  }

  onClose(): void {
    this.destroy();
    this.#owner.lost();
  }

  onDrain(): void {}
}

export class ServerConnections {
  /** The connection of the latest request; later ones stay with its server while it is healthy. */
  current: ServerConnection | undefined;
  readonly #open: ServerConnection[] = [];
  readonly #lost: () => void;
  /** SNI of the client. */
  readonly #clientName: string | undefined;
  #abortDial: (() => void) | undefined;

  /** `lost` is called when a server ends a connection that no exchange is using. */
  constructor(lost: () => void, clientName: string | undefined) {
    this.#lost = lost;
    this.#clientName = clientName;
  }

  /** The open connection to this server, if there is one. */
  openTo(server: RealServer, virtualService: VirtualService): ServerConnection | undefined {
    const { address, port } = server.settings;
    for (const open of this.#open) {
      if (open.port !== port || open.address !== address) continue;
      if (open.tlsIdentity !== virtualService.clientTls?.identity) {
        // A reload has another idea of how this server is to be known.
        open.leave();
        return undefined;
      }
      this.#use(open, server);
      return open;
    }
    return undefined;
  }

  /** A new connection to `server`; throws `ProxyError` where none can be had. */
  async dial(server: RealServer, virtualService: VirtualService): Promise<ServerConnection> {
    const { address, port } = server.settings;
    const dialling = dial({
      address,
      port,
      localAddress: sourceAddress(virtualService, address),
      tls: virtualService.clientTls?.optionsFor(server.settings, this.#clientName),
      timeoutMs: connectTimeoutMs
    });
    // Counted from now on: many that dial at the same time must not all choose the same server.
    const attempt = { signedIn: false, leave() {}, destroy: () => dialling.abort() };
    server.reserve(attempt);
    this.#abortDial = attempt.destroy;
    try {
      const connection = new Connection(await dialling.socket);
      const open = new ServerConnection(
        connection,
        server,
        virtualService.clientTls?.identity,
        this
      );
      this.#open.push(open);
      this.#use(open, server);
      return open;
    } catch (error) {
      throw new ProxyError('cannot-connect', 'server', reasonOf(error), true);
    } finally {
      this.#abortDial = undefined;
      server.release(attempt);
    }
  }

  keepAlive(): void {
    for (const { connection } of this.#open) connection.keepAlive();
  }

  closeAll(): void {
    this.#abortDial?.();
    while (this.#open.length > 0) this.#open[0]?.destroy();
  }

  forget(connection: ServerConnection): void {
    const at = this.#open.indexOf(connection);
    if (at === -1) return;
    this.#open.splice(at, 1);
    for (const server of connection.users) server.release(connection);
    if (this.current === connection) this.current = undefined;
  }

  lost(): void {
    this.#lost();
  }

  #use(connection: ServerConnection, server: RealServer): void {
    this.current = connection;
    connection.use();
    if (connection.users.includes(server)) return;
    connection.users.push(server);
    server.hold(connection);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
