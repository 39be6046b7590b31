// A server that says exactly what a test tells it to, and keeps what it heard.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';
import type { CheckTarget } from '../../src/health-check/health-check.ts';

/** Called with each connection once something was heard on it. */
export type Script = (socket: Socket, heard: string) => void;

export interface ScriptedServer extends CheckTarget {
  /** First bytes of each connection, in order. */
  readonly heard: string[];
  /** Of a TLS server: the names asked for, false where there was none. */
  readonly serverNames: (string | false)[];
  readonly protocols: (string | null)[];
  script: Script;
  close(): Promise<void>;
}

export async function scriptedServer(script: Script, tls?: TlsOptions): Promise<ScriptedServer> {
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    if (tls !== undefined) {
      const secure = socket as TLSSocket;
      scripted.serverNames.push(secure.servername ?? false);
      scripted.protocols.push(secure.getProtocol());
    }
    socket.on('data', (bytes) => {
      scripted.heard.push(bytes.toString('latin1'));
      scripted.script(socket, bytes.toString('latin1'));
    });
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const scripted: ScriptedServer = {
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    heard: [],
    serverNames: [],
    protocols: [],
    script,
    async close() {
      for (const socket of open) socket.destroy();
      if (server.listening) await once(server.close(), 'close');
    }
  };
  return scripted;
}

/** A script that sends these bytes and closes. */
export function says(bytes: string): Script {
  return (socket) => socket.end(Buffer.from(bytes, 'latin1'));
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}
