// Nothing is buffered without a limit: who does not read makes the other side wait.

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { listenPeer, type Peer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const size = 20_000_000;
/** What Node asks to keep below, one read beyond it, and a head. */
const waitingBytesMax = 262_144 + 65_536 + 1024;

interface Scene {
  readonly site: Site;
  readonly client: Peer;
  readonly server: Peer;
  /** Ballast's own ends. */
  readonly nearClient: Socket;
  readonly nearServer: Socket;
}

async function scene(t: Test, request: string, options: SiteOptions = {}): Promise<Scene> {
  const origin = await listenPeer(t, options.service?.reencrypt && options.tls);
  const site = await openSite(t, { servers: [origin.port], ...options });
  const client = await site.client();
  client.send(request);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  const { current } = site.session().servers;
  if (current === undefined) throw new Error('no connection to the server');
  const nearServer = current.connection.socket;
  return { site, client, server, nearClient: site.session().client.socket, nearServer };
}

/** Bytes that differ wherever one looks. */
function body(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((i * 2_654_435_761) % 2 ** 32, i);
  return bytes;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Waits until `socket` has not read for a while. */
async function standstill(socket: Socket): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 20; quiet++) {
    if (socket.bytesRead !== seen) quiet = 0;
    seen = socket.bytesRead;
    await turn();
  }
}

const certificate = await selfSignedCertificate('mail', ['127.0.0.1']);
const pem = { cert: certificate.chainPem, key: certificate.keyPem };
const reencrypt = { serverName: undefined, passServerName: false, verify: false, caPem: undefined };
const kinds: readonly [string, SiteOptions][] = [
  ['in clear', {}],
  ['by TLS at both ends', { tls: pem, service: { reencrypt } }]
];
const bytes = body(size);
const whole = digest(bytes);

for (const [name, options] of kinds) {
  t.test(`an upload to a server that does not read, ${name}`, async (t) => {
    const request = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`;
    const { client, server, nearClient, nearServer } = await scene(t, request, options);
    server.socket.pause();
    client.send(bytes);
    await standstill(nearClient);
    t.ok(nearServer.writableLength <= waitingBytesMax, `${nearServer.writableLength} bytes wait`);
    t.ok(nearClient.isPaused());
    t.ok(nearClient.bytesRead < size, 'the client waits');
    server.socket.resume();
    t.equal(digest(await server.take(size)), whole);
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    await client.message();
    client.send(get);
    t.equal(await server.until('\r\n\r\n'), get, 'the connections go on');
  });

  t.test(`a download to a client that does not read, ${name}`, async (t) => {
    const { client, server, nearClient, nearServer } = await scene(t, get, options);
    client.socket.pause();
    server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    server.send(bytes);
    await standstill(nearServer);
    t.ok(nearClient.writableLength <= waitingBytesMax, `${nearClient.writableLength} bytes wait`);
    t.ok(nearServer.isPaused());
    t.ok(nearServer.bytesRead < size, 'the server waits');
    client.socket.resume();
    await client.until('\r\n\r\n');
    t.equal(digest(await client.take(size)), whole);
    client.send(get);
    t.equal(await server.until('\r\n\r\n'), get, 'the connections go on');
  });
}

t.test('both at once, both stalled, then both go on', async (t) => {
  const head = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`;
  const { client, server, nearClient, nearServer } = await scene(t, head);
  client.socket.pause();
  server.socket.pause();
  client.send(bytes);
  server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
  server.send(bytes);
  await Promise.all([standstill(nearClient), standstill(nearServer)]);
  t.ok(nearClient.writableLength <= waitingBytesMax);
  t.ok(nearServer.writableLength <= waitingBytesMax);
  client.socket.resume();
  server.socket.resume();
  await client.until('\r\n\r\n');
  const [up, down] = await Promise.all([server.take(size), client.take(size)]);
  t.equal(digest(up), whole);
  t.equal(digest(down), whole);
  client.send(get);
  t.equal(await server.until('\r\n\r\n'), get);
});

t.test('a tunnel waits as well', async (t) => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const { client, server, nearClient, nearServer } = await scene(t, upgrade);
  server.send('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  await client.until('\r\n\r\n');
  client.socket.pause();
  server.socket.pause();
  client.send(bytes);
  server.send(bytes);
  await Promise.all([standstill(nearClient), standstill(nearServer)]);
  t.ok(nearClient.writableLength <= waitingBytesMax);
  t.ok(nearServer.writableLength <= waitingBytesMax);
  client.socket.resume();
  server.socket.resume();
  const [up, down] = await Promise.all([server.take(size), client.take(size)]);
  t.equal(digest(up), whole);
  t.equal(digest(down), whole);
});

t.test('a client that asks and asks and never reads', async (t) => {
  const { client, server, nearClient } = await scene(t, get);
  const count = 1500;
  const answer = Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n${'x'.repeat(16_384)}`
  );
  client.socket.pause();
  client.send(get.repeat(count - 1));
  let answered = 0;
  void (async () => {
    for (server.send(answer); ; server.send(answer)) {
      answered++;
      await server.until('\r\n\r\n');
    }
  })().catch(() => {});
  for (let seen = -1, quiet = 0; quiet < 50; quiet++) {
    if (answered !== seen) quiet = 0;
    seen = answered;
    await turn();
  }
  t.ok(nearClient.writableLength <= waitingBytesMax, `${nearClient.writableLength} bytes wait`);
  t.ok(answered < count, `${answered} answers made`);
  client.socket.resume();
  for (let i = 0; i < count; i++) {
    if (!(await client.take(answer.length)).equals(answer)) t.fail(`answer ${i}`);
  }
  t.equal(client.received.length, 0);
  client.send(get);
  t.match((await client.message()).head, '200 OK');
});

t.test('requests that come while one is served wait outside', async (t) => {
  const { client, server, nearClient } = await scene(t, get);
  const count = 20_000;
  client.send(get.repeat(count));
  await standstill(nearClient);
  t.ok(nearClient.bytesRead < 300_000, `${nearClient.bytesRead} bytes taken`);
  t.ok(nearClient.isPaused());
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  t.equal((await client.message()).body, 'ok');
  t.equal(await server.until('\r\n\r\n'), get, 'the next one');
});

t.test('a body that comes before the server wants it waits outside', async (t) => {
  const expects = `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${size}\r\n\r\n`;
  const { client, server, nearClient } = await scene(t, expects, {
    global: { expect100: 'require' }
  });
  client.send(bytes);
  await standstill(nearClient);
  t.ok(nearClient.bytesRead < 300_000, `${nearClient.bytesRead} bytes taken`);
  t.equal(server.received.length, 0);
  server.send('HTTP/1.1 100 Continue\r\n\r\n');
  t.equal(digest(await server.take(size)), whole);
});
