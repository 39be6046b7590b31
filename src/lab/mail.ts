// The mail services of one stand-in: IMAP, POP3 and SMTP in clear with STARTTLS, and with TLS from
// the first byte on, before one store of messages.

import { EventEmitter } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTlsServer } from 'node:tls';
import { BrokenRequest } from './byte-source.ts';
import { serveImap } from './imap.ts';
import { listen, openSockets, stop, type Place } from './listeners.ts';
import {
  MailConnection,
  Violation,
  type MailProtocol,
  type MailSession
} from './mail-connection.ts';
import { MailStore } from './mailbox.ts';
import { servePop3 } from './pop3.ts';
import type { LabUser } from './sign-in.ts';
import { serveSmtp } from './smtp.ts';

export type { MailSession };

/** Ports of these names are listened on. */
export interface MailPlaces {
  readonly imap?: Place;
  readonly imaps?: Place;
  readonly pop3?: Place;
  readonly pop3s?: Place;
  readonly smtp?: Place;
  readonly smtps?: Place;
  /** For the ports of TLS, and STARTTLS is offered in the others. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Time between two messages that come while somebody waits for them; 0 = none. */
  readonly newsPeriodMs?: number;
}

export interface MailOptions extends MailPlaces {
  /** Fully qualified; greetings tell it, and its domain is the one that mail is taken for. */
  readonly name: string;
  readonly users: readonly LabUser[];
}

/** Mail that came by SMTP. */
export interface Delivery {
  readonly user: LabUser;
  readonly bytes: Buffer;
}

export interface MailHost {
  readonly name: string;
  /** `EX01` */
  readonly shortName: string;
  readonly domain: string;
  readonly users: readonly LabUser[];
  readonly store: MailStore;
  readonly inactive: ReadonlySet<MailProtocol>;
  readonly onDelivery: (delivery: Delivery) => void;
}

export interface Mail {
  /** 0 where that kind of listener was not asked for. */
  readonly ports: Readonly<Record<MailPortName, number>>;
  readonly store: MailStore;
  readonly sessions: readonly MailSession[];
  readonly connections: { readonly accepted: number; readonly open: number };
  readonly events: EventEmitter<{ delivery: [Delivery]; end: [MailSession] }>;
  /** As in maintenance: a refusal in place of a greeting. */
  setService(protocol: MailProtocol, active: boolean): void;
  close(): Promise<void>;
  /** As a power cut would look. */
  kill(): Promise<void>;
}

const services = { imap: serveImap, pop3: servePop3, smtp: serveSmtp };
const farewells = { imap: '* BYE', pop3: '-ERR', smtp: '500 5.5.2' };
const portNames = ['imap', 'imaps', 'pop3', 'pop3s', 'smtp', 'smtps'] as const;
export type MailPortName = (typeof portNames)[number];

const sessionsMax = 1000;

export async function startMail(options: MailOptions): Promise<Mail> {
  const [shortName = '', ...domain] = options.name.split('.');
  const store = new MailStore(options.name, options.users, options.newsPeriodMs ?? 0);
  const events: Mail['events'] = new EventEmitter();
  const inactive = new Set<MailProtocol>();
  const sessions: MailSession[] = [];
  const connections = { accepted: 0, open: 0 };
  const context = options.tls && createSecureContext(options.tls);
  const host: MailHost = {
    name: options.name,
    shortName: shortName.toUpperCase(),
    domain: domain.join('.'),
    users: options.users,
    store,
    inactive,
    onDelivery: (delivery) => events.emit('delivery', delivery)
  };
  const serve = (protocol: MailProtocol) => (socket: Socket) => {
    connections.accepted += 1;
    connections.open += 1;
    socket.on('error', () => {});
    socket.setNoDelay(true);
    const session = new MailConnection(protocol, connections.accepted, socket, context);
    sessions.push(session.record);
    if (sessions.length > sessionsMax) sessions.shift();
    socket.on('close', () => {
      connections.open -= 1;
      events.emit('end', session.record);
    });
    void serveSession(host, session);
  };
  const asked = portNames.filter((name) => options[name] !== undefined);
  const servers = asked.map((name) => createListener(name, options.tls, serve));
  const sockets = openSockets(servers);
  const ports = { imap: 0, imaps: 0, pop3: 0, pop3s: 0, smtp: 0, smtps: 0 };
  for (const [at, server] of servers.entries()) {
    const name = asked[at] ?? 'imap';
    ports[name] = await listen(server, options[name]);
  }
  return {
    ports,
    store,
    sessions,
    connections,
    events,
    setService: (protocol, active) => {
      if (active) inactive.delete(protocol);
      else inactive.add(protocol);
    },
    close: () => stop(servers, sockets, (socket) => socket.destroy()),
    kill: () => stop(servers, sockets, (socket) => socket.resetAndDestroy())
  };
}

function createListener(
  name: MailPortName,
  tls: MailPlaces['tls'],
  serve: (protocol: MailProtocol) => (socket: Socket) => void
): Server {
  const allowHalfOpen = true;
  if (name === 'imap' || name === 'pop3' || name === 'smtp') {
    return createServer({ allowHalfOpen }, serve(name));
  }
  if (tls === undefined) throw new Error(`${name} needs a certificate`);
  const protocol = name === 'imaps' ? 'imap' : name === 'pop3s' ? 'pop3' : 'smtp';
  return createTlsServer({ ...tls, allowHalfOpen }, serve(protocol));
}

async function serveSession(host: MailHost, session: MailConnection): Promise<void> {
  try {
    await services[session.protocol](host, session);
  } catch (error) {
    const broken = error instanceof Violation || error instanceof BrokenRequest;
    // A client may leave at any moment; anything else is a fault of the stand-in.
    if (!broken && !session.socket.destroyed) throw error;
    if (error instanceof BrokenRequest) session.note(error.message);
    if (broken) session.socket.write(`${farewells[session.protocol]} ${error.message}\r\n`);
  } finally {
    session.socket.end();
    session.socket.resume();
  }
}
