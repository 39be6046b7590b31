// Requests and answers go through as they came: bytes, order, bodies, and the connection they use.

import t, { type Test } from 'tap';
import { answered, connected } from '../fixture/counts.ts';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

interface Scene {
  readonly site: Site;
  readonly origin: PeerServer;
  readonly client: Peer;
}

async function scene(t: Test, options: SiteOptions = {}): Promise<Scene> {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port], ...options });
  return { site, origin, client: await site.client() };
}

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('every byte of a head stays, both ways', async (t) => {
  const { client, origin } = await scene(t);
  const request =
    'RPC_OUT_DATA /rpc/rpcproxy.dll?mail:6001|[x] HTTP/1.1\r\nhOST: Mail.Example.COM:443\r\n' +
    `Authorization: Negotiate ${'YII/+='.repeat(10_000)}\r\nCookie: a=1; X-BackEndCookie=~!=\r\n` +
    'X-Empty:\r\ncookie:b=\xe9\xff \t\r\nPragma: no-cache\r\nPragma: MinConnTimeout=120\r\n\r\n';
  const answer =
    'HTTP/1.1 401 Nicht  erlaubt \xfc\r\nWWW-Authenticate: Negotiate\r\n' +
    'www-authenticate: NTLM\r\nWWW-Authenticate: Basic realm="a, b"\r\nSet-Cookie: a=1\r\n' +
    'Persistent-Auth: false\r\nSet-Cookie:b=2\r\nX-Odd:  x \r\nContent-Length: 3\r\n\r\nno\n';
  client.send(request);
  const server = await origin.next();
  t.equal((await server.take(request.length)).toString('latin1'), request);
  server.send(answer);
  t.equal((await client.take(answer.length)).toString('latin1'), answer);
  client.send(get);
  t.equal(await server.until('\r\n\r\n'), get, 'the connections go on');
});

t.test('only hop-by-hop fields change', async (t) => {
  const { client, origin } = await scene(t);
  client.send(
    'GET / HTTP/1.1\r\nA: 1\r\nConnection: Keep-Alive, X-Hop\r\nHost: a\r\nX-Hop: 1\r\nB: 2\r\n\r\n'
  );
  const server = await origin.next();
  t.equal(await server.until('\r\n\r\n'), 'GET / HTTP/1.1\r\nA: 1\r\nHost: a\r\nB: 2\r\n\r\n');
  server.send(
    'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nA: 1\r\nConnection: keep-alive\r\n' +
      'Content-Length: 0\r\n\r\n'
  );
  t.equal((await client.message()).head, 'HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n');
});

t.test('pipelined requests are answered in order, wherever the bytes are cut', async (t) => {
  const { client, origin } = await scene(t);
  const post = 'POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /';
  const chunked =
    'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n';
  const all = get + post + chunked + get;
  let server: Peer | undefined;
  for (let cut = 1; cut <= all.length; cut += cut < 40 ? 1 : 3) {
    client.send(all.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    client.send(all.slice(cut));
    server ??= await origin.next();
    for (const [i, request] of [get, post, chunked, get].entries()) {
      const seen = (await server.take(request.length)).toString('latin1');
      if (seen !== request) t.equal(seen, request, `cut at ${cut}`);
      const body = `answer ${cut}.${i}`;
      server.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      const answer = await client.message();
      if (answer.body !== body) t.equal(answer.body, body);
    }
  }
  t.equal(origin.accepted.length, 1);
  t.equal(server?.received.length, 0);
});

t.test('a request waits for the answer to the one before', async (t) => {
  const { client, origin } = await scene(t);
  client.send(get + get.replace('/', '/second'));
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\no');
  await client.until('\r\n\r\no');
  t.equal(server.received.length, 0, 'the second request is kept back');
  server.send('ne!');
  t.equal(await server.until('\r\n\r\n'), get.replace('/', '/second'));
  server.send(ok);
  await client.until('ne!');
  t.equal((await client.message()).body, 'ok');
});

t.test('answers without a body', async (t) => {
  const { client, origin } = await scene(t);
  client.send(get.replace('GET', 'HEAD'));
  const server = await origin.next();
  const heads: readonly [string, string][] = [
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n'],
    ['DELETE', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']
  ];
  for (const [i, [method, head]] of heads.entries()) {
    if (i > 0) client.send(get.replace('GET', method));
    await server.until('\r\n\r\n');
    server.send(head);
    t.equal((await client.message('bodyless')).head, head);
  }
  t.equal(origin.accepted.length, 1, 'all on one connection');
});

t.test('an HTTP/1.0 client with and without keep-alive', async (t) => {
  const { client, origin } = await scene(t);
  client.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
  const server = await origin.next();
  t.equal(await server.until('\r\n\r\n'), 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok');
  t.equal(
    (await client.message()).head,
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\n'
  );
  client.send('GET /2 HTTP/1.0\r\n\r\n');
  t.match(await server.until('\r\n\r\n'), /^Connection: Keep-Alive\r$/m, 'ours goes on');
  server.send(ok);
  const answer = await client.message();
  t.match(answer.head, /^Connection: close\r$/m);
  t.equal(answer.body, 'ok');
  t.equal(await client.ended(), 'end');
});

t.test('Connection: close of the client, and of the server', async (t) => {
  const { client, origin, site } = await scene(t);
  client.send(get);
  const first = await origin.next();
  await first.until('\r\n\r\n');
  first.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
  t.notMatch((await client.message()).head, /^Connection:/m, 'the client is not concerned');
  t.equal(await first.ended(), 'end');
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const second = await origin.next();
  t.equal(await second.until('\r\n\r\n'), get, 'nor is the server');
  second.send(ok);
  t.match((await client.message()).head, /^Connection: close\r$/m);
  t.equal(await client.ended(), 'end');
  client.socket.end();
  await site.empty();
  t.equal(await second.ended(), 'end', 'and goes with the client');
});

t.test('chunks reach an HTTP/1.0 client as plain data', async (t) => {
  const body = '5;x=y\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n';
  for (const cut of [0, 1, 9, 15, body.length - 3, body.length]) {
    const { client, origin } = await scene(t);
    client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.slice(0, cut)}`);
    await client.until('\r\n');
    server.send(body.slice(cut));
    t.equal(await client.rest(), 'Connection: close\r\n\r\nhello world', `cut at ${cut}`);
    t.equal(client.ending, 'end');
  }
});

t.test('an answer that ends with its connection', async (t) => {
  const { client, origin } = await scene(t);
  client.send(get);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\n\r\nsome');
  await client.until('some');
  server.send('more');
  await client.until('more');
  server.socket.end('!');
  t.equal(await client.rest(), '!');
  t.equal(client.ending, 'end');
  t.equal(await server.ended(), 'end');
});

t.test('chunked both ways, with trailers and extensions', async (t) => {
  const { client, origin } = await scene(t);
  const body = '5;a="b"\r\nhello\r\n0\r\nX: y\r\n\r\n';
  client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const server = await origin.next();
  await server.until('\r\n\r\n');
  for (const byte of body) client.send(byte);
  t.equal((await server.take(body.length)).toString(), body);
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  await client.until('\r\n\r\n');
  for (const byte of body) server.send(byte);
  t.equal((await client.take(body.length)).toString(), body);
  client.send(get);
  t.equal(await server.until('\r\n\r\n'), get);
});

t.test('the additional L7 header, in its three forms', async (t) => {
  const forged = 'X-ClientSide: 10.9.9.9:1 -> 10.0.0.1:443\r\nX-Forwarded-For: 10.9.9.9\r\n';
  for (const additionalL7Header of ['none', 'x-forwarded-for', 'x-clientside'] as const) {
    const { client, origin, site } = await scene(t, { global: { additionalL7Header } });
    const address = client.socket.localPort;
    client.send(`GET / HTTP/1.1\r\n${forged}Host: a\r\nx-clientside: 2\r\n\r\n`);
    const head = await (await origin.next()).until('\r\n\r\n');
    const xForwardedFor = 'X-Forwarded-For: 10.9.9.9\r\n';
    const expected = {
      none: `${forged}Host: a\r\nx-clientside: 2\r\n`,
      'x-forwarded-for': `${forged}Host: a\r\nx-clientside: 2\r\nX-Forwarded-For: 127.0.0.1\r\n`,
      'x-clientside':
        `${xForwardedFor}Host: a\r\n` +
        `X-ClientSide: 127.0.0.1:${address} -> 127.0.0.1:${site.port}\r\n`
    };
    t.equal(head, `GET / HTTP/1.1\r\n${expected[additionalL7Header]}\r\n`, additionalL7Header);
  }
});

t.test('X-ClientSide cannot be forged by other means', async (t) => {
  const { client, origin } = await scene(t, { global: { additionalL7Header: 'x-clientside' } });
  client.send(
    'GET / HTTP/1.1\r\nX-CLIENTSIDE: 1\r\nConnection: x-clientside, close\r\nHost: a\r\n' +
      'X_ClientSide: 2\r\nX-ClientSide2: stays\r\n\r\n'
  );
  const head = await (await origin.next()).until('\r\n\r\n');
  t.match(
    head,
    /^GET \/ HTTP\/1.1\r\nHost: a\r\nX-ClientSide2: stays\r\nX-ClientSide: 127\S+ -> \S+\r\n\r\n$/
  );
});

t.test('the access line tells of a request, and no secret', async (t) => {
  const { client, origin, site } = await scene(t);
  client.send(
    'POST /owa/auth?password=geheim HTTP/1.1\r\nHost: mail.example.com:443\r\n' +
      'Cookie: geheim\r\nAuthorization: Basic geheim\r\nContent-Length: 3\r\n\r\nabc'
  );
  const server = await origin.next();
  await server.until('abc');
  server.send(ok);
  await client.message();
  client.socket.end();
  await site.empty();
  t.match(site.lines, [
    {
      client: '127.0.0.1',
      service: 'site',
      server: 'ex1',
      method: 'POST',
      host: 'mail.example.com',
      path: '/owa/auth',
      status: 200,
      closed: undefined
    }
  ]);
  t.notMatch(JSON.stringify(site.lines), 'geheim');
  t.equal(answered(site.server('ex1').row), 1);
  t.equal(connected(site.server('ex1').row), 1);
  t.equal(site.server('ex1').active, 0);
});
