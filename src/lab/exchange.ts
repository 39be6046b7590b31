// A stand-in for one Exchange server: it speaks as the client access services of a real one do,
// with their oddities, and tells what reached it. node:http cannot play this part, it refuses
// RPC_IN_DATA.

import { EventEmitter } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { serveConnection, type Host, type RecordedRequest } from './connection.ts';
import { directoryOf, type DirectoryName } from './directories.ts';
import { listen, openSockets, stop, type Place } from './listeners.ts';
import { startMail, type Mail, type MailPlaces } from './mail.ts';
import { owaDefaults, type OwaSettings } from './owa-forms.ts';
import { defaultUsers, findUser, type LabUser } from './sign-in.ts';
import { exchangePace, type Pace } from './visit.ts';

export type { RecordedRequest };

export interface ExchangeOptions {
  /** Fully qualified; the health page and X-FEServer tell it. */
  readonly name: string;
  readonly http?: Place;
  readonly https?: Place & { readonly key: string; readonly cert: string };
  readonly mail?: MailPlaces;
  readonly users?: readonly LabUser[];
  /** False lets everyone in without a name. */
  readonly authenticate?: boolean;
  readonly owa?: Partial<OwaSettings>;
  readonly pace?: Partial<Pace>;
  /** Records kept, the oldest go first. */
  readonly recordsMax?: number;
}

export interface Exchange {
  readonly name: string;
  /** 0 where that kind of listener was not asked for. */
  readonly ports: { readonly http: number; readonly https: number };
  /** Undefined where no mail was asked for. */
  readonly mail: Mail | undefined;
  readonly records: readonly RecordedRequest[];
  /** `request` when a head was read, `end` when answer and body are over, well or not. */
  readonly events: EventEmitter<{
    request: [RecordedRequest];
    end: [RecordedRequest];
    /** Somebody changed his password here. */
    password: [user: string, password: string];
  }>;
  /** Connections accepted so far, and those open now. */
  readonly connections: { readonly accepted: number; readonly open: number };
  /** As Set-ServerComponentState: an inactive one's health page closes or answers 503. */
  setComponent(directory: string, active: boolean, how?: 'close' | '503'): void;
  /** Somebody changed his password elsewhere. */
  setPassword(user: string, password: string): void;
  /** Stops listening and closes every connection. */
  close(): Promise<void>;
  /** As a power cut would look: no listener, every connection reset. */
  kill(): Promise<void>;
}

export async function startExchange(options: ExchangeOptions): Promise<Exchange> {
  const records: RecordedRequest[] = [];
  const events: Exchange['events'] = new EventEmitter();
  const inactive = new Map<DirectoryName, 'close' | '503'>();
  const connections = { accepted: 0, open: 0 };
  let users = options.users ?? defaultUsers;
  const setPassword = (name: string, password: string): void => {
    const user = findUser(name, users);
    users = users.map((one) => (one === user ? { ...one, password, expired: false } : one));
  };
  const host: Host = {
    name: options.name,
    get users() {
      return users;
    },
    authenticate: options.authenticate ?? true,
    owa: { ...owaDefaults, ...options.owa },
    pace: { ...exchangePace, ...options.pace },
    inactive,
    onRequest: (record) => {
      records.push(record);
      if (records.length > (options.recordsMax ?? 1000)) records.shift();
      events.emit('request', record);
    },
    onEnd: (record) => events.emit('end', record),
    changePassword: ({ name }, password) => {
      setPassword(name, password);
      events.emit('password', name, password);
    }
  };
  const serve = (secure: boolean) => (socket: Socket) => {
    connections.accepted += 1;
    connections.open += 1;
    // Errors are seen as a close; a client that resets is nothing unusual.
    socket.on('error', () => {});
    socket.on('close', () => (connections.open -= 1));
    socket.setNoDelay(true);
    void serveConnection(host, socket, connections.accepted, secure);
  };
  const { http, https } = createServers(options, serve);
  const servers = [http, https].filter((server) => server !== undefined);
  const sockets = openSockets(servers);
  const ports = {
    http: http ? await listen(http, options.http) : 0,
    https: https ? await listen(https, options.https) : 0
  };
  const mail = options.mail && (await startMail({ ...options.mail, name: options.name, users }));
  return {
    name: options.name,
    ports,
    mail,
    records,
    events,
    connections,
    setComponent: (directory, active, how = 'close') => {
      const name = directoryOf(`/${directory.replace(/^\//, '')}`);
      if (name === undefined) throw new Error(`there is no virtual directory "${directory}"`);
      if (active) inactive.delete(name);
      else inactive.set(name, how);
    },
    setPassword,
    close: async () => {
      await Promise.all([stop(servers, sockets, (socket) => socket.destroy()), mail?.close()]);
    },
    kill: async () => {
      const reset = stop(servers, sockets, (socket) => socket.resetAndDestroy());
      await Promise.all([reset, mail?.kill()]);
    }
  };
}

function createServers(
  { http, https }: ExchangeOptions,
  serve: (secure: boolean) => (socket: Socket) => void
): { readonly http: Server | undefined; readonly https: Server | undefined } {
  const tls = https && { key: https.key, cert: https.cert, ALPNProtocols: ['http/1.1'] };
  return {
    http: http && createServer({ allowHalfOpen: true }, serve(false)),
    https: tls && createTlsServer({ ...tls, allowHalfOpen: true }, serve(true))
  };
}
