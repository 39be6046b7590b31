// What must not be felt: reloads, a worker's death, the end. Clients on keep-alive connections go
// on all the while, and every one of their answers counts.

import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import type { RecordedRequest } from '../../src/lab/exchange.ts';
import {
  basic,
  nextRecord,
  serviceOf,
  startSite,
  statusWhen,
  type ExchangeSite
} from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(90_000);

const host = 'Host: mail.example.com\r\n';

function ask(client: Peer, path: string): void {
  client.send(`GET ${path} HTTP/1.1\r\n${host}${basic.alice}\r\n`);
}

/** A client that asks again and again on one connection until it is told to stop. */
interface Caller {
  readonly name: string;
  answers: number;
  failure: string | undefined;
  stop(): Promise<void>;
}

async function call(site: ExchangeSite, name: string): Promise<Caller> {
  const client = await site.client();
  let stopped = false;
  const caller: Caller = {
    name,
    answers: 0,
    failure: undefined,
    stop: () => {
      stopped = true;
      return ended;
    }
  };
  const ended = (async () => {
    try {
      while (!stopped) {
        ask(client, `/owa/${name}`);
        const { head } = await client.message();
        if (!head.startsWith('HTTP/1.1 200 ')) caller.failure ??= head;
        caller.answers++;
      }
    } catch (error) {
      caller.failure ??= String(error);
    }
    client.socket.destroy();
  })();
  return caller;
}

function callers(site: ExchangeSite, count: number, prefix = 'c'): Promise<Caller[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => call(site, `${prefix}${n}-`)));
}

async function progress(all: readonly Caller[]): Promise<void> {
  const before = all.map(({ answers }) => answers);
  while (all.some((one, n) => one.failure === undefined && one.answers < (before[n] ?? 0) + 3)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Every caller stayed on one connection to a server. */
function checkKept(t: Test, records: readonly RecordedRequest[], all: readonly Caller[]): void {
  for (const { name } of all) {
    const own = records.filter(({ request }) => request.path === `/owa/${name}`);
    t.equal(
      new Set(own.map(({ connection }) => connection)).size,
      1,
      `${name} kept its connection`
    );
  }
}

t.test('twenty reloads under load', async (t) => {
  const recordsMax = 1_000_000;
  const site = await startSite(t, { servers: 1, exchange: { recordsMax } });
  const pids = (await site.status()).workers.map(({ pid }) => pid);
  const all = await callers(site, 8);
  let requests = 0;
  let since = '';
  for (let n = 1; n <= 20; n++) {
    await progress(all);
    const weight = `name: EX01, weight: ${1000 - n}`;
    const line = await site.ballast.reload(site.yaml.replace('name: EX01', weight));
    t.match(line, { msg: 'reloaded', revision: n + 1 });
    const status = await site.status();
    const [server] = serviceOf(status, 'Mail', 'OWA').realServers;
    t.match(server, { status: 'Up', weight: 1000 - n });
    t.ok((server?.requests ?? 0) >= requests, 'counters do not go back');
    requests = server?.requests ?? 0;
    since ||= server?.since ?? '';
    t.equal(server?.since, since, 'nor does the health');
  }
  await progress(all);
  const refused = await site.ballast.reload(site.yaml.replace('realServers:', 'realServer:'));
  t.equal(refused.msg, 'reload refused');
  await progress(all);
  await Promise.all(all.map((caller) => caller.stop()));

  t.strictSame(
    all.flatMap(({ failure }) => failure ?? []),
    [],
    'no failed request'
  );
  checkKept(t, site.servers[0]?.records ?? [], all);
  const sum = all.reduce((total, { answers }) => total + answers, 0);
  t.comment(`${sum} requests`);
  const status = await statusWhen(
    site.admin,
    (now) => serviceOf(now, 'Mail', 'OWA').realServers[0]?.requests === sum
  );
  t.equal(status.requests, sum, 'each request is counted once');
  t.equal(status.revision, 21, 'a broken file changes nothing');
  t.strictSame(
    status.workers.map(({ pid }) => pid),
    pids,
    'in the same workers'
  );
});

t.test('a reload that takes a server out', async (t) => {
  const site = await startSite(t);
  const line = `      - { address: ${site.addresses[0]}, port: ${site.serverPort}, name: EX01 }\n`;
  t.ok(site.yaml.includes(line));
  for (const [how, yaml] of [
    ['removed', site.yaml.replace(line, '')],
    ['disabled', site.yaml.replace('name: EX01', 'name: EX01, enable: false')]
  ] as const) {
    t.equal((await site.ballast.reload(site.yaml)).msg, 'reloaded');
    const client = await clientOn(site, 'EX01');
    const pinged = nextRecord(site.servers, 'request', '/microsoft-server-activesync');
    client.send(
      'POST /Microsoft-Server-ActiveSync?Cmd=Ping&heartbeat=1 HTTP/1.1\r\n' +
        `${host}${basic.alice}Content-Length: 0\r\n\r\n`
    );
    await pinged;
    t.equal((await site.ballast.reload(yaml)).msg, 'reloaded');
    const { head, body } = await client.message();
    t.match(head, /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX01\r\n/, `${how}: what runs finishes`);
    t.equal(body.length, 14, 'whole');
    ask(client, '/owa/');
    const next = await client.message();
    t.match(next.head, /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX02\r\n/, 'the next one moves');
    for (let n = 0; n < 4; n++) {
      const other = await site.client();
      ask(other, '/owa/');
      t.match((await other.message()).head, /\r\nX-FEServer: EX02\r\n/, 'and so do new clients');
    }
  }
});

/** As many clients as it takes to have one whose server this is. */
async function clientOn(site: ExchangeSite, server: string): Promise<Peer> {
  for (;;) {
    const client = await site.client();
    ask(client, '/owa/');
    if ((await client.message()).head.includes(`X-FEServer: ${server}`)) return client;
  }
}

t.test('a disabled server keeps its connections for the drain time only', async (t) => {
  const site = await startSite(t, { servers: 1 });
  const client = await site.client();
  client.send(`RPC_OUT_DATA /rpc/rpcproxy.dll HTTP/1.1\r\n${host}${basic.alice}`);
  client.send(`Content-Length: 76\r\n\r\n${'x'.repeat(76)}`);
  await client.until('\r\n\r\n');
  const yaml = site.yaml.replace('drainTime: 10', 'drainTime: 1');
  const begin = performance.now();
  await site.ballast.reload(yaml.replace('name: EX01', 'name: EX01, enable: false'));
  await client.ended();
  const tookMs = performance.now() - begin;
  t.ok(tookMs > 990 && tookMs < 4000, `ended after ${Math.round(tookMs)} ms`);
});

t.test('a worker killed under load', async (t) => {
  const site = await startSite(t);
  const [victim = 0, survivor = 0] = (await site.status()).workers.map(({ pid }) => pid);
  const all = await callers(site, 24);
  await progress(all);
  process.kill(victim, 'SIGKILL');
  const later = callers(site, 24, 'later');
  t.equal((await site.ballast.waitFor('worker died'))['how'], 'SIGKILL');
  const born = await site.ballast.waitFor(
    (line) => line.msg === 'worker serves' && ![victim, survivor].includes(Number(line['worker']))
  );
  const bornPid = Number(born['worker']);
  const served = (): boolean =>
    site.ballast.lines.some(({ msg, pid }) => msg === 'request' && pid === bornPid);
  const news = await later;
  // The kernel shares connections out as it likes, so as many as it takes.
  do {
    news.push(...(await callers(site, 24, `latest${news.length}-`)));
    await progress([...all, ...news]);
  } while (!served());
  await Promise.all([...all, ...news].map((caller) => caller.stop()));

  t.strictSame(
    news.flatMap(({ failure }) => failure ?? []),
    [],
    'new connections are all well'
  );
  const pidOf = new Map(
    site.ballast.lines
      .filter(({ msg }) => msg === 'request')
      .map((line) => [String(line['path']), Number(line['pid'])])
  );
  const lost = all.filter(({ failure }) => failure !== undefined).map(({ name }) => name);
  const itsOwn = all.map(({ name }) => name).filter((name) => pidOf.get(`/owa/${name}`) === victim);
  t.strictSame(lost, itsOwn, 'lost are the connections of that worker and no others');
  t.ok(lost.length > 0 && lost.length < all.length, `${lost.length} of ${all.length}`);
  const status = await site.status();
  t.strictSame(new Set(status.workers.map(({ pid }) => pid)), new Set([survivor, bornPid]));
  const pids = new Set(news.map(({ name }) => pidOf.get(`/owa/${name}`)));
  t.ok(pids.has(bornPid), 'the new worker serves');
});

t.test('SIGTERM lets a download finish', async (t) => {
  const size = 20_000_000;
  const site = await startSite(t);
  const idle = await site.client();
  ask(idle, '/owa/');
  await idle.message();
  const client = await site.client();
  ask(client, `/owa/download?bytes=${size}`);
  await client.until('\r\n\r\n');
  client.socket.pause();
  site.ballast.process.kill('SIGTERM');
  await site.ballast.waitFor('draining');
  t.equal(await idle.ended(), 'end', 'idle connections end at once');
  await refusal(site.https);
  t.pass('nobody is accepted any more');
  t.equal(site.ballast.process.exitCode, null, 'it waits for the download');
  client.socket.resume();
  t.equal((await client.take(size)).length, size, 'which arrives whole');
  t.equal(await site.ballast.exited, 0);
  const line = await site.ballast.waitFor((one) => one['path'] === '/owa/download');
  t.equal(line['status'], 200);
  t.ok(Number(line['bytesToClient']) > size);
});

/** Resolves when the port refuses; one that is just closing may reset who came last. */
async function refusal(port: number): Promise<void> {
  for (let code: string | undefined = ''; code !== 'ECONNREFUSED';) {
    const late = connect(port, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    code = error.code;
  }
}
