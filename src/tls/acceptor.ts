// Begins TLS on sockets that were accepted, at once or in mid-session. Where a service has several
// certificates, or wants a name, the client's hello is read first and then given to the server of
// the certificate that fits. Node's SNICallback could not do that: it hears no key kinds, and
// nothing of clients without SNI.

import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { helloBytesMax, readClientHello, type ClientHello } from './client-hello.ts';
import { handshakeTimeoutMs, type ServerTls } from './contexts.ts';

/** How a handshake went: one of the two is called, once. */
export interface HandshakeEvents {
  readonly begin: (socket: TLSSocket) => void;
  /** The socket ends by itself. */
  readonly failed: (reason: string) => void;
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
  /** By both ends of the connection: Node does not tell which socket a TLSSocket is on. */
  readonly #handshakes = new Map<string, Handshake>();

  /** `staples` undefined: none are served. */
  constructor(tls: ServerTls, staples: Staples | undefined) {
    this.#tls = tls;
    this.#servers = tls.options.map((options) => {
      // One whose peer is gone has no endpoints, and is nobody's.
      const server = createServer(options, (socket) => {
        const handshake = this.#handshakes.get(endpointsOf(socket));
        if (handshake === undefined) socket.destroy();
        else handshake.done(socket);
      });
      server.on('tlsClientError', (error, socket) => {
        this.#handshakes.get(endpointsOf(socket))?.blame(reasonOf(error));
        // After its time-out Node only tells us. Later, so that an alert goes out first.
        setImmediate(() => socket.destroy());
      });
      if (staples !== undefined) serveStaple(server, String(options.cert), staples);
      return server;
    });
  }

  /**
   * The socket is the acceptor's until one of the events. What the peer sent already must be in the
   * socket (`unshift`); what was written to it goes out first.
   */
  accept(socket: Socket, events: HandshakeEvents): void {
    socket.on('error', ignore); // its close tells
    if (this.#tls.mustChoose)
      new HelloReader(socket, (hello) => this.#choose(socket, hello, events));
    else this.#begin(0, socket, events);
  }

  /** Without a hello the client hung up or was too slow. */
  #choose(socket: Socket, hello: ClientHello | undefined | 'gone', events: HandshakeEvents): void {
    if (hello === 'gone') {
      socket.destroy();
      events.failed('no TLS hello');
      return;
    }
    // In odd pieces, or too long: OpenSSL may still read it, but then no name has been asked for.
    const choice = this.#tls.choose(hello ?? unreadHello);
    if (choice === undefined) {
      const missing = hello?.serverName === undefined && hello?.offersTls13 === true;
      refuse(socket, missing ? alert.missingExtension : alert.unrecognizedName);
      events.failed('no certificate for the name in the TLS hello');
      return;
    }
    this.#begin(choice, socket, events);
  }

  #begin(choice: number, socket: Socket, events: HandshakeEvents): void {
    const endpoints = endpointsOf(socket);
    if (endpoints === gone) {
      socket.destroy();
      events.failed('client gone');
      return;
    }
    // Whoever ends his side in the midst of it is gone; else only the time-out would tell.
    socket.allowHalfOpen = false;
    new Handshake(this.#handshakes, endpoints, socket, events);
    this.#servers[choice]?.emit('connection', socket);
  }
}

/** One that is under way. It failed when its socket closes before it is done. */
class Handshake {
  readonly #all: Map<string, Handshake>;
  readonly #endpoints: string;
  readonly #socket: Socket;
  readonly #events: HandshakeEvents;
  #reason = 'client gone';

  constructor(
    all: Map<string, Handshake>,
    endpoints: string,
    socket: Socket,
    events: HandshakeEvents
  ) {
    this.#all = all;
    this.#endpoints = endpoints;
    this.#socket = socket;
    this.#events = events;
    all.set(endpoints, this);
    socket.once('close', this.#closed);
  }

  done(socket: TLSSocket): void {
    this.#forget();
    this.#socket.off('close', this.#closed);
    socket.allowHalfOpen = true;
    this.#events.begin(socket);
  }

  /** Why it is about to fail. */
  blame(reason: string): void {
    this.#reason = reason;
  }

  readonly #closed = (): void => {
    this.#forget();
    this.#events.failed(this.#reason);
  };

  /** A client may have come back from the same port before the old socket said that it is closed. */
  #forget(): void {
    if (this.#all.get(this.#endpoints) === this) this.#all.delete(this.#endpoints);
  }
}

const gone = '';

/** Both ends of a connection; no two have the same at a time. */
function endpointsOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remotePort === undefined || localPort === undefined) return gone;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

function ignore(): void {}

/** OpenSSL's message begins with a thread's number and ends with a line of its source. */
function reasonOf(error: Error): string {
  return 'reason' in error ? String(error.reason) : error.message;
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
