// The listening sockets of a worker and the TLS before their sessions. The cluster's primary opens
// each socket once and all workers accept from it, so a worker that dies loses no waiting client.

import { createServer, type Server, type Socket } from 'node:net';
import type { Certificate } from '../config/model.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { VirtualService } from '../service/virtual-service.ts';
import { TlsAcceptor, type Staples } from '../tls/acceptor.ts';
import { buildServerTls } from '../tls/contexts.ts';
import { HttpSession, serveHttp, type Entrance } from '../traffic/http-session.ts';
import type { Traffic } from '../traffic/traffic.ts';

/** Clients that may wait to be accepted; Node's own 511 is short for a reconnect storm. */
const backlog = 4096;

export class Listener {
  readonly entrance: Entrance;
  readonly #traffic: Traffic;
  readonly #server: Server;
  readonly #staples: Staples;
  #tls: TlsAcceptor | undefined;
  /** What `#tls` was built from, to leave it alone while that stays. */
  #tlsSource = '';

  constructor(traffic: Traffic, staples: Staples) {
    this.entrance = { virtualService: undefined };
    this.#traffic = traffic;
    this.#staples = staples;
    this.#server = createServer(
      { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
      (socket) => this.#accept(socket)
    );
  }

  /** Takes the service's settings: those of sessions too, from their next request on. */
  serve(
    virtualService: VirtualService,
    certificates: readonly Certificate[],
    ticketKeys: Buffer
  ): void {
    const { tls } = virtualService.settings;
    if (tls === undefined) {
      this.#tls = undefined;
      this.#tlsSource = '';
    } else {
      const own = tls.certificates.flatMap((name) => certificates.filter((c) => c.name === name));
      const source = JSON.stringify([tls, own, ticketKeys.toString('base64')]);
      if (source !== this.#tlsSource) {
        const staples = tls.ocspStapling ? this.#staples : undefined;
        this.#tls = new TlsAcceptor(buildServerTls(tls, own, ticketKeys), staples, this.#events);
        this.#tlsSource = source;
      }
    }
    this.entrance.virtualService = virtualService;
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
    this.entrance.virtualService = undefined;
  }

  readonly #events = {
    begin: (socket: Socket): void => {
      this.#counters.handshakeDone();
      this.#begin(socket);
    },
    failed: (): void => this.#counters.handshakeFailed()
  };

  get #counters(): ServiceCounters {
    return this.entrance.virtualService?.counters ?? this.#traffic.counters;
  }

  #accept(socket: Socket): void {
    this.#counters.clientConnected();
    if (this.#tls === undefined) this.#begin(socket);
    else this.#tls.accept(socket);
  }

  #begin(socket: Socket): void {
    void serveHttp(new HttpSession(socket, this.entrance, this.#traffic));
  }
}
