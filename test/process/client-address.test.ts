// Who the client is when another balancer stands before Ballast, and how many connections one
// client may have: the whole program, with two workers.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import t from 'tap';
import { formatProxyHeader } from '../../src/net/proxy-header.ts';
import { freePorts, startBallast, type Ballast, type LogLine } from '../fixture/ballast.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { daemon } from '../fixture/daemon.ts';
import { dialPlain, dialTls, endBallast, temporaryFolder } from '../fixture/exchange-site.ts';
import { listenPeer, Peer } from '../fixture/peer.ts';
import { missing, run } from '../fixture/programs.ts';

t.setTimeout(60_000);

const client = { address: '203.0.113.9', port: 54321 };
const client6 = { address: '2001:db8::9', port: 54321 };
const here = { address: '192.0.2.1', port: 443 };
const get = 'GET /owa/ HTTP/1.1\r\nHost: mail.example.com\r\n\r\n';

const [
  web = 0,
  webs = 0,
  webLimit = 0,
  websLimit = 0,
  mail = 0,
  mails = 0,
  relay = 0,
  introduce = 0
] = await freePorts(8);
const [admin = 0] = await freePorts(1);

// It tells what it heard of the client.
const origin = createServer((request, response) => {
  response.end(`${request.headers['x-clientside']?.toString().split(' ')[0]}\n`);
});
await once(origin.listen(0, '127.0.0.1'), 'listening');
t.teardown(() => {
  origin.close();
  origin.closeAllConnections();
});
const greeter = await listenPeer(t);
const originPort = (origin.address() as AddressInfo).port;
const folder = temporaryFolder(t);
writeFileSync(join(folder, 'cert.pem'), (await testCertificate('mail.example.com')).pem);

const service = (name: string, port: number, settings: string, server: number): string =>
  `  - { name: ${name}, address: 127.0.0.1, port: ${port}, checkType: none, ${settings},
      realServers: ['127.0.0.1:${server}'] }\n`;
const proxied = 'acceptProxyProtocol: true';
const speaks = (protocol: string): string => `vsType: gen, serverInit: ${protocol}`;
const secure = 'sslAcceleration: true, certificates: [mail]';
const ballast: Ballast = await startBallast(`
global: { workers: 2, trustedProxies: [127.0.0.1], additionalL7Header: X-ClientSide }
admin: { port: ${admin} }
certificates: [{ name: mail, file: ${join(folder, 'cert.pem')} }]
virtualServices:
${service('web', web, `vsType: http, ${proxied}`, originPort)}
${service('webs', webs, `vsType: http, ${proxied}, ${secure}`, originPort)}
${service('relay', relay, `vsType: gen, ${proxied}, proxyProtocol: v1`, greeter.port)}
${service('introduce', introduce, `${speaks('smtp')}, ${proxied}, xclient: true`, greeter.port)}
${service('webLimit', webLimit, 'vsType: http, clientConnsLimit: 3', originPort)}
${service('websLimit', websLimit, `vsType: http, clientConnsLimit: 3, ${secure}`, originPort)}
${service('mail', mail, `${speaks('imap')}, ${proxied}, clientConnsLimit: 2`, greeter.port)}
${service('mails', mails, `${speaks('imap')}, clientConnsLimit: 2, ${secure}`, greeter.port)}`);
t.teardown(() => endBallast(ballast));

const refused = (closed: string, from = '127.0.0.1'): Promise<LogLine> =>
  ballast.waitFor((line) => line['closed'] === closed && line['client'] === from);

/** The limit of one worker is exact; the other one hears of a connection within 50 ms. */
const heardMs = 120;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What came from the origin: who it says the client is. */
async function asked(peer: Peer): Promise<string> {
  peer.send(get);
  return (await peer.message()).body.trim();
}

const silent = await dialPlain(t, web); // for a later test, since its time is long

t.test('the client of a PROXY header', async (t) => {
  for (const version of ['v1', 'v2'] as const) {
    for (const one of [client, client6]) {
      const peer = await dialPlain(t, web);
      peer.send(formatProxyHeader(version, one, here));
      t.equal(await asked(peer), `${one.address}:${one.port}`);
      t.equal(await asked(peer), `${one.address}:${one.port}`, 'every request of the connection');
      const line = await ballast.waitFor((it) => it['client'] === one.address);
      t.match(line, { msg: 'request', virtualService: 'web', status: 200 });
    }
    const raw = connect({ port: webs, host: '127.0.0.1' });
    t.teardown(() => raw.destroy());
    raw.write(formatProxyHeader(version, client, here));
    const peer = new Peer(connectTls({ socket: raw, rejectUnauthorized: false }));
    t.equal(await asked(peer), '203.0.113.9:54321', 'before TLS');
  }
  const peer = await dialPlain(t, web);
  peer.send('PROXY UNKNOWN\r\n');
  const { localPort } = peer.socket;
  t.equal(await asked(peer), `127.0.0.1:${localPort}`, 'the balancer speaks for itself');
});

t.test('refused without a good header', async (t) => {
  for (const port of [web, webs, mail]) {
    const peer = await dialPlain(t, port);
    peer.send('GET / HTTP/1.1\r\n\r\n');
    t.equal(await peer.rest(), '', 'nothing is said');
  }
  t.match(await refused('no-proxy-header'), {
    msg: 'refused',
    level: 'warn',
    virtualService: 'web',
    reason: 'no PROXY header',
    fault: 'client'
  });
  const stranger = await dialPlain(t, web, '127.0.0.1', '127.0.0.5');
  stranger.send(Buffer.concat([formatProxyHeader('v1', client, here), Buffer.from(get)]));
  t.equal(await stranger.rest(), '');
  const { reason } = await refused('no-proxy-header', '127.0.0.5');
  t.match(reason, /none of the trusted proxies/);
  const probe = await dialPlain(t, web);
  probe.socket.end();
  await probe.ended();
  t.equal(ballast.lines.filter(({ closed }) => closed === 'no-proxy-header').length, 4);
  t.equal(await countOf('web', 'no-proxy-header', 2), 2);
});

t.test('curl with a PROXY header', { skip: missing('curl') }, async (t) => {
  const said = await run('curl', '-sS', '--haproxy-protocol', `http://127.0.0.1:${web}/owa/`);
  t.match(said, /^127\.0\.0\.1:\d+\n$/);
  const url = `https://127.0.0.1:${webs}/owa/`;
  t.match(await run('curl', '-sSk', '--haproxy-protocol', url), /^127\.0\.0\.1:\d+\n$/);
});

t.test('HAProxy before Ballast', { skip: missing('curl', 'haproxy') }, async (t) => {
  const [front = 0, frontTls = 0] = await freePorts(2);
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen plain
  bind 127.0.0.1:${front}
  server a 127.0.0.1:${web} send-proxy check check-send-proxy inter 100
listen secure
  bind 127.0.0.1:${frontTls}
  server a 127.0.0.1:${webs} send-proxy-v2 check inter 100
`
  );
  const haproxy = daemon({
    command: ['haproxy', '-f', file, '-db'],
    address: '127.0.0.1',
    ports: [front, frontTls],
    outputFile: join(folder, 'haproxy.out'),
    logFile: join(folder, 'haproxy.log')
  });
  await haproxy.start();
  t.teardown(() => haproxy.kill());
  const from = (url: string): Promise<string> =>
    run('curl', '-sSk', '--interface', '127.0.0.77', url);
  const before = ballast.lines.length;
  t.match(await from(`http://127.0.0.1:${front}/owa/`), /^127\.0\.0\.77:\d+\n$/);
  t.match(await from(`https://127.0.0.1:${frontTls}/owa/`), /^127\.0\.0\.77:\d+\n$/);
  await wait(300); // a few health checks, by a bare connection and with PROXY UNKNOWN
  const later = ballast.lines.slice(before);
  t.strictSame(
    later.filter(({ level }) => level !== 'info'),
    [],
    'nothing was refused'
  );
});

/** As many as it takes until `want` of them are in; gives those, and how the next ones fared. */
async function fill(dial: () => Promise<Peer>, want: number): Promise<Peer[]> {
  const all: Peer[] = [];
  for (let n = 0; n < want; n++) {
    all.push(await dial());
    await wait(heardMs);
  }
  return all;
}

t.test('connections of one client, HTTP', async (t) => {
  const dial = (from: string) => async (): Promise<Peer> => {
    const peer = await dialPlain(t, webLimit, '127.0.0.1', from);
    t.match(await asked(peer), from);
    return peer;
  };
  const all = await fill(dial('127.0.0.2'), 3);
  for (let n = 0; n < 6; n++) {
    const peer = await dialPlain(t, webLimit, '127.0.0.1', '127.0.0.2');
    peer.send(get);
    const { head, body } = await peer.message();
    t.match(head, /^HTTP\/1\.1 503 /);
    t.match(head, /\r\nConnection: close\r\n/);
    t.equal(await peer.ended(), 'end', 'whichever worker has it');
    if (n > 0) continue;
    const id = /Request (\S+)/.exec(body)?.[1];
    t.match(await refused('too-many-connections', '127.0.0.2'), {
      msg: 'refused',
      id,
      status: 503
    });
  }
  await fill(dial('127.0.0.3'), 1);
  t.match(await asked(all[0] as Peer), '127.0.0.2', 'who is in stays in');
  all[1]?.socket.destroy();
  all[2]?.socket.end();
  await wait(heardMs);
  await fill(dial('127.0.0.2'), 2);
  t.equal(await countOf('webLimit', 'too-many-connections', 6), 6);
});

t.test('connections of one client, HTTPS', async (t) => {
  const dial = async (): Promise<Peer> => {
    const peer = await dialTls(t, websLimit, { localAddress: '127.0.0.2' } as object);
    t.match(await asked(peer), '127.0.0.2');
    return peer;
  };
  const all = await fill(dial, 3);
  for (let n = 0; n < 4; n++) {
    const raw = await dialPlain(t, websLimit, '127.0.0.1', '127.0.0.2');
    t.equal(await raw.rest(), '', 'closed before TLS');
  }
  for (const peer of all) peer.socket.destroy();
  await wait(heardMs);
  await fill(dial, 3);
});

t.test('connections of one client, mail, counted by the PROXY header', async (t) => {
  const dial = async (one: typeof client): Promise<Peer> => {
    const peer = await dialPlain(t, mail);
    peer.send(formatProxyHeader('v2', one, here));
    return peer;
  };
  const all = await fill(() => dial(client), 2);
  for (const peer of all) {
    (await greeter.next()).send('* OK ready\r\n');
    t.equal(await peer.until('\r\n'), '* OK ready\r\n');
  }
  for (let n = 0; n < 4; n++) {
    t.match(await (await dial(client)).rest(), /too many connections from your address/);
  }
  t.match(await refused('too-many-connections', client.address), { msg: 'session' });
  const other = await dial(client6);
  (await greeter.next()).send('* OK ready\r\n');
  await other.until('\r\n');
  t.equal(greeter.accepted.length, 3, 'no server is dialled for who is refused');
});

t.test('a balancer that never sends its header', async (t) => {
  const { closed } = await ballast.waitFor(
    ({ reason }) => reason === 'no PROXY header within 5000 ms'
  );
  t.equal(closed, 'no-proxy-header');
  t.equal(await silent.rest(), '');
});

t.test('the client of a PROXY header is told on', async (t) => {
  const relayed = await dialPlain(t, relay);
  relayed.send(Buffer.concat([formatProxyHeader('v2', client6, here), Buffer.from('hello')]));
  const heard = await (await greeter.next()).until('hello');
  const to = `0:0:0:0:0:ffff:7f00:1 54321 ${relay}`;
  t.equal(heard, `PROXY TCP6 2001:db8:0:0:0:0:0:9 ${to}\r\nhello`);

  const introduced = await dialPlain(t, introduce);
  introduced.send(formatProxyHeader('v1', client6, here));
  const server = await greeter.next();
  server.send('220 mx1 ESMTP\r\n');
  await server.until('\r\n');
  server.send('250-mx1\r\n250 XCLIENT ADDR PORT\r\n');
  t.equal(await server.until('\r\n'), 'XCLIENT ADDR=IPV6:2001:db8::9 PORT=54321\r\n');
});

t.test('implicit TLS of mail; a worker’s death gives its counts back', async (t) => {
  const dial = (): Promise<Peer> => dialTls(t, mails);
  const all = await fill(dial, 2);
  t.equal(await (await dialPlain(t, mails)).rest(), '');
  const workers = (await pids()).toSorted((a, b) => a - b);
  for (const pid of workers) process.kill(pid, 'SIGKILL');
  for (const peer of all) await peer.ended();
  for (;;) {
    const now = await pids();
    if (now.length === 2 && now.every((pid) => !workers.includes(pid))) {
      for (const pid of now) {
        await ballast.waitFor(({ msg, worker }) => msg === 'worker serves' && worker === pid);
      }
      break;
    }
    await wait(20);
  }
  for (const peer of await fill(dial, 2)) t.equal(peer.ending, undefined);
});

async function pids(): Promise<number[]> {
  const response = await fetch(`http://127.0.0.1:${admin}/status`);
  const status = (await response.json()) as { workers: { pid: number; state: string }[] };
  return status.workers.filter(({ state }) => state !== 'starting').map(({ pid }) => pid);
}

/** What `/metrics` has for this reason, once it is as many as that. */
async function countOf(name: string, reason: string, enough: number): Promise<number> {
  for (;;) {
    const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
    const line = text
      .split('\n')
      .find((one) => one.includes(`"${name}"`) && one.includes(`"${reason}"`));
    const count = Number(line?.split(' ').at(-1) ?? 0);
    if (count >= enough) return count;
    await wait(50);
  }
}
