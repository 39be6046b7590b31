// Which connections to servers there are, whose they are, and how long they live. NTLM signs in a
// connection: one that reached another client would sign in that client as someone else.

import t, { type Test } from 'tap';
import { answered } from '../fixture/counts.ts';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ntlm = 'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM TlRM\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function scene(
  t: Test,
  options: SiteOptions = {}
): Promise<{ readonly site: Site; readonly origin: PeerServer; readonly client: Peer }> {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], ...options });
  return { site, origin, client: await site.client() };
}

/** One request and its answer. */
async function exchange(client: Peer, server: Peer, request = get, answer = ok): Promise<void> {
  client.send(request);
  await server.until('\r\n\r\n');
  server.send(answer);
  await client.message();
}

/** Answers every request by itself, with the number of the connection and a count on it. */
function answerAll(origin: PeerServer): () => void {
  const served = new Set<Peer>();
  const timer = setInterval(() => {
    for (const [number, peer] of origin.accepted.entries()) {
      if (served.has(peer)) continue;
      served.add(peer);
      void (async () => {
        for (let count = 1; ; count++) {
          await peer.until('\r\n\r\n');
          const body = `connection ${number} request ${count}`;
          peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
      })().catch(() => {});
    }
  }, 1);
  return () => clearInterval(timer);
}

t.test('a server closes the idle connection of a client that used NTLM', async (t) => {
  for (const scheme of ['NTLM', 'Negotiate']) {
    const { site, origin, client } = await scene(t);
    client.send(ntlm.replace('NTLM', scheme) + get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(ok);
    await server.until('\r\n\r\n');
    server.send(ok);
    await client.message();
    await client.message();
    server.socket.end();
    t.equal(await client.ended(), 'end', `${scheme}: the client's goes too`);
    t.equal(await server.ended(), 'end');
    client.socket.end();
    await site.empty();
  }
});

t.test('without NTLM the client stays, and a new connection is made', async (t) => {
  const { origin, client } = await scene(t);
  client.send(get);
  const first = await origin.next();
  await first.until('\r\n\r\n');
  first.send(ok);
  await client.message();
  first.socket.end();
  t.equal(await first.ended(), 'end');
  t.equal(client.ending, undefined);
  client.send(get);
  const second = await origin.next();
  await second.until('\r\n\r\n');
  second.send(ok);
  t.equal((await client.message()).body, 'ok');
});

t.test('with NTLM, a server that closes behind its answer closes the client', async (t) => {
  const answers = [
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    `${ok}surplus`,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nsurplus'
  ];
  for (const answer of answers) {
    const { origin, client } = await scene(t);
    client.send(ntlm + get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(answer);
    t.match((await client.message()).body, 'ok');
    t.equal(await client.rest(), '', 'no surplus, and no answer from a fresh connection');
    t.equal(client.ending, 'end');
    t.equal(origin.accepted.length, 1);
    await server.ended();
  }
});

t.test('bytes that nobody asked for end the connection and reach nobody', async (t) => {
  const { origin, client } = await scene(t);
  client.send(get);
  const first = await origin.next();
  await first.until('\r\n\r\n');
  first.send(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`);
  t.equal((await client.message()).body, 'ok');
  await first.ended();
  client.send(get);
  const second = await origin.next();
  await second.until('\r\n\r\n');
  second.send(ok);
  t.equal((await client.message()).body, 'ok');
  second.send(ok.replace('ok', 'no'));
  await second.ended();
  client.send(get);
  const third = await origin.next();
  await third.until('\r\n\r\n');
  third.send(ok);
  t.equal((await client.message()).body, 'ok', 'late surplus neither');
  t.equal(client.received.length, 0);
});

t.test('many clients: none shares a connection, none has two', async (t) => {
  const { site, origin } = await scene(t);
  t.teardown(answerAll(origin));
  const clients = await Promise.all(Array.from({ length: 20 }, () => site.client()));
  const used = new Set<string>();
  await Promise.all(
    clients.map(async (client, i) => {
      let mine: string | undefined;
      for (let count = 1; count <= 10; count++) {
        client.send(i % 2 === 0 ? ntlm : get);
        const { body } = await client.message();
        const [, connection = '', request] = /^connection (\d+) request (\d+)$/.exec(body) ?? [];
        mine ??= connection;
        if (connection !== mine || request !== `${count}`) t.fail(`client ${i}: ${body}`);
        // Some go in the middle of an exchange; their connections must not be found by others.
        if (i % 5 === 4 && count === 5) {
          client.send(get);
          client.socket.resetAndDestroy();
          break;
        }
      }
      t.notOk(used.has(mine ?? ''), `connection ${mine} is one client's`);
      used.add(mine ?? '');
    })
  );
  t.equal(origin.accepted.length, clients.length);
});

t.test('one connection for the SubVSs that share a server', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, {
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [origin.port] },
      { name: 'EWS', prefix: '/ews', servers: [origin.port] }
    ]
  });
  const client = await site.client();
  client.send(get.replace('/', '/owa'));
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send(ok);
  await client.message();
  await exchange(client, server, get.replace('/', '/ews'));
  t.equal(origin.accepted.length, 1);
  const counts = [...site.plan.realServers.values()].map((one) => [one.active, answered(one.row)]);
  t.same(counts, [
    [1, 1],
    [1, 1]
  ]);
  client.socket.destroy();
  await site.empty();
  t.same(
    [...site.plan.realServers.values()].map((one) => one.active),
    [0, 0]
  );
});

t.test('a client stays on its server from one SubVS to the next', async (t) => {
  const origins = await Promise.all([listenPeer(t), listenPeer(t), listenPeer(t)]);
  const servers = origins.map((origin) => origin.port);
  const site = await openSite(t, {
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers },
      { name: 'EWS', prefix: '/ews', servers: servers.toReversed() }
    ]
  });
  for (const origin of origins) t.teardown(answerAll(origin));
  for (let i = 0; i < 6; i++) {
    const client = await site.client();
    const before = origins.map((origin) => origin.accepted.length);
    for (const path of ['/owa', '/ews', '/owa', '/ews']) {
      client.send(get.replace('/', path));
      await client.message();
    }
    const dialled = origins.map((origin, at) => origin.accepted.length - (before[at] ?? 0));
    t.same(
      dialled.filter((count) => count !== 0),
      [1]
    );
  }
  t.same(
    origins.map((origin) => origin.accepted.length),
    [2, 2, 2],
    'while clients are spread'
  );
});

t.test('a failed dial falls back on the connection that is open already', async (t) => {
  const [a, b] = [await listenPeer(t), await listenPeer(t)];
  const gone = await listenPeer(t);
  gone.stop();
  const site = await openSite(t, {
    subVSs: [
      { name: 'A', prefix: '/a', servers: [a.port] },
      { name: 'B', prefix: '/b', servers: [b.port] },
      { name: 'AorB', prefix: '/c', servers: [gone.port, a.port] }
    ]
  });
  const client = await site.client();
  client.send(get.replace('/', '/a'));
  const onA = await a.next();
  await onA.until('\r\n\r\n');
  onA.send(ok);
  await client.message();
  client.send(get.replace('/', '/b'));
  const onB = await b.next();
  await onB.until('\r\n\r\n');
  onB.send(ok);
  await client.message();
  await exchange(client, onA, get.replace('/', '/c'));
  t.equal(a.accepted.length, 1, 'at most one connection a server');
});

t.test('least connection over many clients', async (t) => {
  const origins = await Promise.all([listenPeer(t), listenPeer(t), listenPeer(t)]);
  for (const origin of origins) t.teardown(answerAll(origin));
  const site = await openSite(t, {
    servers: origins.map((origin) => origin.port),
    service: { schedule: 'lc' }
  });
  const clients = await Promise.all(Array.from({ length: 30 }, () => site.client()));
  for (const client of clients) client.send(get);
  await Promise.all(clients.map((client) => client.message()));
  const active = (): number[] => ['ex1', 'ex2', 'ex3'].map((name) => site.server(name).active);
  t.same(active(), [10, 10, 10], 'also when all come at once');
  const freed = [...site.traffic.sessions].slice(0, 9);
  for (const session of freed) session.destroy();
  t.equal(
    active().reduce((a, b) => a + b),
    21
  );
  const more = await Promise.all(Array.from({ length: 9 }, () => site.client()));
  for (const client of more) {
    client.send(get);
    await client.message();
  }
  t.same(active(), [10, 10, 10], 'the gaps are filled');
});

t.test('the limit of a server', async (t) => {
  const { site, origin } = await scene(t);
  site.reload({ servers: [{ port: origin.port, limit: 2 }] });
  t.teardown(answerAll(origin));
  const clients = await Promise.all([site.client(), site.client(), site.client()]);
  const statuses: string[] = [];
  for (const client of [...clients, ...clients]) {
    client.send(get);
    statuses.push((await client.message()).head.slice(9, 12));
  }
  t.same(statuses, ['200', '200', '503', '200', '200', '503'], 'who is connected goes on');
  clients[0]?.socket.destroy();
  const before = site.traffic.sessions.size;
  while (site.traffic.sessions.size === before) await new Promise((r) => setTimeout(r, 2));
  clients[2]?.send(get);
  t.match((await clients[2]?.message())?.head, '200 OK');
});

t.test('a server that goes down, with and without dropOnFail', async (t) => {
  const { site, origin, client } = await scene(t);
  const other = await listenPeer(t);
  site.reload({ servers: [origin.port, other.port] });
  site.setHealth('ex2', { state: 'down', reason: 'test' });
  client.send(get);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  site.setHealth('ex1', { state: 'down', reason: 'test' });
  site.setHealth('ex2', { state: 'up' });
  server.send(ok);
  t.equal((await client.message()).body, 'ok', 'what is in flight finishes');
  client.send(get);
  const next = await other.next();
  await next.until('\r\n\r\n');
  next.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome');
  await client.until('some');
  site.server('ex2').cutConnections();
  await next.ended();
  t.equal(await client.ended(), 'reset', 'cut: the client can tell that it is not whole');
  t.same([site.server('ex1').active, site.server('ex2').active], [0, 0]);
});

t.test('drain: idle sessions close, what is in flight finishes', async (t) => {
  const { site, origin, client: busy } = await scene(t);
  const [fresh, idle] = await Promise.all([site.client(), site.client()]);
  const half = await site.client();
  idle.send(get);
  const idleServer = await origin.next();
  await idleServer.until('\r\n\r\n');
  idleServer.send(ok);
  await idle.message();
  busy.send(get);
  const busyServer = await origin.next();
  await busyServer.until('\r\n\r\n');
  half.send(get.slice(0, 20));
  const { heads } = site.session();
  while (!heads.inProgress) await new Promise((r) => setTimeout(r, 2));
  // As the worker does it: the listener takes its service away first.
  site.traffic.draining = true;
  site.entrance.virtualService = undefined;
  for (const session of site.traffic.sessions) session.drain();
  t.equal(await fresh.rest(), '');
  t.equal(await idle.rest(), '');
  t.equal(idle.ending, 'end');
  t.equal(await idleServer.ended(), 'end');
  half.send(get.slice(20));
  const refused = await half.rest();
  t.match(refused, /^HTTP\/1.1 503 /, 'a request that comes now gets an answer');
  t.match(refused, /^Connection: close\r$/m);
  t.equal(busy.ending, undefined);
  busyServer.send(ok);
  const { head, body } = await busy.message();
  t.match(head, /^Connection: close\r$/m);
  t.equal(body, 'ok');
  t.equal(await busy.ended(), 'end');
  for (const client of [busy, fresh, idle, half]) client.socket.end();
  await site.empty();
});

t.test('a reload: sessions take the new settings, or end with their service', async (t) => {
  const { site, origin, client } = await scene(t);
  const other = await listenPeer(t);
  client.send(get);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  site.reload({ servers: [other.port] });
  server.send(ok);
  t.equal((await client.message()).body, 'ok', 'what is in flight finishes on the old plan');
  client.send(get);
  const next = await other.next();
  await next.until('\r\n\r\n');
  site.reload(undefined);
  next.send(ok);
  t.match((await client.message()).head, /^Connection: close\r$/m);
  t.equal(await client.ended(), 'end');
});

t.test('a server that is disabled keeps the clients that signed in by NTLM', async (t) => {
  const { site, origin, client: alice } = await scene(t);
  const other = await listenPeer(t);
  alice.send(ntlm);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send(ok);
  await alice.message();
  const bob = await site.client();
  bob.send(get);
  const second = await origin.next();
  await second.until('\r\n\r\n');
  second.send(ok);
  await bob.message();
  site.reload({ servers: [{ port: origin.port, enable: false }, other.port] });
  await exchange(alice, server);
  bob.send(get);
  t.equal(await (await other.next()).until('\r\n\r\n'), get);
});

t.test('where connections to servers come from', async (t) => {
  const origin = await listenPeer(t);
  const from = async (
    service: NonNullable<SiteOptions['service']>
  ): Promise<string | undefined> => {
    const site = await openSite(t, { servers: [origin.port], service });
    const client = await site.client();
    client.send(get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    return server.socket.remoteAddress;
  };
  t.equal(await from({ subnetOriginating: true, address: '127.0.0.9' }), '127.0.0.1');
  t.equal(await from({ subnetOriginating: false, address: '127.0.0.9' }), '127.0.0.9');
  t.equal(await from({ subnetOriginating: false, address: '0.0.0.0' }), '127.0.0.1');
  t.equal(await from({ subnetOriginating: false, address: '2001:db8::1' }), '127.0.0.1');
});
