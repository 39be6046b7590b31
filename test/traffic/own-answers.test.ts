// What Ballast answers itself: the contract's last table, redirects, error messages.

import t, { type Test } from 'tap';
import { connected, failed } from '../fixture/counts.ts';
import { listenPeer, type Message, type Peer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const redirect = { code: 302, urlOrText: 'https://%h%s' };

/** A port that refuses connections. */
async function refusingPort(t: Test): Promise<number> {
  const server = await listenPeer(t);
  server.stop();
  return server.port;
}

/** The answer with this status, whose id must stand in the log beside `reason`. */
async function expectAnswer(
  t: Test,
  { site, client }: { readonly site: Site; readonly client: Peer },
  status: number,
  code: string
): Promise<Message> {
  const message = await client.message();
  t.match(message.head, new RegExp(`^HTTP/1.1 ${status} `));
  const id = /^X-Request-Id: (\S+)\r$/m.exec(message.head)?.[1];
  t.ok(id, 'has an id');
  const line = site.lines.find((one) => one['id'] === id);
  t.match(line, { status, closed: code, reason: String }, `${code} stands in the log`);
  t.match(message.body, id, 'and for the user to tell');
  return message;
}

async function expectClose(t: Test, message: Message, client: Peer): Promise<void> {
  t.match(message.head, /^Connection: close\r$/m);
  t.equal(await client.rest(), '');
  t.equal(client.ending, 'end');
}

t.test('no content rule matches', async (t) => {
  const site = await openSite(t, { subVSs: [{ name: 'OWA', prefix: '/owa', servers: [1] }] });
  const client = await site.client();
  client.send(get);
  const message = await expectAnswer(t, { site, client }, 404, 'no-rule');
  t.notMatch(message.head, /^Connection:/m);
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  t.match((await client.message()).head, /^Connection: Keep-Alive\r$/m, 'the connection stays');
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /');
  await expectClose(t, await expectAnswer(t, { site, client }, 404, 'no-rule'), client);
  t.same(failed(site.plan), { 'no-rule': 3 });
});

t.test('answers that the configuration has for it', async (t) => {
  const text = { code: 503, urlOrText: 'Endpoint not available' };
  const teapot = { code: 418, urlOrText: 'of the SubVS' };
  const site = await openSite(t, {
    service: { notAvailable: text },
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [1], settings: { notAvailable: teapot } },
      { name: 'EWS', prefix: '/ews', servers: [1] },
      { name: 'Bad', prefix: '/bad', rule: { mustFail: true }, servers: [1] }
    ]
  });
  for (const server of site.plan.realServers.values()) {
    server.health = { state: 'down', reason: 'test' };
  }
  const client = await site.client();
  const ask = async (path: string, status: number, code: string): Promise<string> => {
    client.send(get.replace('/', path));
    return (await expectAnswer(t, { site, client }, status, code)).body;
  };
  t.match(await ask('/owa', 418, 'no-server'), '<p>of the SubVS');
  t.match(await ask('/ews', 503, 'no-server'), '<p>Endpoint not available');
  t.match(await ask('/none', 503, 'no-rule'), '<p>Endpoint not available');
  t.notMatch(await ask('/bad', 403, 'rule-must-fail'), 'Endpoint');
});

t.test('no usable server', async (t) => {
  const site = await openSite(t, { servers: [{ port: 1, enable: false }] });
  const client = await site.client();
  client.send(get);
  await expectAnswer(t, { site, client }, 503, 'no-server');
  client.send(get.replace('GET', 'HEAD') + get);
  const { head } = await client.message('bodyless');
  t.match(head, /^HTTP\/1.1 503 Service Unavailable\r\n/);
  t.match(head, /^Content-Length: [1-9]/m, 'as GET would have it, but nothing behind it');
  await expectAnswer(t, { site, client }, 503, 'no-server');
});

t.test('an answer that has no body by its status', async (t) => {
  const site = await openSite(t, { service: { notAvailable: { code: 204, urlOrText: '' } } });
  const client = await site.client();
  client.send(get + get);
  for (let i = 0; i < 2; i++) {
    const { head } = await client.message('bodyless');
    t.match(head, /^HTTP\/1.1 204 No Content\r\n/);
    t.notMatch(head, /^Content-/m);
  }
  t.equal(client.received.length, 0);
});

t.test('refused: another server, as long as nothing was sent', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [await refusingPort(t), origin.port] });
  const request = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody';
  // Round robin would send one of two to the refusing server.
  for (let i = 0; i < 3; i++) {
    const client = await site.client();
    client.send(request);
    const server = await origin.next();
    t.equal((await server.take(request.length)).toString(), request, 'whole, with its body');
    server.send(ok);
    t.equal((await client.message()).body, 'ok');
  }
  t.same(site.suspects, ['ex1'], 'told once: afterwards it is not the first choice');
  t.same([connected(site.server('ex1').row), site.server('ex1').active], [0, 0]);
});

t.test('refused by all, or after NTLM was seen', async (t) => {
  const origin = await listenPeer(t);
  const refusing = await refusingPort(t);
  const both = await openSite(t, { servers: [refusing, await refusingPort(t)] });
  const one = { site: both, client: await both.client() };
  one.client.send(get);
  await expectClose(t, await expectAnswer(t, one, 502, 'cannot-connect'), one.client);
  t.equal(both.suspects.length, 2);

  const site = await openSite(t, { servers: [{ port: 1, enable: false }, refusing, origin.port] });
  for (const scheme of ['NTLM', 'Negotiate']) {
    site.server('ex2').suspected = false;
    site.server('ex3').suspected = true;
    const two = { site, client: await site.client() };
    two.client.send(get.replace('\r\n\r\n', `\r\nAuthorization: ${scheme} TlRM\r\n\r\n`));
    await expectClose(t, await expectAnswer(t, two, 502, 'cannot-connect'), two.client);
  }
  t.equal(origin.accepted.length, 0, 'no other server saw it');
});

t.test('closed before any byte of an answer: never sent twice', async (t) => {
  const first = await listenPeer(t);
  const second = await listenPeer(t);
  for (const how of ['end', 'reset', '100, then end'] as const) {
    const site = await openSite(t, {
      servers: [first.port, { port: second.port, enable: false }]
    });
    const client = await site.client();
    client.send(get);
    const server = await first.next();
    await server.until('\r\n\r\n');
    site.server('ex2').settings = { ...site.server('ex2').settings, enable: true };
    if (how === '100, then end') server.send('HTTP/1.1 100 Continue\r\n\r\n');
    if (how === 'reset') server.socket.resetAndDestroy();
    else server.socket.end();
    if (how === '100, then end') await client.until('100 Continue\r\n\r\n');
    await expectClose(t, await expectAnswer(t, { site, client }, 502, 'server-closed'), client);
  }
  t.equal(second.accepted.length, 0);
});

t.test('an answer that cannot be read', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port] });
  const secret = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nsecret';
  for (const answer of [secret, 'SSH-2.0-OpenSSH\r\n', `${ok.slice(0, 20)}\n\n`]) {
    const client = await site.client();
    client.send(get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(answer);
    const message = await expectAnswer(t, { site, client }, 502, 'malformed-answer');
    t.notMatch(message.body, /secret|SSH/);
    await expectClose(t, message, client);
    await server.ended();
  }
});

t.test('malformed requests: nothing of them reaches a server', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port] });
  const cases: readonly [string, number, string][] = [
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 'malformed-request'],
    ['GET / HTTP/1.1\r\n\r\n', 400, 'malformed-request'],
    ['\x16\x03\x01\x02\x00\x01\x00', 400, 'malformed-request'],
    [`GET /${'a'.repeat(70_000)}`, 414, 'uri-too-long'],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(70_000)}`, 431, 'head-too-large'],
    ['CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', 501, 'not-implemented'],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505, 'version-not-supported'],
    [
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
      400,
      'malformed-request'
    ]
  ];
  for (const [request, status, code] of cases) {
    const client = await site.client();
    client.send(request);
    await expectClose(t, await expectAnswer(t, { site, client }, status, code), client);
  }
  for (const server of origin.accepted) t.equal(server.received.length, 0);
});

t.test('a bad request behind a good one', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port] });
  const client = await site.client();
  client.send(`${get}BAD\r\n\r\n${get}`);
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send(ok);
  t.equal((await client.message()).body, 'ok', 'the good one is answered first');
  await expectClose(t, await expectAnswer(t, { site, client }, 400, 'malformed-request'), client);
  await server.ended();
  t.equal(server.received.length, 0);
});

/** The Location for each request head; the connection stays for the next one. */
async function locations(
  t: Test,
  options: SiteOptions,
  requests: readonly string[]
): Promise<string[]> {
  const site = await openSite(t, options);
  const client = await site.client();
  const found: string[] = [];
  for (const request of requests) {
    client.send(request);
    const { head, body } = await client.message();
    t.match(head, /^HTTP\/1.1 302 Found\r\n/);
    t.equal(head.match(/^Location:/gim)?.length, 1);
    t.match(body, 'The page is at another address.');
    found.push(/^Location: (.*)\r$/m.exec(head)?.[1] ?? 'none');
  }
  t.equal(client.received.length, 0);
  return found;
}

function ask(target: string, host = 'mail.example.com'): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

t.test('redirect to https://%h%s', async (t) => {
  const keep = 'Connection: keep-alive\r\n\r\n';
  const rows: readonly [request: string, location: string][] = [
    [ask('/owa/?a=b&c=%20d', 'Mail.Example.com'), 'https://mail.example.com/owa/?a=b&c=%20d'],
    [ask('/', 'mail.example.com:80'), 'https://mail.example.com/'],
    [ask('/x', '192.0.2.1:8080'), 'https://192.0.2.1/x'],
    [ask('/x', '[2001:db8::1]:80'), 'https://[2001:db8::1]/x'],
    [ask('/%0d%0aSet-Cookie:%20a=b'), 'https://mail.example.com/%0d%0aSet-Cookie:%20a=b'],
    [ask('//evil.example/x'), 'https://mail.example.com//evil.example/x'],
    [ask('/@evil.example'), 'https://mail.example.com/@evil.example'],
    [ask('/\\evil'), 'https://mail.example.com/%5Cevil'],
    [ask('/"><script>'), 'https://mail.example.com/%22%3E%3Cscript%3E'],
    [ask('/\xe9?\xff'), 'https://mail.example.com/%E9?%FF'],
    [ask('/%h%s?%s%h'), 'https://mail.example.com/%h%s?%s%h'],
    [ask("/$&$1$'"), "https://mail.example.com/$&$1$'"],
    [ask('http://mail.example.com/a?b'), 'https://mail.example.com/a?b'],
    [ask('http://mail.example.com?b'), 'https://mail.example.com/?b'],
    [`GET /old HTTP/1.0\r\n${keep}`, 'https://127.0.0.1/old']
  ];
  const options = { service: { notAvailable: redirect } };
  const found = await locations(
    t,
    options,
    rows.map(([request]) => request)
  );
  for (const [i, [, location]] of rows.entries()) t.equal(found[i], location);
});

t.test('other targets', async (t) => {
  const target = async (urlOrText: string, request: string): Promise<string | undefined> => {
    const service = { notAvailable: { code: 302, urlOrText } };
    return (await locations(t, { service }, [request]))[0];
  };
  t.equal(await target('https://owa.example.com/', ask('/x')), 'https://owa.example.com/');
  t.equal(await target('/owa%s', ask('/x', 'a:81')), 'http://a:81/owa/x', 'relative to this host');
  t.equal(await target('%s', ask('//evil.example/x')), 'http://mail.example.com/evil.example/x');
  t.equal(await target('owa', ask('/x')), 'http://mail.example.com/owa');
});

t.test('hosts that are none', async (t) => {
  const site = await openSite(t, { service: { notAvailable: redirect } });
  for (const host of [
    'a b',
    'a/b',
    'a@b',
    'a\\b',
    'a:b',
    'a"b',
    'a\tb',
    '',
    ':80',
    '[::1',
    'a,b'
  ]) {
    const client = await site.client();
    client.send(ask('/', host));
    const message = await expectAnswer(t, { site, client }, 400, 'malformed-request');
    t.notMatch(message.head, /^Location/m);
    await expectClose(t, message, client);
  }
});

t.test('an error message tells nothing of the request', async (t) => {
  const site = await openSite(t, { service: { notAvailable: { code: 503, urlOrText: 'Sorry' } } });
  const client = await site.client();
  client.send(ask('/<script>alert(1)</script>?<b>'));
  const { head, body } = await client.message();
  t.match(head, /^Content-Type: text\/html; charset=utf-8\r$/m);
  t.match(head, /^Cache-Control: no-store\r$/m);
  t.notMatch(body, /script|<b>/);
});
