// Sessions with real servers: resumed where nothing changed, and nowhere else.

import { once } from 'node:events';
import { connect, type TlsOptions, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { buildClientTls, type ClientTls, type ReencryptTls } from '../../src/tls/contexts.ts';
import { ServerSessions } from '../../src/tls/server-sessions.ts';
import { certificate, listenAs } from './handshake.ts';

const mail = await certificate('mail', ['mail.example.com', '127.0.0.1']);
const pem = { cert: mail.chainPem, key: mail.keyPem };
const blind: ReencryptTls = {
  serverName: undefined,
  passServerName: false,
  verify: false,
  caPem: undefined
};
const verified: ReencryptTls = {
  ...blind,
  serverName: 'mail.example.com',
  verify: true,
  caPem: mail.chainPem
};

interface Way {
  readonly port: number;
  readonly hostName?: string;
  readonly clientName?: string;
}

/** Connects, waits until the server ended, and tells whether a session was resumed, or the error. */
async function visit(tls: ClientTls, way: Way): Promise<boolean | string> {
  const { port, hostName, clientName } = way;
  const options = tls.optionsFor({ address: '127.0.0.1', port, hostName }, clientName);
  const socket = connect({ ...options, host: '127.0.0.1', port });
  options.watch(socket);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  try {
    await once(socket, 'secureConnect');
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  const reused = socket.isSessionReused();
  socket.resume(); // what the server says brings the tickets of TLS 1.3
  await closed;
  return reused;
}

async function times(count: number, visitOnce: () => Promise<boolean | string>): Promise<unknown> {
  const all = [];
  while (all.length < count) all.push(await visitOnce());
  return all;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const options: TlsOptions = { ...pem, minVersion: version, maxVersion: version };

  t.test(`the next connection is resumed, and those behind it, ${version}`, async (t) => {
    const port = await listenAs(t, options);
    for (const settings of [blind, verified]) {
      const tls = buildClientTls(settings);
      t.same(await times(5, () => visit(tls, { port })), [false, true, true, true, true]);
    }
  });

  t.test(`a server that knows its sessions no more, ${version}`, async (t) => {
    let tickets = Buffer.alloc(48, 1);
    const fresh = async (t: Test): Promise<number> =>
      listenAs(t, { ...options, ticketKeys: tickets });
    const tls = buildClientTls(blind);
    const first = await fresh(t);
    t.same(await times(2, () => visit(tls, { port: first })), [false, true]);
    tickets = Buffer.alloc(48, 2);
    const second = await fresh(t);
    // The same server for all that the key says.
    const elsewhere: ClientTls = {
      ...tls,
      optionsFor: () =>
        tls.optionsFor({ address: '127.0.0.1', port: first, hostName: undefined }, undefined)
    };
    t.same(await times(3, () => visit(elsewhere, { port: second })), [false, true, true]);
  });
}

t.test('what differs is not resumed', async (t) => {
  const port = await listenAs(t, pem);
  const other = await listenAs(t, pem);
  const before = buildClientTls(blind);
  t.equal(await visit(before, { port }), false);
  t.equal(await visit(buildClientTls(verified), { port }), false, 'other settings');
  t.equal(await visit(buildClientTls(blind), { port }), false, 'a reload');
  t.equal(await visit(before, { port: other }), false, 'another server');
  t.equal(await visit(before, { port }), true);

  const passing = buildClientTls({ ...blind, passServerName: true });
  t.equal(await visit(passing, { port, clientName: 'a.test' }), false);
  t.equal(await visit(passing, { port, clientName: 'b.test' }), false, "another client's name");
  t.equal(await visit(passing, { port, clientName: 'a.test' }), true);

  const byHost = buildClientTls({ ...verified, serverName: undefined });
  t.equal(await visit(byHost, { port, hostName: 'mail.example.com' }), false);
  t.equal(
    await visit(byHost, { port, hostName: 'other.example.com' }),
    'ERR_TLS_CERT_ALTNAME_INVALID'
  );
  t.equal(await visit(byHost, { port, hostName: 'mail.example.com' }), true);
});

t.test('of a server that was not verified nothing is kept', async (t) => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const port = await listenAs(t, { ...pem, maxVersion });
    const tls = buildClientTls({ ...verified, serverName: 'wrong.example.com' });
    const wrong = (): Promise<boolean | string> => visit(tls, { port });
    t.same(await times(2, wrong), ['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_TLS_CERT_ALTNAME_INVALID']);
    const peer = { address: '127.0.0.1', port, hostName: undefined };
    t.equal(tls.optionsFor(peer, undefined).session, undefined);
  }
});

/** A connection as far as sessions go. */
class FakeSocket {
  readonly reused: boolean;
  #on = new Map<string, (session?: Buffer) => void>();
  constructor(reused: boolean) {
    this.reused = reused;
  }
  isSessionReused(): boolean {
    return this.reused;
  }
  on(event: string, listener: (session?: Buffer) => void): void {
    this.#on.set(event, listener);
  }
  once(event: string, listener: () => void): void {
    this.#on.set(event, listener);
  }
  connected(...sessions: string[]): void {
    this.#on.get('secureConnect')?.();
    for (const session of sessions) this.#on.get('session')?.(Buffer.from(session));
  }
}

/** The session that was offered, '' for none; the server takes it and gives `gives`. */
function connected(sessions: ServerSessions, key: string, ...gives: string[]): string {
  const { session, watch } = sessions.resume(key);
  const socket = new FakeSocket(session !== undefined);
  watch(socket as unknown as TLSSocket);
  socket.connected(...gives);
  return session?.toString() ?? '';
}

t.test('each ticket once where there are several', (t) => {
  const sessions = new ServerSessions();
  t.equal(connected(sessions, 'a', 'one', 'two', 'three'), '');
  t.same(
    [1, 2, 3, 4].map(() => connected(sessions, 'a')),
    ['three', 'two', 'one', 'one']
  );
  t.end();
});

t.test('one that is in use is offered to nobody else until the server took it', (t) => {
  const sessions = new ServerSessions();
  connected(sessions, 'a', 'one');
  sessions.resume('a'); // and it failed
  t.equal(connected(sessions, 'a'), '');
  t.end();
});

t.test('the certificate is looked at again after an hour, however often', (t) => {
  let nowMs = 0;
  const sessions = new ServerSessions(() => nowMs);
  connected(sessions, 'a', 'first');
  nowMs = 3_000_000;
  t.equal(connected(sessions, 'a', 'second', 'third'), 'first');
  nowMs = 3_599_999;
  t.equal(connected(sessions, 'a'), 'third');
  nowMs = 3_600_000;
  t.equal(connected(sessions, 'a', 'fresh'), '');
  t.equal(connected(sessions, 'a'), 'fresh');
  t.end();
});

t.test('no more than so many', (t) => {
  const sessions = new ServerSessions();
  for (let n = 0; n < 300; n++) connected(sessions, String(n), 'it');
  t.equal(sessions.resume('0').session, undefined);
  t.equal(sessions.resume('299').session?.toString(), 'it');
  connected(sessions, 'a', ...Array.from({ length: 12 }, (_, n) => String(n)));
  const offered = Array.from({ length: 8 }, () => connected(sessions, 'a'));
  t.same(offered, ['11', '10', '9', '8', '7', '6', '5', '4']);
  t.equal(connected(sessions, 'a'), '4', 'the last one stays');
  t.end();
});
