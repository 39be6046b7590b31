// A stand-in for one Exchange server: it speaks as the client access services of a real one do,
// with their oddities, and tells what reached it. node:http cannot play this part, it refuses
// RPC_IN_DATA.

import { EventEmitter } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { serveConnection, type Host, type RecordedRequest } from './connection.ts';
import { directoryOf, type DirectoryName } from './directories.ts';
import { listen, openSockets, stop, type Place } from './listeners.ts';
import { startMail, type Mail, type MailPlaces } from './mail.ts';
import { defaultUsers, type LabUser } from './sign-in.ts';
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
  readonly events: EventEmitter<{ request: [RecordedRequest]; end: [RecordedRequest] }>;
  /** Connections accepted so far, and those open now. */
  readonly connections: { readonly accepted: number; readonly open: number };
  /** As Set-ServerComponentState: an inactive one's health page closes or answers 503. */
  setComponent(directory: string, active: boolean, how?: 'close' | '503'): void;
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
  const users = options.users ?? defaultUsers;
  const host: Host = {
    name: options.name,
    users,
    authenticate: options.authenticate ?? true,
    pace: { ...exchangePace, ...options.pace },
    inactive,
    onRequest: (record) => {
      records.push(record);
      if (records.length > (options.recordsMax ?? 1000)) records.shift();
      events.emit('request', record);
    },
    onEnd: (record) => events.emit('end', record)
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
  const http = options.http && createServer({ allowHalfOpen: true }, serve(false));
  const https =
    options.https &&
    createTlsServer(
      {
        key: options.https.key,
        cert: options.https.cert,
        allowHalfOpen: true,
        ALPNProtocols: ['http/1.1']
      },
      serve(true)
    );
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
    close: async () => {
      await Promise.all([stop(servers, sockets, (socket) => socket.destroy()), mail?.close()]);
    },
    kill: async () => {
      const reset = stop(servers, sockets, (socket) => socket.resetAndDestroy());
      await Promise.all([reset, mail?.kill()]);
    }
  };
}
