// A truncated answer is never turned into a complete one, in clear or by TLS.

import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { dialPeer, listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const certificate = await selfSignedCertificate('mail', ['mail.example.com', '127.0.0.1']);
const pem = { cert: certificate.chainPem, key: certificate.keyPem };

interface Scene {
  readonly site: Site;
  readonly origin: PeerServer;
  readonly client: Peer;
  readonly server: Peer;
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

const truncated: readonly [name: string, answer: string, last: string][] = [
  ['by length', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome', 'some'],
  ['in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsome', 'some'],
  [
    'before the last chunk',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ns\r\n',
    's\r\n'
  ],
  [
    'in the trailers',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n',
    'A: b\r\n'
  ]
];

t.test('a truncated answer ends with a reset', async (t) => {
  for (const [name, answer, last] of truncated) {
    for (const how of ['end', 'reset'] as const) {
      const { site, client, server } = await scene(t);
      server.send(answer);
      await client.until(last);
      if (how === 'end') server.socket.end();
      else server.socket.resetAndDestroy();
      t.equal(await client.ended(), 'reset', `${name}, ${how}`);
      t.equal(client.received.length, 0);
      await site.empty();
      t.match(site.lines, [{ status: 200, closed: 'truncated-answer' }]);
    }
  }
});

t.test('an answer until the end, cut off by a reset, is truncated too', async (t) => {
  const { client, server } = await scene(t);
  server.send('HTTP/1.1 200 OK\r\n\r\nsome');
  await client.until('some');
  server.socket.resetAndDestroy();
  t.equal(await client.ended(), 'reset');
});

t.test('a truncated answer to an HTTP/1.0 client', async (t) => {
  const { client, server } = await scene(t, 'GET / HTTP/1.0\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n');
  await client.until('some');
  server.socket.end();
  t.equal(await client.ended(), 'reset', 'its end would be the regular one');
});

/** Passes bytes on to `port` and keeps what comes back, to look at it below TLS. */
async function tap(
  t: Test,
  port: number
): Promise<{ readonly port: number; readonly back: Buffer[]; readonly ended: Promise<unknown> }> {
  const back: Buffer[] = [];
  const ended = Promise.withResolvers<void>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.on('error', () => {}).pipe(far);
    far.on('error', () => {}).on('data', (bytes: Buffer) => back.push(bytes));
    far.on('close', () => ended.resolve()).pipe(near);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, back, ended: ended.promise };
}

/** Types of the TLS records: 21 is an alert, such as close_notify. */
function recordTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    types.push(bytes[at] ?? 0);
  }
  return types;
}

t.test('by TLS, only a whole answer ends with close_notify', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], tls: pem });
  for (const [answer, whole] of [
    ['HTTP/1.1 200 OK\r\n\r\nsome', true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome', false]
  ] as const) {
    const wire = await tap(t, site.port);
    // TLS 1.3 hides which records are alerts.
    const client = await dialPeer(t, wire.port, { maxVersion: 'TLSv1.2' });
    client.send(get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(answer);
    await client.until('some');
    server.socket.end();
    await wire.ended;
    const alerts = recordTypes(Buffer.concat(wire.back)).filter((type) => type === 21);
    t.equal(alerts.length, whole ? 1 : 0);
    t.match(site.lines.at(-1), { tls: 'TLSv1.2' });
  }
});

t.test('re-encrypted: requests, and truncated answers', async (t) => {
  const origin = await listenPeer(t, pem);
  const reencrypt = {
    serverName: undefined,
    passServerName: false,
    verify: false,
    caPem: undefined
  };
  const site = await openSite(t, { servers: [origin.port], service: { reencrypt }, tls: pem });
  const client = await site.client();
  client.send(get);
  const server = await origin.next();
  t.equal(await server.until('\r\n\r\n'), get);
  server.send(ok);
  t.equal((await client.message()).body, 'ok');
  client.send(get);
  t.equal(await server.until('\r\n\r\n'), get, 'on the same connection');
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome');
  await client.until('some');
  server.socket.destroy();
  await client.ended();
  await site.empty();
  t.match(site.lines.at(-1), { closed: 'truncated-answer' });
});

t.test('a TLS client that goes leaves nothing behind', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], tls: pem });
  for (const when of ['before a request', 'waiting for an answer', 'between requests'] as const) {
    const client = await site.client();
    if (when !== 'before a request') {
      client.send(get);
      const server = await origin.next();
      await server.until('\r\n\r\n');
      if (when === 'waiting for an answer') client.socket.end();
      server.send(ok);
      t.equal((await client.message()).body, 'ok', when);
    }
    if (when !== 'waiting for an answer') client.socket.end();
    t.equal(await client.rest(), '');
    t.equal(client.ending, 'end', when);
    await site.empty();
  }
});

t.test('a server whose TLS cannot be verified, or that speaks none', async (t) => {
  const origin = await listenPeer(t, pem);
  const clear = await listenPeer(t);
  const reencrypt = {
    serverName: 'mail.example.com',
    passServerName: false,
    verify: true,
    caPem: undefined
  };
  const site = await openSite(t, { servers: [origin.port], service: { reencrypt } });
  const client = await site.client();
  client.send(get);
  t.match((await client.message()).head, /^HTTP\/1.1 502 /);
  t.match(site.lines, [{ closed: 'cannot-connect', reason: /certificate/ }]);
  site.reload({ servers: [clear.port], service: { reencrypt: { ...reencrypt, verify: false } } });
  const second = await site.client();
  second.send(get);
  (await clear.next()).send('HTTP/1.1 400 Bad Request\r\n\r\n');
  t.match((await second.message()).head, /^HTTP\/1.1 502 /);
});
