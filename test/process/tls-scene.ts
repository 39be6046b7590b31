// The real program with services that end TLS, a server behind them, and clients of every kind.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { dialTls, endBallast } from '../fixture/exchange-site.ts';
import { openAuthority } from '../tls/authority.ts';
import { openWorkshop, type Workshop } from '../tls/openssl.ts';

/** Ports by name of service; each line is a service without its port. */
export async function start(
  t: Test,
  certificates: Readonly<Record<string, string>>,
  services: Readonly<Record<string, string>>
): Promise<{ ballast: Ballast; ports: Readonly<Record<string, number>>; yaml: string }> {
  const [admin = 0, ...free] = await freePorts(1 + Object.keys(services).length);
  const ports = Object.fromEntries(Object.keys(services).map((name, n) => [name, free[n] ?? 0]));
  const yaml = `
global: { workers: 1 }
admin: { port: ${admin} }
certificates:
${Object.entries(certificates)
  .map(([name, line]) => `  - { name: ${name}, ${line} }\n`)
  .join('')}
virtualServices:
${Object.entries(services)
  .map(
    ([name, line]) => `  - { name: ${name}, address: 127.0.0.1, port: ${ports[name]}, ${line} }\n`
  )
  .join('')}`;
  const ballast = await startBallast(yaml);
  t.teardown(() => endBallast(ballast));
  return { ballast, ports, yaml };
}

export interface Origin {
  readonly port: number;
  /** Fields of the latest request, as `Name: value` lines. */
  fields(): string;
  /** Further fields of the answers from now on, and their status. */
  answer(status: number, fields: Readonly<Record<string, string>>): void;
}

export async function openOrigin(t: Test): Promise<Origin> {
  let latest = '';
  let next: { status: number; fields: Readonly<Record<string, string>> } = {
    status: 200,
    fields: {}
  };
  const server = createServer((request, response) => {
    const { rawHeaders } = request;
    latest = rawHeaders.map((part, n) => part + (n % 2 === 0 ? ': ' : '\n')).join('');
    response.writeHead(next.status, { 'Content-Length': 0, ...next.fields }).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  return {
    port: (server.address() as AddressInfo).port,
    fields: () => latest,
    answer: (status, fields) => (next = { status, fields })
  };
}

/** The head of the answer to a GET with these further fields. */
export async function ask(
  t: Test,
  port: number,
  tls: ConnectionOptions = {},
  fields = '',
  path = '/'
): Promise<string> {
  const client = await dialTls(t, port, tls);
  client.send(`GET ${path} HTTP/1.1\r\nHost: mail.example.com:${port}\r\n${fields}\r\n`);
  return (await client.message()).head;
}

/** The code of the error that ends a connection before its first answer. */
export async function refusal(port: number, tls: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...tls });
  const ended = new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('data', () => resolve('an answer'));
    socket.on('close', () => resolve('closed'));
  });
  socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  const code = await ended;
  socket.destroy();
  return code;
}

/** The session that a server gave with its answer, or before it hung up. */
export async function ticketOf(port: number, tls: ConnectionOptions): Promise<Buffer | undefined> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...tls });
  let ticket: Buffer | undefined;
  socket.on('session', (session: Buffer) => (ticket = session));
  socket.on('error', () => {}); // a refused client is reset
  socket.on('secureConnect', () => {
    socket.resume().write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  });
  await new Promise((resolve) => socket.on('close', resolve));
  return ticket;
}

export function workshopWith(t: Test): Workshop {
  const workshop = openWorkshop(t);
  openAuthority(workshop);
  return workshop;
}

export async function served(t: Test, port: number, tls: ConnectionOptions): Promise<TLSSocket> {
  const { socket } = await dialTls(t, port, tls);
  return socket as TLSSocket;
}
