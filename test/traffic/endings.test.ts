// How connections end before their time: clients that go, peers that fall silent.

import t, { type Test } from 'tap';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

interface Scene {
  readonly site: Site;
  readonly origin: PeerServer;
  readonly client: Peer;
  readonly server: Peer;
}

/** Lets sockets do what they can. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** A request that the server has. */
async function scene(t: Test, request = get, options: SiteOptions = {}): Promise<Scene> {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], ...options });
  const client = await site.client();
  client.send(request);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  return { site, origin, client, server };
}

t.test('a client that aborts takes its server connection along at once', async (t) => {
  const cases: readonly [name: string, request: string, answer: string][] = [
    ['waiting for an answer', get, ''],
    ['in the answer', get, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome'],
    ['in the request', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome', ''],
    ['between requests', get, ok]
  ];
  for (const [name, request, answer] of cases) {
    const { site, client, server } = await scene(t, request);
    if (answer !== '') {
      server.send(answer);
      await client.until(answer.slice(-2));
    }
    client.socket.resetAndDestroy();
    await server.ended();
    await site.empty();
    t.equal(site.server('ex1').active, 0, name);
    const closed = name === 'between requests' ? undefined : 'client-closed';
    t.match(site.lines, [{ closed, server: 'ex1' }], name);
  }
});

t.test('a client that ends in its request', async (t) => {
  const { site, client, server } = await scene(
    t,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome'
  );
  client.socket.end();
  t.equal(await client.rest(), '');
  await server.ended();
  await site.empty();
});

t.test('a client that closed its side gets its answer', async (t) => {
  const { site, client, server } = await scene(t);
  client.socket.end();
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nso');
  await client.until('so');
  server.send('me');
  t.equal(await client.rest(), 'me');
  t.equal(client.ending, 'end');
  await server.ended();
  await site.empty();
});

t.test('a client that closed its side gets all its answers', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port] });
  const client = await site.client();
  client.send(get + get);
  client.socket.end(get);
  const server = await origin.next();
  for (let i = 0; i < 3; i++) {
    await server.until('\r\n\r\n');
    server.send(ok);
    t.equal((await client.message()).body, 'ok', `answer ${i}`);
  }
  t.equal(await client.rest(), '');
  t.equal(client.ending, 'end');
  await site.empty();
});

t.test('a slow client that closed its side gets the last byte too', async (t) => {
  const { site, client, server } = await scene(t);
  const session = site.session();
  client.socket.pause();
  client.socket.end();
  while (session.client.isOpen) await turn();
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
  let count = 0;
  // Until the system takes no more, and bytes wait in Ballast.
  for (; session.client.socket.writableLength === 0; count++) {
    const before = session.exchange?.bytesToClient ?? 0;
    server.send(chunk);
    while ((session.exchange?.bytesToClient ?? 0) < before + chunk.length) await turn();
  }
  server.send('0\r\n\r\n');
  while (session.exchange !== undefined) await turn();
  client.socket.resume();
  await client.until('\r\n\r\n');
  for (let i = 0; i < count; i++) t.equal((await client.take(chunk.length)).toString(), chunk);
  t.equal(await client.rest(), '0\r\n\r\n');
  t.equal(client.ending, 'end');
  await site.empty();
});

t.test('a client that closed its side does not wait for ever', async (t) => {
  const { site, client, server } = await scene(t, get, { service: { idleTimeMs: 3_600_000 } });
  client.socket.end();
  while (site.session().client.isOpen) await turn();
  site.sweepAfter(50_000);
  t.equal(server.ending, undefined);
  site.sweepAfter(70_000);
  await server.ended();
  await client.ended();
  await site.empty();
  t.match(site.lines, [{ status: 0, closed: 'client-closed' }]);
});

const idle = { service: { idleTimeMs: 5_000 } };

t.test('silence: the server owes an answer', async (t) => {
  const { site, client, server } = await scene(t, get, idle);
  site.sweepAfter(4_000);
  t.equal(client.ending, undefined);
  site.sweepAfter(6_000);
  const { head } = await client.message();
  t.match(head, /^HTTP\/1.1 504 Gateway Timeout\r\n/);
  t.match(head, /^Connection: close\r$/m);
  await server.ended();
  t.match(site.lines, [{ status: 504, closed: 'server-timeout' }]);
});

t.test('silence: the server keeps back 100, or takes no more of the body', async (t) => {
  const expects = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';
  const one = await scene(t, expects, { ...idle, global: { expect100: 'require' } });
  one.site.sweepAfter(6_000);
  t.match((await one.client.message()).head, /^HTTP\/1.1 504 /);

  const two = await scene(
    t,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n',
    idle
  );
  two.server.socket.pause();
  two.client.send(Buffer.alloc(20_000_000));
  const { client } = two.site.session();
  while (!client.socket.isPaused()) await turn();
  two.site.sweepAfter(6_000);
  t.match((await two.client.message()).head, /^HTTP\/1.1 504 /);
});

/** An answer to a client who reads nothing: the first bytes that find no room wait in Ballast. */
async function unread(t: Test, head: string): Promise<Scene & { readonly unsentMs: number }> {
  const it = await scene(t, get, idle);
  it.client.socket.pause();
  it.server.send(head);
  const piece = Buffer.alloc(10_000);
  const { client, exchange } = it.site.session();
  if (exchange === undefined) throw new Error('no exchange');
  while (client.socket.writableLength === 0) {
    const passed = exchange.bytesToClient + piece.length;
    it.server.send(piece);
    while (exchange.bytesToClient < passed) await turn();
  }
  return { ...it, unsentMs: client.unsentTimeMs };
}

t.test('a slow reader in an answer is given time by what he has not got yet', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n';
  const { site, client, unsentMs } = await unread(t, head);
  site.sweepAfter(5_000 + unsentMs - 1_000);
  t.equal(site.traffic.sessions.size, 1);
  site.sweepAfter(6_000 + unsentMs);
  client.socket.resume();
  t.equal(await client.ended(), 'reset');
});

t.test(
  'a slow reader of the last bytes is given time, and a cut does not look complete',
  async (t) => {
    const { site, client, server, unsentMs } = await unread(t, 'HTTP/1.1 200 OK\r\n\r\n');
    server.socket.end();
    const session = site.session();
    while (session.state !== 'lingering') await turn();
    site.sweepAfter(0); // notes what is unsent
    site.sweepAfter(30_000 + unsentMs - 1_000);
    t.equal(site.traffic.sessions.size, 1);
    site.sweepAfter(31_000 + unsentMs);
    client.socket.resume();
    t.equal(await client.ended(), 'reset');
    await site.empty();
  }
);

t.test('what the end of the drain time cuts does not look complete', async (t) => {
  const { site, client, server } = await scene(t);
  server.send('HTTP/1.1 200 OK\r\n\r\nsome');
  await client.until('some');
  site.session().destroy();
  t.equal(await client.ended(), 'reset');
  const early = await scene(t);
  early.site.session().destroy();
  t.match((await early.client.message()).head, /^HTTP\/1.1 503 /);
  for (const { lines } of [site, early.site]) t.match(lines, [{ closed: 'draining' }]);
});

t.test('silence: the client owes the rest of its request', async (t) => {
  const { site, client, server } = await scene(
    t,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nsome',
    idle
  );
  site.sweepAfter(6_000);
  t.match((await client.message()).head, /^HTTP\/1.1 408 Request Timeout\r\n/);
  await server.ended();
  t.match(site.lines, [{ closed: 'request-timeout' }]);
});

t.test('silence in an answer: cut', async (t) => {
  const { site, client, server } = await scene(t, get, idle);
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome');
  await client.until('some');
  site.sweepAfter(6_000);
  t.equal(await client.ended(), 'reset');
  await server.ended();
  t.match(site.lines, [{ status: 200, closed: 'server-timeout' }]);
});

t.test('the idle time of the SubVS counts', async (t) => {
  const { site, client } = await scene(t, get, {
    service: { idleTimeMs: 5_000 },
    subVSs: []
  });
  t.ok(site.session().exchange);
  const origin = await listenPeer(t);
  const settings = { idleTimeMs: 100_000 };
  site.reload({
    ...idle,
    subVSs: [{ name: 'Sync', servers: [origin.port], settings }]
  });
  const second = await site.client();
  second.send(get);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  site.sweepAfter(90_000);
  t.match((await client.message()).head, / 504 /);
  server.send(ok);
  t.equal((await second.message()).body, 'ok');
});

t.test('silence between requests, and before the first', async (t) => {
  const { site, client, server } = await scene(t, get, idle);
  server.send(ok);
  await client.message();
  site.sweepAfter(4_000);
  t.equal(client.ending, undefined);
  site.sweepAfter(6_000);
  t.equal(await client.rest(), '', 'no answer that could be taken for that of a next request');
  t.equal(client.ending, 'end');
  await server.ended();
  const patient = await openSite(t, { service: { idleTimeMs: 3_600_000 } });
  const fresh = await patient.client();
  while (patient.traffic.sessions.size === 0) await turn();
  patient.sweepAfter(50_000);
  t.equal(fresh.ending, undefined);
  patient.sweepAfter(61_000);
  t.equal(await fresh.rest(), '');
});

t.test('slow loris: a head must be complete in time, whatever drips in', async (t) => {
  const site = await openSite(t, { servers: [1] });
  const client = await site.client();
  client.send('GET / HTTP/1.1\r\n');
  const { heads } = site.session();
  while (!heads.inProgress) await turn();
  client.send('Host: a\r\nX: ');
  site.sweepAfter(29_000);
  client.send('y');
  t.equal(client.ending, undefined);
  site.sweepAfter(31_000);
  const { head } = await client.message();
  t.match(head, /^HTTP\/1.1 408 Request Timeout\r\n/);
  t.match(head, /^Connection: close\r$/m);
  t.equal(await client.rest(), '');
  t.match(site.lines, [{ status: 408, closed: 'request-timeout' }]);
});

t.test('a client that does not close after our end is cut', async (t) => {
  const { site, client, server } = await scene(t);
  server.send('HTTP/1.0 200 OK\r\n\r\nok');
  server.socket.end();
  await client.until('ok');
  t.equal(await client.ended(), 'end');
  site.sweepAfter(1_000);
  t.equal(site.traffic.sessions.size, 1);
  site.sweepAfter(3_000);
  await site.empty();
});
