// Where everything of the lab listens. The ports lie below the ephemeral range: a dial to a dead
// server there could be given the very port it dials, and would then talk to itself.

import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { MailProtocol } from './mail-connection.ts';
import type { MailPortName } from './mail.ts';

export interface LabPlaces {
  /** Of EX01 and EX02: two addresses, so that both have the same ports, as real servers do. */
  readonly serverAddresses: readonly [string, string];
  readonly serverHttp: number;
  readonly serverHttps: number;
  readonly offloaded: number;
  readonly offloadedRedirect: number;
  readonly reencrypted: number;
  readonly reencryptedRedirect: number;
  /** With pre-authentication. */
  readonly guarded: number;
  readonly guardedRedirect: number;
  readonly directory: number;
  readonly admin: number;
  readonly serverMail: Readonly<Record<MailPortName, number>>;
  readonly mail: Readonly<Record<MailProtocol, MailServicePorts>>;
}

/** Of Ballast: TLS by STARTTLS, from the first byte on, and of the servers themselves. */
export interface MailServicePorts {
  readonly startTls: number;
  readonly offloaded: number;
  readonly passedThrough: number;
}

const first = '127.0.0.1';
const triesMax = 200;

export async function findPlaces(): Promise<LabPlaces> {
  const held: Server[] = [];
  try {
    const second = await secondAddress();
    const pair = [first, second];
    return {
      serverAddresses: [first, second],
      serverHttp: await freePort(7080, pair, held),
      serverHttps: await freePort(7443, pair, held),
      offloadedRedirect: await freePort(8080, [first], held),
      offloaded: await freePort(8443, [first], held),
      reencryptedRedirect: await freePort(9080, [first], held),
      reencrypted: await freePort(9443, [first], held),
      guardedRedirect: await freePort(10080, [first], held),
      guarded: await freePort(10443, [first], held),
      directory: await freePort(7389, [first], held),
      admin: await freePort(8444, [first], held),
      serverMail: {
        imap: await freePort(7143, pair, held),
        imaps: await freePort(7993, pair, held),
        pop3: await freePort(7110, pair, held),
        pop3s: await freePort(7995, pair, held),
        smtp: await freePort(7025, pair, held),
        smtps: await freePort(7465, pair, held)
      },
      mail: {
        imap: await mailPorts(8143, 8993, 9993, held),
        pop3: await mailPorts(8110, 8995, 9995, held),
        smtp: await mailPorts(8025, 8465, 9465, held)
      }
    };
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

async function mailPorts(
  startTls: number,
  offloaded: number,
  passedThrough: number,
  held: Server[]
): Promise<MailServicePorts> {
  return {
    startTls: await freePort(startTls, [first], held),
    offloaded: await freePort(offloaded, [first], held),
    passedThrough: await freePort(passedThrough, [first], held)
  };
}

/** Linux and Windows own all of 127/8; elsewhere the IPv6 loopback serves. */
async function secondAddress(): Promise<string> {
  const server = await hold(0, '127.0.0.2');
  if (server === undefined) return '::1';
  server.close();
  await once(server, 'close');
  return '127.0.0.2';
}

/** The first port from `from` on that is free on all these addresses; it stays held. */
async function freePort(from: number, addresses: string[], held: Server[]): Promise<number> {
  for (let port = from; port < from + triesMax; port += 1) {
    const servers = await Promise.all(addresses.map((address) => hold(port, address)));
    const had = servers.filter((server) => server !== undefined);
    held.push(...had);
    if (had.length === addresses.length) return port;
  }
  throw new Error(`no free port from ${from} to ${from + triesMax - 1} on ${addresses.join(', ')}`);
}

async function hold(port: number, address: string): Promise<Server | undefined> {
  const server = createServer();
  try {
    server.listen(port, address);
    await once(server, 'listening');
    return server;
  } catch {
    return undefined;
  }
}
