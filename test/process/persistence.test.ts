// Each persistence mode through the real program, with one worker and with four: clients of many
// addresses that make a new connection for every request.

import { createServer, request } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders, Server } from 'node:http';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { endBallast, ownAddress } from '../fixture/exchange-site.ts';

t.setTimeout(60_000);

/** A service for each mode; the names are those of the modes. */
const services: Readonly<Record<string, string>> = {
  src: 'persistMask: 28',
  'super-src': '',
  super: '',
  'active-cookie': '',
  'active-cook-src': 'cookie: Where',
  cookie: 'cookie: sid',
  'cookie-src': 'cookie: sid',
  url: '',
  'query-hash': 'queryTag: doc',
  host: '',
  header: 'cookie: X-Session'
};
const modes = Object.keys(services);

interface Farm {
  readonly ballast: Ballast;
  readonly servers: Map<string, Server>;
  readonly admin: number;
  port(mode: string): number;
  /** `first` = settings of the first server. */
  yaml(first?: string): string;
}

interface Client {
  readonly from?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
}

interface Got {
  readonly status: number;
  /** Name of the server that answered. */
  readonly by: string;
  readonly cookies: readonly string[];
}

async function startFarm(t: Test, workers: number): Promise<Farm> {
  const [admin = 0, serverPort = 0, ...ports] = await freePorts(2 + modes.length);
  const servers = new Map<string, Server>();
  const addresses = [ownAddress(0), ownAddress(1), ownAddress(2)];
  for (const [n, host] of addresses.entries()) {
    const name = `EX0${n + 1}`;
    let users = 0;
    const server = createServer({ maxHeaderSize: 100_000 }, (asked, answer) => {
      if (asked.url === '/login') answer.setHeader('Set-Cookie', `sid=${name}-${users++}; Path=/`);
      answer.end(name);
    });
    await once(server.listen(serverPort, host), 'listening');
    t.teardown(() => {
      server.close();
      server.closeAllConnections();
    });
    servers.set(name, server);
  }
  const yaml = (first = ''): string => `
global: { workers: ${workers}, checkInterval: 1, checkTimeout: 1, checkRetries: 0, drainTime: 3,
  trustedProxies: [127.0.0.0/8] }
admin: { port: ${admin} }
virtualServices:
${modes
  .map(
    (mode, n) => `
  - name: ${mode}
    address: 127.0.0.1
    port: ${ports[n]}
    schedule: lc
    persist: ${mode}
    persistTimeout: 600
    ${services[mode]}
    checkType: tcp
    realServers:
${addresses.map((host, i) => `      - { address: ${host}, port: ${serverPort}, name: EX0${i + 1}, ${i === 0 ? first : ''} }`).join('\n')}
`
  )
  .join('')}`;
  const ballast = await startBallast(yaml());
  t.teardown(() => endBallast(ballast));
  return { ballast, servers, admin, yaml, port: (mode) => ports[modes.indexOf(mode)] ?? 0 };
}

async function get(farm: Farm, mode: string, client: Client): Promise<Got> {
  const asked = request({
    port: farm.port(mode),
    host: '127.0.0.1',
    localAddress: client.from,
    path: client.path ?? '/',
    headers: { connection: 'close', ...client.headers },
    agent: false
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  let by = '';
  for await (const chunk of answer.setEncoding('utf8')) by += String(chunk);
  return { status: answer.statusCode ?? 0, by, cookies: answer.headers['set-cookie'] ?? [] };
}

/** The names of all who answered; what is asked at the same time is spread over the workers. */
async function homes(farm: Farm, mode: string, client: Client, count: number): Promise<string> {
  const all = await Promise.all(Array.from({ length: count }, () => get(farm, mode, client)));
  return [...new Set(all.map(({ by, status }) => (status === 200 ? by : String(status))))].join();
}

/** Client number `n`, as a mode tells clients apart; some must ask for a cookie first. */
async function client(farm: Farm, mode: string, n: number): Promise<Client> {
  const from = `127.0.9.${n}`;
  switch (mode) {
    case 'src':
      return { from: `127.0.9.${n * 16 + 3}` };
    case 'super-src':
      return { headers: { 'x-forwarded-for': `192.0.2.${n}, 10.0.0.1` } };
    case 'super':
      return { headers: { 'user-agent': 'Outlook', authorization: `Basic c2VjcmV0${n}` } };
    case 'active-cookie':
    case 'active-cook-src': {
      const { cookies } = await get(farm, mode, { from });
      return { from, headers: { cookie: cookies[0]?.split(';')[0] ?? '' } };
    }
    case 'cookie':
    case 'cookie-src': {
      const { cookies } = await get(farm, mode, { from, path: '/login' });
      return { from, headers: { cookie: `theme=1; ${cookies[0]?.split(';')[0] ?? ''}` } };
    }
    case 'url':
      return { path: `/owa/?n=${n}` };
    case 'query-hash':
      return { path: `/we/${Math.random()}?doc=${n}&x=${Math.random()}` };
    case 'host':
      return { headers: { host: `tenant${n}.example.com` } };
    default:
      return { headers: { 'x-session': `session-secret-${n}` } };
  }
}

for (const workers of [1, 4]) {
  t.test(`${workers} workers`, async (t) => {
    const farm = await startFarm(t, workers);

    for (const mode of modes) {
      await t.test(mode, async (t) => {
        const used = new Set<string>();
        for (let n = 1; n <= 5; n++) {
          const it = await client(farm, mode, n);
          // Not a multiple of three: each of those who ask at once takes a turn.
          const all = await homes(farm, mode, it, 11);
          t.match(all, /^EX0\d$/, `client ${n} always comes to one server`);
          used.add(all);
        }
        t.ok(used.size > 1, `clients are spread: ${[...used].join()}`);
      });
    }

    await t.test('the mask makes a network one client', async (t) => {
      const all = await Promise.all(
        Array.from({ length: 14 }, (_, n) => get(farm, 'src', { from: `127.0.8.${n + 1}` }))
      );
      t.equal(new Set(all.map(({ by }) => by)).size, 1);
    });

    await t.test('hostile keys', async (t) => {
      const large = 'x'.repeat(60_000);
      for (const value of [large, `sid=${large}`, 'sid=\xff\x80\xfe; Where=\xff', ';;=;sid;=']) {
        for (const mode of ['cookie', 'cookie-src', 'active-cookie', 'active-cook-src', 'header']) {
          const headers = mode === 'header' ? { 'x-session': value } : { cookie: value };
          t.equal((await get(farm, mode, { headers })).status, 200, mode);
        }
      }
      t.equal((await get(farm, 'url', { path: `/${'y'.repeat(8000)}` })).status, 200);
    });

    await t.test('nobody reads a secret in the log', async (t) => {
      const log = JSON.stringify(farm.ballast.lines) + farm.ballast.errors();
      t.match(log, /"msg":"request"/);
      t.notMatch(log, /session-secret|c2VjcmV0|EX0\d-\d|Where=|sid=/);
    });

    if (workers === 4) await survives(t, farm);
  });
}

async function survives(t: Test, farm: Farm): Promise<void> {
  const before = new Map<string, { readonly it: Client; readonly home: string }>();
  for (const mode of ['src', 'header', 'cookie', 'active-cookie']) {
    for (let n = 1; n <= 8; n++) {
      const it = await client(farm, mode, n);
      before.set(`${mode} ${n}`, { it, home: await homes(farm, mode, it, 2) });
    }
  }
  const modeOf = (name: string): string => name.split(' ')[0] ?? '';

  const served = (): number =>
    farm.ballast.lines.filter(({ msg }) => msg === 'worker serves').length;

  async function moved(count = 5): Promise<string[]> {
    const names: string[] = [];
    for (const [name, { it, home }] of before) {
      if ((await homes(farm, modeOf(name), it, count)) !== home) names.push(name);
    }
    return names;
  }

  await t.test('all workers are at it', async (t) => {
    const lines = farm.ballast.lines.filter(({ msg }) => msg === 'request');
    const ids = new Set(lines.map(({ id }) => String(id).split('-').slice(0, 2).join('-')));
    t.equal(ids.size, 4);
  });

  await t.test('a new client that comes to all workers at once gets one server', async (t) => {
    for (let n = 0; n < 20; n++) {
      const headers = { 'x-session': `burst ${n}` };
      t.match(await homes(farm, 'header', { headers }, 16), /^EX0\d$/);
    }
  });

  await t.test('a worker dies', async (t) => {
    const { workers } = await status(farm);
    process.kill(workers[0]?.pid ?? 0, 'SIGKILL');
    await farm.ballast.waitFor(() => served() === 5);
    t.strictSame(await moved(), []);
  });

  await t.test('all workers die', async (t) => {
    for (const { pid } of (await status(farm)).workers) process.kill(pid, 'SIGKILL');
    await farm.ballast.waitFor(() => served() === 9);
    t.strictSame(await moved(), []);
  });

  await t.test('a reload', async (t) => {
    t.equal((await farm.ballast.reload(farm.yaml('weight: 7'))).msg, 'reloaded');
    t.strictSame(await moved(), []);
  });

  await t.test('what the management listener tells', async (t) => {
    const { persistence, virtualServices } = await status(farm);
    t.ok(persistence.records > 40, `${persistence.records} records`);
    t.equal(persistence.lateAnswers, 0);
    t.strictSame(
      virtualServices.map(({ persist }) => persist),
      modes
    );
    const metrics = await (await fetch(`http://127.0.0.1:${farm.admin}/metrics`)).text();
    const entries = /^ballast_persistence_entries\{[^}]*virtual_service="header"[^}]*\} (\d+)$/m;
    t.ok(Number(entries.exec(metrics)?.[1]) >= 28);
    t.notMatch(metrics, /^ballast_persistence_entries\{[^}]*"active-cookie"/m, 'it has no table');
  });

  await t.test('a disabled server keeps its clients while it drains', async (t) => {
    t.equal((await farm.ballast.reload(farm.yaml('enable: false'))).msg, 'reloaded');
    const startedMs = performance.now();
    t.strictSame(await moved(1), []);
    for (let n = 0; n < 6; n++) {
      const headers = { 'x-session': `after ${n}` };
      t.match(await homes(farm, 'header', { headers }, 1), /^EX0[23]$/, 'new ones go elsewhere');
    }
    await new Promise((resolve) => setTimeout(resolve, startedMs + 3200 - performance.now()));
    const gone = await moved(3);
    const its = [...before].filter(([, { home }]) => home === 'EX01').map(([name]) => name);
    t.ok(its.length > 0);
    t.strictSame(gone.toSorted(), its.toSorted(), 'then they move, and only they');
    t.equal((await farm.ballast.reload(farm.yaml())).msg, 'reloaded');
  });

  await t.test('a server goes down, and nobody notices', async (t) => {
    for (const [name, { it }] of before) {
      before.set(name, { it, home: await homes(farm, modeOf(name), it, 2) });
    }
    const server = farm.servers.get('EX02');
    server?.close();
    server?.closeAllConnections();
    const its = [...before].filter(([, { home }]) => home === 'EX02').map(([name]) => name);
    t.ok(its.length > 0);
    for (const [name, { it, home }] of before) {
      const now = await homes(farm, modeOf(name), it, 4);
      if (home === 'EX02') t.match(now, /^EX0[13](?:,EX0[13])?$/, name);
      else t.equal(now, home, name);
    }
    await farm.ballast.waitFor('real server down');
    for (const [name, { it }] of before) {
      if (modeOf(name) === 'active-cookie') continue;
      const now = await homes(farm, modeOf(name), it, 8);
      t.match(now, /^EX0[13]$/, `${name} has one home again`);
    }
  });
}

interface Status {
  readonly workers: readonly { readonly pid: number; readonly state: string }[];
  readonly persistence: { readonly records: number; readonly lateAnswers: number };
  readonly virtualServices: readonly { readonly persist: string }[];
}

async function status({ admin }: Farm): Promise<Status> {
  return (await (await fetch(`http://127.0.0.1:${admin}/status`)).json()) as Status;
}
