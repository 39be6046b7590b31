// Listening and ending, which all services of a stand-in do alike.

import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

export interface Place {
  /** 127.0.0.1 where nothing is said. */
  readonly host?: string;
  /** A free one where nothing is said. */
  readonly port?: number;
}

/** Returns the port. */
export async function listen(server: Server, at: Place | undefined): Promise<number> {
  server.listen(at?.port ?? 0, at?.host ?? '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The connections that are open, kept up to date. */
export function openSockets(servers: readonly Server[]): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  for (const server of servers) {
    // For TLS these are the sockets below, so that unfinished handshakes are closed as well.
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
  }
  return sockets;
}

/** Stops listening, ends every connection by `end` and waits until all are gone. */
export async function stop(
  servers: readonly Server[],
  sockets: ReadonlySet<Socket>,
  end: (socket: Socket) => void
): Promise<void> {
  const closed = [
    ...servers.map((server) => new Promise((resolve) => server.close(resolve))),
    ...[...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  ];
  for (const socket of sockets) end(socket);
  await Promise.all(closed);
}
