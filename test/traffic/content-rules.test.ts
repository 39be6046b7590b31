// Content rules at work between real sockets: before content switching, on requests, on answers.

import t, { type Test } from 'tap';
import type { ContentRule, EditRule } from '../../src/content-rule/content-rule.ts';
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

const flags = { name: 'rule', setOnMatch: 0, onlyOnFlag: 0, onlyOnNoFlag: 0 };

function match(pattern: string, more: Partial<ContentRule> = {}): ContentRule {
  const kind = { type: 'matchContent', matchType: 'prefix' } as const;
  const subject = { noCase: false, negate: false, incHost: false, incQuery: false, header: '' };
  return { ...flags, ...kind, ...subject, pattern, mustFail: false, ...more };
}

const addOffload: EditRule = { ...flags, type: 'addHeader', header: 'X-Off', replacement: 'Yes' };
const dropServer: EditRule = { ...flags, type: 'deleteHeader', pattern: 'Server' };
const toOwa: EditRule = {
  ...flags,
  type: 'modifyUrl',
  pattern: '/^\\/mail(.*)/',
  noCase: false,
  replacement: '/owa\\1'
};
const secure: EditRule = {
  ...flags,
  type: 'replaceHeader',
  header: 'Set-Cookie',
  pattern: '/^(.*)$/',
  noCase: false,
  replacement: '\\1; Secure'
};

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

t.test('requests are changed, with their body, one after the other', async (t) => {
  const service = { requestRules: [toOwa, addOffload] };
  const { client, origin, site } = await scene(t, { service });
  client.send('POST /mail/a?b HTTP/1.1\r\nhost:a\r\nX-B:  1 \r\nContent-Length: 4\r\n\r\nbo');
  const server = await origin.next();
  const head =
    'POST /owa/a?b HTTP/1.1\r\nhost:a\r\nX-B:  1 \r\nContent-Length: 4\r\nX-Off: Yes\r\n\r\n';
  t.equal((await server.take(head.length + 2)).toString('latin1'), `${head}bo`);
  client.send('dy' + get('/mail'));
  t.equal((await server.take(2)).toString('latin1'), 'dy');
  server.send(ok);
  t.equal((await client.message()).body, 'ok');
  t.equal(
    await server.until('\r\n\r\n'),
    get('/owa').replace('\r\n\r\n', '\r\nX-Off: Yes\r\n\r\n')
  );
  server.send(ok);
  await client.message();
  t.equal(origin.accepted.length, 1);
  t.equal(site.lines[0]?.['path'], '/mail/a', 'the log has what the client asked for');
});

t.test('answers are changed, with their body and however it is framed', async (t) => {
  const service = { responseRules: [dropServer, secure] };
  const { client, origin } = await scene(t, { service });
  client.send(get('/').repeat(3));
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send(
    'HTTP/1.1 200  fine \r\nServer: IIS\r\nSet-Cookie: a=1\r\nset-cookie:  b=2\r\nX-A: 1\r\n' +
      'Content-Length: 2\r\n\r\nok'
  );
  t.same(await client.message(), {
    head:
      'HTTP/1.1 200  fine \r\nSet-Cookie: a=1; Secure\r\nset-cookie:  b=2; Secure\r\nX-A: 1\r\n' +
      'Content-Length: 2\r\n\r\n',
    body: 'ok'
  });
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: IIS\r\n\r\n2\r\nok\r\n');
  server.send('0\r\n\r\n');
  t.equal(
    await client.until('0\r\n\r\n'),
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'
  );
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 304 Not Modified\r\nServer: IIS\r\n\r\n');
  t.equal((await client.message('bodyless')).head, 'HTTP/1.1 304 Not Modified\r\n\r\n');
});

t.test('interim answers stay, a 101 is changed like a final one', async (t) => {
  const { client, origin } = await scene(t, { service: { responseRules: [dropServer] } });
  client.send(
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nA: 1\r\n\r\n'
  );
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 103 Early Hints\r\nServer: x\r\n\r\n');
  t.match(await client.until('\r\n\r\n'), 'Server: x');
  server.send(
    'HTTP/1.1 101 Switching\r\nServer: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x01'
  );
  t.equal(
    await client.until('\x01'),
    'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01'
  );
});

t.test('an old client: rules, hop-by-hop fields and unchunking together', async (t) => {
  const { client, origin } = await scene(t, {
    service: { requestRules: [addOffload], responseRules: [dropServer] }
  });
  client.send('GET / HTTP/1.0\r\nA: 1\r\nConnection: x\r\nX: 1\r\nB: 2\r\n\r\n');
  const server = await origin.next();
  t.equal(
    await server.until('\r\n\r\n'),
    'GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nX-Off: Yes\r\nConnection: Keep-Alive\r\n\r\n'
  );
  server.send(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: IIS\r\n\r\n2\r\nok\r\n0\r\n\r\n'
  );
  t.equal(await client.rest(), 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok');
});

t.test('rules look at the client, the additional L7 header comes behind them', async (t) => {
  const dropForwarded: EditRule = { ...flags, type: 'deleteHeader', pattern: '/^x-forwarded-/' };
  const { client, origin } = await scene(t, {
    global: { additionalL7Header: 'x-forwarded-for' },
    service: { requestRules: [dropForwarded, addOffload] }
  });
  client.send(
    'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: x\r\n\r\n'
  );
  const server = await origin.next();
  t.equal(
    await server.until('\r\n\r\n'),
    'GET / HTTP/1.1\r\nHost: a\r\nX-Off: Yes\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n'
  );
});

t.test('the SubVS is chosen by what the client asked for', async (t) => {
  const [mail, owa] = [await listenPeer(t), await listenPeer(t)];
  const addName = (replacement: string): EditRule => ({
    ...flags,
    type: 'addHeader',
    header: 'X-By',
    replacement
  });
  const site = await openSite(t, {
    service: { requestRules: [toOwa, addName('service')], responseRules: [addName('service')] },
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [owa.port] },
      {
        name: 'Mail',
        prefix: '/mail',
        servers: [mail.port],
        settings: { requestRules: [addName('SubVS')], responseRules: [addName('SubVS')] }
      }
    ]
  });
  const client = await site.client();
  client.send(get('/mail/x'));
  const server = await mail.next();
  t.equal(
    await server.until('\r\n\r\n'),
    'GET /owa/x HTTP/1.1\r\nHost: a\r\nX-By: service\r\nX-By: SubVS\r\n\r\n'
  );
  server.send(ok);
  t.match((await client.message()).head, 'X-By: SubVS\r\nX-By: service\r\n\r\n');
  client.send(get('/owa/y'));
  const other = await owa.next();
  t.equal(await other.until('\r\n\r\n'), 'GET /owa/y HTTP/1.1\r\nHost: a\r\nX-By: service\r\n\r\n');
});

t.test('flags go from one rule to the next, and no further than the exchange', async (t) => {
  const { client, origin } = await scene(t, {
    service: {
      preProcessRules: [
        match('/owa', { setOnMatch: 1 }),
        match('10.', { header: 'src-ip', setOnMatch: 2 })
      ],
      requestRules: [
        { ...addOffload, onlyOnFlag: 1, setOnMatch: 3 },
        { ...addOffload, header: 'X-Not', onlyOnNoFlag: 1 },
        { ...addOffload, header: 'X-Two', onlyOnFlag: 2 }
      ],
      responseRules: [{ ...addOffload, onlyOnFlag: 3 }]
    }
  });
  let server: Peer | undefined;
  for (const [path, sent, got] of [
    ['/owa', 'X-Off: Yes\r\n', 'X-Off: Yes\r\n'],
    ['/ecp', 'X-Not: Yes\r\n', ''],
    ['/owa', 'X-Off: Yes\r\n', 'X-Off: Yes\r\n']
  ] as const) {
    client.send(get(path));
    server ??= await origin.next();
    t.equal(await server.until('\r\n\r\n'), `GET ${path} HTTP/1.1\r\nHost: a\r\n${sent}\r\n`);
    server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    t.equal((await client.message()).head, `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${got}\r\n`);
  }
});

t.test('a rule before content switching refuses, one of a SubVS behind it', async (t) => {
  const origin = await listenPeer(t);
  const refuse = (pattern: string): ContentRule =>
    match(pattern, { name: pattern, mustFail: true });
  const site = await openSite(t, {
    service: {
      preProcessRules: [
        refuse('/bad'),
        match('/secret', { setOnMatch: 4 }),
        match('GET', { header: 'method', onlyOnFlag: 4, name: 'flagged', mustFail: true })
      ]
    },
    subVSs: [
      {
        name: 'OWA',
        prefix: '/owa',
        servers: [origin.port],
        settings: { preProcessRules: [refuse('/owa/bad')] }
      },
      { name: 'Rest', servers: [origin.port] }
    ]
  });
  for (const [path, rule] of [
    ['/bad', '/bad'],
    ['/secret', 'flagged'],
    ['/owa/bad', '/owa/bad']
  ] as const) {
    const client = await site.client();
    client.send(get(path));
    t.match((await client.message()).head, /^HTTP\/1\.1 403 /, path);
    await client.ended();
    t.match(site.lines.at(-1), {
      closed: 'rule-must-fail',
      reason: new RegExp(`rule ${rule} refuses`)
    });
  }
  const client = await site.client();
  client.send(get('/other/owa/bad'));
  const server = await origin.next();
  t.equal(await server.until('\r\n\r\n'), get('/other/owa/bad'));
  t.equal(origin.accepted.length, 1, 'nothing refused reached the server');
});

t.test('a rule that cannot make a head refuses the request, and the answer', async (t) => {
  const big: EditRule = { ...toOwa, pattern: '/^(.*)$/', replacement: '\\1' };
  const { client, origin } = await scene(t, { service: { requestRules: [big] } });
  client.send(get(`/${'a'.repeat(9000)}`));
  t.match((await client.message()).head, /^HTTP\/1\.1 431 /);
  t.equal((await origin.next()).received.length, 0, 'nothing of it reached the server');
  const badHost: EditRule = { ...secure, header: 'Host', replacement: 'a b' };
  const hosts = await scene(t, { service: { requestRules: [badHost] } });
  hosts.client.send(get('/'));
  t.match((await hosts.client.message()).head, /^HTTP\/1\.1 400 /);
  const answers = await scene(t, { service: { responseRules: [secure] } });
  answers.client.send(get('/'));
  const server = await answers.origin.next();
  await server.until('\r\n\r\n');
  server.send(`HTTP/1.1 200 OK\r\nSet-Cookie: ${'a'.repeat(9000)}\r\nContent-Length: 0\r\n\r\n`);
  t.match((await answers.client.message()).head, /^HTTP\/1\.1 502 /);
});
