// Reads the PROXY header with which a connection must begin, and leaves the rest in the socket.

import type { Socket } from 'node:net';
import { plainAddress } from './address.ts';
import { readProxyHeader, type Endpoint, type NoProxyHeader } from './proxy-header.ts';

export interface ProxyReaderOptions {
  readonly timeoutMs: number;
  /** Whether this peer may say who its clients are. */
  readonly isTrusted: (address: string) => boolean;
}

/** Who the client is, why there is none, or that the peer hung up without a byte. */
export type FromProxy = Endpoint | NoProxyHeader | 'silent';

/**
 * `done` is called once. What came behind the header can then be read from the socket; without a
 * client the socket is the caller's to end.
 */
export function readProxy(
  socket: Socket,
  options: ProxyReaderOptions,
  done: (from: FromProxy) => void
): void {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) {
    done('silent');
    return;
  }
  const peer = { address: plainAddress(remoteAddress), port: remotePort };
  if (options.isTrusted(peer.address)) new ProxyReader(socket, peer, options.timeoutMs, done);
  else done({ refused: 'the peer is none of the trusted proxies' });
}

/** Gathers a socket's first bytes up to the end of the header, and puts back those behind it. */
class ProxyReader {
  readonly #socket: Socket;
  readonly #peer: Endpoint;
  readonly #done: (from: FromProxy) => void;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, peer: Endpoint, timeoutMs: number, done: (from: FromProxy) => void) {
    this.#socket = socket;
    this.#peer = peer;
    this.#done = done;
    this.#timer = setTimeout(
      () => this.#stop({ refused: `no PROXY header within ${timeoutMs} ms` }),
      timeoutMs
    );
    socket.on('readable', this.#read);
    for (const event of ['end', 'error', 'close']) socket.on(event, this.#gone);
  }

  readonly #read = (): void => {
    const bytes = this.#socket.read() as Buffer | null;
    if (bytes === null) return;
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const header = readProxyHeader(this.#bytes);
    if (header === 'incomplete') return;
    if ('refused' in header) {
      this.#stop(header);
      return;
    }
    if (this.#bytes.length > header.length) {
      this.#socket.unshift(this.#bytes.subarray(header.length));
    }
    this.#stop(header.client ?? this.#peer);
  };

  readonly #gone = (): void => {
    this.#stop(this.#bytes.length === 0 ? 'silent' : { refused: 'PROXY header cut short' });
  };

  #stop(from: FromProxy): void {
    clearTimeout(this.#timer);
    this.#socket.off('readable', this.#read);
    for (const event of ['end', 'error', 'close']) this.#socket.off(event, this.#gone);
    this.#done(from);
  }
}
