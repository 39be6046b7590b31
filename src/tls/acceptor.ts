// Begins TLS on sockets that were accepted. Where a service has several certificates, or wants a
// name, the client's hello is read first and then given to the server of the certificate that fits.
// Node's SNICallback could not do that: it hears no key kinds, and nothing of clients without SNI.

import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { helloBytesMax, readClientHello, type ClientHello } from './client-hello.ts';
import { handshakeTimeoutMs, type ServerTls } from './contexts.ts';

export interface AcceptorEvents {
  /** A handshake is done. */
  readonly begin: (socket: TLSSocket) => void;
  /** A handshake failed; the socket ends by itself. */
  readonly failed: () => void;
}

/** OCSP responses by the SHA-256 fingerprint of the certificate; the worker keeps them fresh. */
export type Staples = ReadonlyMap<string, Buffer>;

/** A client that was refused has this long to hang up. */
const lingerTimeMs = 2000;

/** RFC 8446 6.2 */
const alert = { missingExtension: 109, unrecognizedName: 112 } as const;

/** Nobody is named, nothing is offered. */
const unreadHello: ClientHello = {
  serverName: undefined,
  offersTls13: false,
  cipherSuites: [],
  signatureSchemes: [],
  groups: []
};

export class TlsAcceptor {
  readonly #tls: ServerTls;
  readonly #servers: readonly Server[];
  readonly #failed: () => void;

  /** `staples` undefined: none are served. */
  constructor(tls: ServerTls, staples: Staples | undefined, { begin, failed }: AcceptorEvents) {
    this.#tls = tls;
    this.#failed = failed;
    this.#servers = tls.options.map((options) => {
      const server = createServer(options, begin);
      server.on('tlsClientError', (_error, socket) => {
        failed();
        // After its time-out Node only tells us. Later, so that an alert goes out first.
        setImmediate(() => socket.destroy());
      });
      if (staples !== undefined) serveStaple(server, String(options.cert), staples);
      return server;
    });
  }

  accept(socket: Socket): void {
    if (this.#tls.mustChoose) new HelloReader(socket, (hello) => this.#choose(socket, hello));
    else this.#servers[0]?.emit('connection', socket);
  }

  /** Without a hello the client hung up or was too slow. */
  #choose(socket: Socket, hello: ClientHello | undefined | 'gone'): void {
    if (hello === 'gone') {
      socket.destroy();
      this.#failed();
      return;
    }
    // In odd pieces, or too long: OpenSSL may still read it, but then no name has been asked for.
    const choice = this.#tls.choose(hello ?? unreadHello);
    if (choice === undefined) {
      const missing = hello?.serverName === undefined && hello?.offersTls13 === true;
      refuse(socket, missing ? alert.missingExtension : alert.unrecognizedName);
      this.#failed();
      return;
    }
    this.#servers[choice]?.emit('connection', socket);
  }
}

function serveStaple(server: Server, chainPem: string, staples: Staples): void {
  const { fingerprint256 } = new X509Certificate(chainPem);
  server.on('OCSPRequest', (_certificate, _issuer, done) => {
    // No staple, no answer to that extension; Node takes null, its types do not know it.
    done(null, staples.get(fingerprint256) ?? (null as unknown as Buffer));
  });
}

/** A fatal alert in a record of its own (RFC 8446 6); before there are keys it goes in clear. */
function refuse(socket: Socket, description: number): void {
  socket.on('error', () => {});
  // Not the socket's own time-out, which every byte that drips in would renew.
  setTimeout(() => socket.destroy(), lingerTimeMs);
  socket.end(Buffer.from([21, 3, 3, 0, 2, 2, description]));
  socket.resume();
}

/** Gathers a socket's first bytes up to the end of the hello, and puts them back. */
class HelloReader {
  readonly #socket: Socket;
  readonly #done: (hello: ClientHello | undefined | 'gone') => void;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, done: (hello: ClientHello | undefined | 'gone') => void) {
    this.#socket = socket;
    this.#done = done;
    this.#timer = setTimeout(this.#gone, handshakeTimeoutMs);
    socket.on('readable', this.#read).on('end', this.#gone).on('error', this.#gone);
    socket.on('close', this.#gone);
  }

  readonly #read = (): void => {
    const bytes = this.#socket.read() as Buffer | null;
    if (bytes === null) return;
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const hello = readClientHello(this.#bytes);
    if (hello === 'incomplete' && this.#bytes.length < 2 * helloBytesMax) return;
    this.#stop();
    this.#socket.unshift(this.#bytes);
    this.#done(hello === 'incomplete' ? undefined : hello);
  };

  readonly #gone = (): void => {
    this.#stop();
    this.#done('gone');
  };

  #stop(): void {
    clearTimeout(this.#timer);
    this.#socket.off('readable', this.#read).off('end', this.#gone).off('error', this.#gone);
    this.#socket.off('close', this.#gone);
  }
}
