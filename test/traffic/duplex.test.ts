// Both directions at once: answers that begin or end before their request, 100-continue, tunnels.

import t, { type Test } from 'tap';
import type { GlobalSettings } from '../../src/config/model.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { listenPeer, type Peer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';

interface Scene {
  readonly site: Site;
  readonly client: Peer;
  readonly server: Peer;
}

/** A client that has sent `request`, and the server that has taken `seen` of it. */
async function scene(
  t: Test,
  request: string,
  seen: string,
  global: Partial<GlobalSettings> = {}
): Promise<Scene> {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], global });
  const client = await site.client();
  client.send(request);
  const server = await origin.next();
  t.equal((await server.take(seen.length)).toString('latin1'), seen, 'the server has the request');
  return { site, client, server };
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const rpcIn =
  'RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n';
const denied = 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno';

t.test('401 to an unfinished 1 GiB body; the body goes on, then the client closes', async (t) => {
  const { client, server, site } = await scene(t, `${rpcIn}rpc`, `${rpcIn}rpc`);
  server.send(denied);
  t.equal((await client.message()).body, 'no');
  client.send('more');
  t.equal((await server.take(4)).toString(), 'more', 'the body goes on behind the answer');
  client.socket.end();
  t.equal(await server.ended(), 'end');
  await site.empty();
});

t.test('401 to an unfinished 1 GiB body; the server closes', async (t) => {
  for (const connection of ['', 'Connection: close\r\n']) {
    const { client, server, site } = await scene(t, `${rpcIn}rpc`, `${rpcIn}rpc`);
    server.socket.end(denied.replace('\r\n', `\r\n${connection}`));
    const { body } = await client.message();
    t.equal(body, 'no');
    t.equal(await client.ended(), 'end', 'no reset that could destroy the answer');
    client.send('still sending');
    client.socket.end();
    await site.empty();
    t.equal(await server.ended(), 'end');
  }
});

t.test('an answer that ends before its request; the connections are used again', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n';
  const { client, server } = await scene(t, `${head}01234`, `${head}01234`);
  server.send(ok);
  await client.message();
  client.send(`56789${get}`);
  t.equal((await server.take(5)).toString(), '56789');
  t.equal(await server.until('\r\n\r\n'), get);
  server.send(ok);
  t.equal((await client.message()).body, 'ok');
});

t.test('an answer that begins before its request ends', async (t) => {
  const head = 'POST /mapi HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const { client, server } = await scene(t, head, head);
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  await client.until('\r\n\r\n');
  for (const letter of 'abcde') {
    client.send(`1\r\n${letter}\r\n`);
    server.send(await server.until(`${letter}\r\n`));
    t.equal(await client.until(`${letter}\r\n`), `1\r\n${letter}\r\n`, 'an echo of each chunk');
  }
  client.send('0\r\n\r\n');
  server.send(await server.until('0\r\n\r\n'));
  await client.until('0\r\n\r\n');
  client.send(get);
  t.equal(await server.until('\r\n\r\n'), get);
});

t.test('the echo request of Outlook Anywhere: a body of 4 bytes', async (t) => {
  const request = `${rpcIn.replace('1073741824', '4')}echo`;
  const { client, server } = await scene(t, request, request);
  server.send('HTTP/1.1 200 Success\r\nContent-Length: 20\r\n\r\n');
  server.send('x'.repeat(20));
  t.equal((await client.message()).body, 'x'.repeat(20));
});

t.test('bad chunks behind a complete answer end the connection', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const { client, server, site } = await scene(t, head, head);
  server.send(ok);
  await client.message();
  client.send('0 \r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.ended();
  await server.ended();
  t.equal(server.received.length, 0, 'nothing behind the fault reaches the server');
  client.socket.destroy();
  await site.empty();
  t.match(site.lines, [{ status: 200, closed: 'malformed-request' }]);
});

const expects = 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n';
const goOn = 'HTTP/1.1 100 Continue\r\n\r\n';

t.test('100-continue in each of its modes', async (t) => {
  for (const expect100 of ['rfc-7231', 'rfc-2616', 'require'] as const) {
    const { client, server } = await scene(t, expects, expects, { expect100 });
    server.send(goOn);
    t.equal(await client.until('\r\n\r\n'), goOn, expect100);
    client.send(`body${get}`);
    t.equal((await server.take(4)).toString(), 'body');
    server.send(ok);
    t.equal((await client.message()).body, 'ok');
    t.equal(await server.until('\r\n\r\n'), get, 'the next request is one');
  }
});

t.test('a client that does not wait, as EWS clients in hybrid', async (t) => {
  const early = await scene(t, `${expects}body`, `${expects}body`, { expect100: 'rfc-7231' });
  early.server.send(goOn + ok);
  t.equal(await early.client.until('\r\n\r\n'), goOn);
  t.equal((await early.client.message()).body, 'ok');

  const waits = await scene(t, `${expects}bo`, expects, { expect100: 'require' });
  waits.client.send('dy');
  waits.server.send('HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n');
  await waits.client.until('Link: a\r\n\r\n');
  t.equal(waits.server.received.length, 0, 'kept back until the server asks for it');
  waits.server.send(goOn);
  t.equal((await waits.server.take(4)).toString(), 'body');

  const startMs = performance.now();
  const bounded = await scene(t, `${expects}body`, expects, { expect100: 'rfc-2616' });
  t.equal((await bounded.server.take(4)).toString(), 'body', 'a server that says nothing gets it');
  t.ok(performance.now() - startMs > 900, 'after a second');
});

t.test('a final answer instead of 100', async (t) => {
  for (const expect100 of ['rfc-7231', 'rfc-2616', 'require'] as const) {
    const { client, server } = await scene(t, expects, expects, { expect100 });
    server.send(denied);
    t.equal((await client.message()).body, 'no', expect100);
    client.send(`body${get}`);
    t.equal((await server.take(4)).toString(), 'body', 'the body that was announced follows');
    t.equal(await server.until('\r\n\r\n'), get);
  }
});

t.test('Expect without a body or by HTTP/1.0 holds nothing back', async (t) => {
  const bare = expects.replace('Content-Length: 4\r\n', '');
  await scene(t, bare, bare, { expect100: 'require' });
  const old = expects.replace('HTTP/1.1', 'HTTP/1.0');
  const seen = old.replace('\r\n\r\n', '\r\nConnection: Keep-Alive\r\n\r\n');
  await scene(t, `${old}body`, `${seen}body`, { expect100: 'require' });
});

t.test('any number of interim answers, but not for HTTP/1.0', async (t) => {
  const interim =
    `${goOn}HTTP/1.1 102 Processing\r\n\r\n` +
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n';
  const { client, server } = await scene(t, get, get);
  for (const byte of interim + ok) server.send(byte);
  t.equal((await client.take(interim.length)).toString(), interim);
  t.equal((await client.message()).body, 'ok');
  const old = 'GET / HTTP/1.0\r\n\r\n';
  const keep = 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n';
  const second = await scene(t, old, keep);
  second.server.send(interim + ok);
  t.match(await second.client.rest(), /^HTTP\/1.1 200 OK\r\n/);
  const third = await scene(t, get, get);
  third.server.send('HTTP/1.1 100 Continue\r\n\r\n'.repeat(150));
  t.match(await third.client.rest(), /502 Bad Gateway/, 'within reason');
});

const upgrade =
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Key: x\r\n\r\n';
const upgradeSeen =
  'GET /ws HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: x\r\n' +
  'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
const switchingSeen = switching.replace(
  /Upgrade: websocket\r\nConnection: Upgrade/,
  'Connection: Upgrade\r\nUpgrade: websocket'
);

async function tunnel(t: Test): Promise<Scene> {
  const made = await scene(t, `${upgrade}early`, upgradeSeen);
  made.server.send(`${switching}\x81\x00first`);
  t.equal(
    (await made.client.take(switchingSeen.length + 7)).toString('latin1'),
    `${switchingSeen}\x81\x00first`
  );
  t.equal((await made.server.take(5)).toString(), 'early');
  return made;
}

t.test('WebSocket: a tunnel both ways', async (t) => {
  const { client, server, site } = await tunnel(t);
  client.send('GET / HTTP/1.1\r\n\r\n\x00\xff');
  t.equal((await server.take(20)).toString('latin1'), 'GET / HTTP/1.1\r\n\r\n\x00\xff');
  server.send('\x00\x01');
  t.equal((await client.take(2)).toString('latin1'), '\x00\x01');
  client.socket.end();
  t.equal(await server.ended(), 'end');
  server.socket.end();
  t.equal(await client.ended(), 'end');
  await site.empty();
  t.match(site.lines, [{ status: 101 }]);
});

t.test('a tunnel that the client closes on its side', async (t) => {
  const { client, server, site } = await tunnel(t);
  client.socket.end('last');
  await server.until('last');
  t.equal(await server.ended(), 'end');
  server.send('after');
  await client.until('after');
  server.socket.end('bye');
  t.equal(await client.rest(), 'bye');
  t.equal(client.ending, 'end');
  await site.empty();
});

t.test('a tunnel that the server closes on its side', async (t) => {
  const { client, server, site } = await tunnel(t);
  server.socket.end('bye');
  await client.until('bye');
  t.equal(await client.ended(), 'end');
  for (let i = 0; i < 3; i++) {
    client.send('after');
    await server.until('after');
  }
  const much = Buffer.alloc(3_000_000, 'x');
  server.socket.pause();
  client.socket.end(much);
  // The last byte must arrive although both sides have ended by then.
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.socket.resume();
  t.equal((await server.take(much.length)).equals(much), true);
  t.equal(await server.ended(), 'end');
  await site.empty();
});

t.test('a tunnel ends with either side, and after its idle time', async (t) => {
  const one = await tunnel(t);
  one.client.socket.resetAndDestroy();
  await one.server.ended();
  await one.site.empty();
  const two = await tunnel(t);
  two.server.socket.resetAndDestroy();
  await two.client.ended();
  two.client.socket.destroy();
  await two.site.empty();
  const three = await tunnel(t);
  three.site.sweepAfter(59_000);
  three.client.send('x');
  await three.server.until('x');
  three.site.sweepAfter(61_000);
  await three.client.ended();
  await three.server.ended();
});

t.test('an Upgrade to anything else does not reach the server', async (t) => {
  const offers = [
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n',
    'Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n',
    'Connection: keep-alive\r\nUpgrade: websocket\r\n'
  ];
  for (const offer of offers) {
    const { client, server } = await scene(t, get.replace('\r\n\r\n', `\r\n${offer}\r\n`), get);
    server.send(switching);
    t.match(await client.rest(), /^HTTP\/1.1 502 /, `101 that nobody asked for: ${offer}`);
    await server.ended();
  }
  const old = 'GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const { client, server } = await scene(
    t,
    old,
    'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'
  );
  server.send(switching);
  t.match(await client.rest(), /^HTTP\/1.1 502 /);
});

t.test('a server that does not upgrade', async (t) => {
  const { client, server } = await scene(t, `${upgrade}${get}`, upgradeSeen);
  server.send(ok);
  t.equal((await client.message()).body, 'ok');
  t.equal(await server.until('\r\n\r\n'), get, 'what follows is a request as ever');
});

t.test('a tunnel whose client has ended at once still brings all of the other side', async (t) => {
  const { chainPem, keyPem } = await selfSignedCertificate('mail', ['127.0.0.1']);
  const origin = await listenPeer(t, { cert: chainPem, key: keyPem });
  const reencrypt = {
    serverName: undefined,
    passServerName: false,
    verify: false,
    caPem: undefined
  };
  const site = await openSite(t, { servers: [origin.port], service: { reencrypt } });
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  const bytes = Buffer.alloc(664, 'x');
  for (let n = 0; n < 5; n++) {
    const client = await site.client();
    client.socket.end(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(`HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\n`);
    server.socket.end(bytes);
    const all = await client.rest();
    const got = all.length - all.indexOf('\r\n\r\n') - 4;
    if (got !== bytes.length) t.fail(`${got} of ${bytes.length} bytes, the ${n}th time`);
  }
});
