// The listening sockets of a worker, and what stands before their sessions: the PROXY header, the
// limit of connections a client, TLS. The cluster's primary opens each socket once and all workers
// accept from it, so a worker that dies loses no waiting client.

import { createServer, type Server, type Socket } from 'node:net';
import type { Certificate } from '../config/model.ts';
import { ProxyError } from '../error.ts';
import { networkTest } from '../net/address.ts';
import { readProxy, type FromProxy } from '../net/proxy-reader.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import { TlsAcceptor, type Staples } from '../tls/acceptor.ts';
import { buildServerTls } from '../tls/contexts.ts';
import { HttpSession, serveHttp } from '../traffic/http-session.ts';
import { serveTcp, TcpSession } from '../traffic/tcp-session.ts';
import { clientEndOf, type ClientEnd, type Entrance, type Traffic } from '../traffic/traffic.ts';
import type { ClientLimits } from './client-limits.ts';
import type { Refusals } from './refusals.ts';

/** Clients that may wait to be accepted; Node's own 511 is short for a reconnect storm. */
const backlog = 4096;
/** Time for a lost packet of the PROXY header (proxy-protocol.txt 2: at least 3 s). */
const proxyHeaderTimeMs = 5000;

/** Built for one port of a service and used for its others: contexts cost milliseconds each. */
const builtTls = new WeakMap<VirtualService, { source: string; acceptor: TlsAcceptor }>();

/** What all listeners of a worker share. */
export interface ListenerParts {
  readonly traffic: Traffic;
  readonly staples: Staples;
  readonly clientLimits: ClientLimits;
  readonly refusals: Refusals;
}

export class Listener {
  /** Of the HTTP sessions that came in here, while that is spoken here. */
  #entrance: Entrance = { virtualService: undefined };
  readonly #traffic: Traffic;
  readonly #server: Server;
  readonly #staples: Staples;
  readonly #clientLimits: ClientLimits;
  readonly #refusals: Refusals;
  #isTrustedProxy: (address: string) => boolean = () => false;
  #tls: TlsAcceptor | undefined;
  /** What `#tls` was built from, to leave it alone while that stays. */
  #tlsSource = '';

  constructor({ traffic, staples, clientLimits, refusals }: ListenerParts) {
    this.#traffic = traffic;
    this.#staples = staples;
    this.#clientLimits = clientLimits;
    this.#refusals = refusals;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket)
    );
  }

  /** Takes the service's settings: those of sessions too, from their next request on. */
  serve(
    virtualService: VirtualService,
    certificates: readonly Certificate[],
    ticketKeys: Buffer
  ): void {
    const { tls, vsType } = virtualService.settings;
    if (tls === undefined) {
      this.#tls = undefined;
      this.#tlsSource = '';
    } else {
      const own = tls.certificates.flatMap((name) => certificates.filter((c) => c.name === name));
      const source = JSON.stringify([vsType, tls, own, ticketKeys.toString('base64')]);
      if (source !== this.#tlsSource) {
        let built = builtTls.get(virtualService);
        if (built?.source !== source) {
          // Mail clients offer names of protocols that nobody agreed on.
          const alpn = vsType === 'http' ? ['http/1.1'] : [];
          const staples = tls.ocspStapling ? this.#staples : undefined;
          const serverTls = buildServerTls(tls, own, ticketKeys, alpn);
          built = { source, acceptor: new TlsAcceptor(serverTls, staples) };
          builtTls.set(virtualService, built);
        }
        this.#tls = built.acceptor;
        this.#tlsSource = source;
      }
    }
    this.#isTrustedProxy = networkTest(virtualService.global.trustedProxies);
    const before = this.#entrance.virtualService;
    if (before !== undefined && before.settings.vsType !== virtualService.settings.vsType) {
      // Something else is spoken here from now on: for the sessions of before it is gone.
      this.#entrance.virtualService = undefined;
      this.#entrance = { virtualService: undefined };
    }
    this.#entrance.virtualService = virtualService;
  }

  /** Resolves when it listens; throws the system's error. */
  listen(address: string, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: address, port, backlog, ipv6Only: true }, () => {
        this.#server.off('error', reject);
        // Out of descriptors for a moment, say: that must not end the worker.
        this.#server.on('error', (error) => this.#traffic.log.error({ err: error }, 'listener'));
        resolve();
      });
    });
  }

  /** Accepts no more; sessions end as soon as nothing is in flight. */
  close(): void {
    this.#server.close();
    this.#entrance.virtualService = undefined;
  }

  get #counters(): ServiceCounters {
    return this.#entrance.virtualService?.counters ?? this.#traffic.counters;
  }

  #accept(socket: Socket): void {
    this.#counters.clientConnected();
    if (this.#entrance.virtualService?.settings.acceptProxyProtocol !== true) {
      this.#admit(socket, clientEndOf(socket));
      return;
    }
    const options = { timeoutMs: proxyHeaderTimeMs, isTrusted: this.#isTrustedProxy };
    readProxy(socket, options, (from) => this.#introduced(socket, from));
  }

  #introduced(socket: Socket, from: FromProxy): void {
    // A probe of the balancer before us: it asked for nothing, so nothing is refused.
    if (from === 'silent') socket.destroy();
    else if ('address' in from) this.#admit(socket, from);
    else this.#turnAway(socket, new ProxyError('no-proxy-header', 'client', from.refused));
  }

  /** Takes the client's place in the service, where these are limited. */
  #admit(socket: Socket, from: ClientEnd): void {
    const { virtualService } = this.#entrance;
    const limit = virtualService?.settings.clientConnsLimit ?? 0;
    if (virtualService !== undefined && limit > 0) {
      const leave = this.#clientLimits.enter(virtualService.fullName, from.address, limit);
      if (leave === undefined) {
        const reason = `the client has ${limit} connections already`;
        this.#turnAway(socket, new ProxyError('too-many-connections', 'client', reason), from);
        return;
      }
      socket.once('close', leave);
    }
    this.#secure(socket, from);
  }

  #turnAway(socket: Socket, error: ProxyError, from?: ClientEnd): void {
    const { virtualService } = this.#entrance;
    const mayTell = this.#refusals.mayTell(performance.now());
    const startTls = virtualService?.settings.tcp?.startTls ?? 'no';
    if (mayTell && from !== undefined && (this.#tls === undefined || startTls !== 'no')) {
      this.#begin(socket, from, error); // which counts, logs, and says so
      return;
    }
    this.#counters.error(error.code);
    if (mayTell) {
      this.#traffic.log.warn(
        {
          client: (from ?? clientEndOf(socket)).address,
          virtualService: virtualService?.settings.name,
          closed: error.code,
          reason: error.message,
          fault: error.source
        },
        'refused'
      );
    }
    socket.destroy();
  }

  #secure(socket: Socket, from: ClientEnd): void {
    const startTls = this.#entrance.virtualService?.settings.tcp?.startTls ?? 'no';
    if (this.#tls === undefined || startTls !== 'no') {
      this.#begin(socket, from);
      return;
    }
    this.#tls.accept(socket, {
      begin: (encrypted) => {
        this.#counters.handshakeDone();
        this.#begin(encrypted, from);
      },
      failed: () => this.#counters.handshakeFailed()
    });
  }

  /** With a `refusal` the session is over at once, and the client is told. */
  #begin(socket: Socket, from: ClientEnd, refusal?: ProxyError): void {
    const { virtualService } = this.#entrance;
    const tcp = virtualService?.settings.tcp;
    if (virtualService === undefined || tcp === undefined) {
      serveHttp(new HttpSession(socket, from, this.#entrance, this.#traffic), refusal);
    } else {
      const entrance = { virtualService, tcp, acceptor: this.#tls };
      void serveTcp(new TcpSession(socket, from, entrance, this.#traffic), refusal);
    }
  }
}
