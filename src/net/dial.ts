// Opens a connection to a real server, in clear or by TLS, within a time.

import { connect, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket, type ConnectionOptions } from 'node:tls';
import { sharedRead } from './shared-read.ts';

export interface DialOptions {
  readonly address: string;
  readonly port: number;
  /** Source address; undefined leaves it to the system. */
  readonly localAddress: string | undefined;
  /** Options of `tls.connect`, and who sees the socket then; undefined = in clear. */
  readonly tls: (ConnectionOptions & { watch?: (socket: TLSSocket) => void }) | undefined;
  readonly timeoutMs: number;
}

export interface Dialling {
  /** Resolves when connected (with TLS: when the handshake is done), else throws the reason. */
  readonly socket: Promise<Socket>;
  /** Gives up at once. */
  abort(): void;
}

export function dial(options: DialOptions): Dialling {
  const { address, port, localAddress, tls, timeoutMs } = options;
  const target = {
    host: address,
    port,
    allowHalfOpen: true,
    noDelay: true,
    onread: sharedRead,
    ...(localAddress !== undefined && { localAddress })
  };
  const socket = tls === undefined ? connect(target) : connectTls({ ...tls, ...target });
  if (socket instanceof TLSSocket) tls?.watch?.(socket);
  const promise = new Promise<Socket>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(new Error(`no connection within ${timeoutMs} ms`));
    }, timeoutMs);
    const fail = (error?: Error): void => {
      clearTimeout(timer);
      reject(error ?? new Error('connection closed'));
    };
    const closed = (): void => fail();
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.off('close', closed);
      resolve(socket);
    });
  });
  return { socket: promise, abort: () => socket.destroy() };
}
