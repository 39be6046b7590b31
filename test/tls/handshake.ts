// Real handshakes on loopback: listeners that greet, and clients that tell what they saw.

import { once } from 'node:events';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { ConnectionOptions, TlsOptions, TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { TlsAcceptor, type HandshakeEvents, type Staples } from '../../src/tls/acceptor.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import type { ServerCertificate, ServerTls } from '../../src/tls/contexts.ts';

export async function certificate(name: string, dnsNames: string[]): Promise<ServerCertificate> {
  return { name, ...(await selfSignedCertificate(name, dnsNames)) };
}

/** A listener that says hello; gives its port. */
export async function listen(t: Test, tls: ServerTls, staples?: Staples): Promise<number> {
  const acceptor = new TlsAcceptor(tls, staples);
  const events: HandshakeEvents = {
    begin: (socket) => void socket.on('error', () => {}).end('hello'),
    failed: () => {} // the client's side of it is what the tests look at
  };
  return openPort(
    t,
    createTcpServer({ allowHalfOpen: true }, (socket) => acceptor.accept(socket, events))
  );
}

/** The same by Node alone, in place of a real server. */
export function listenAs(t: Test, options: TlsOptions): Promise<number> {
  const server = createServer(options, (socket) => socket.on('error', () => {}).end('hello'));
  return openPort(
    t,
    server.on('tlsClientError', () => {})
  );
}

export async function openPort(t: Test, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

export interface Handshake {
  readonly commonName: string;
  readonly protocol: string | null;
  readonly cipher: string;
  readonly alpn: string | false | null;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
}

/** The handshake, or the code of the error that ended it. */
export async function handshake(
  port: number,
  options: ConnectionOptions = {}
): Promise<Handshake | string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  let session: Buffer | undefined;
  socket.on('session', (ticket: Buffer) => (session = ticket));
  const ended = new Promise((resolve) => socket.on('close', resolve));
  try {
    await once(socket, 'secureConnect');
    const seen = describe(socket);
    socket.resume();
    await ended; // the server's greeting brings the tickets of TLS 1.3
    return { ...seen, session };
  } catch (error) {
    socket.destroy();
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

function describe(socket: TLSSocket): Omit<Handshake, 'session'> {
  // A resumed session of TLS 1.2 has no certificate any more.
  const { subject } = socket.getPeerCertificate() as { subject?: { CN?: string } };
  return {
    commonName: subject?.CN ?? '',
    protocol: socket.getProtocol(),
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol,
    reused: socket.isSessionReused()
  };
}
