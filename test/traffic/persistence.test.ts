// A service with persistence, as one worker serves it: when it is looked for, what the client and
// the server see of it, and what stands above it.

import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { PersistenceSettings } from '../../src/config/model.ts';
import type { SmallSettings } from '../fixture/configuration.ts';
import { startOrigin, type Origin } from '../fixture/origin.ts';
import type { Peer } from '../fixture/peer.ts';
import { openSite, type Site, type SiteOptions } from '../fixture/site.ts';

interface Scene {
  readonly site: Site;
  readonly origins: readonly Origin[];
  readonly settings: SmallSettings;
  /** What every answer of the servers brings besides, given the number of the server. */
  fields: (server: number) => string;
}

function persistence(settings: Partial<PersistenceSettings>): PersistenceSettings {
  return {
    mode: 'src',
    timeoutMs: 600_000,
    refresh: false,
    name: '',
    maskBits: 32,
    maskBits6: 128,
    ...settings
  };
}

/** Three servers that answer every request with their number. */
async function scene(
  t: Test,
  settings: Partial<PersistenceSettings>,
  more: (ports: readonly number[]) => Partial<SiteOptions> = () => ({})
): Promise<Scene> {
  const origins = await Promise.all([startOrigin(), startOrigin(), startOrigin()]);
  t.teardown(() => Promise.all(origins.map((origin) => origin.close())));
  const ports = origins.map(({ port }) => port);
  const small: SiteOptions = {
    servers: ports,
    service: { persistence: persistence(settings) },
    ...more(ports)
  };
  const it: Scene = { site: await openSite(t, small), origins, settings: small, fields: () => '' };
  for (const [n, origin] of origins.entries()) {
    const answered = new WeakMap<Socket, number>();
    origin.serve((socket, bytes) => {
      const asked = bytes.toString('latin1').split('\r\n\r\n').length - 1;
      for (let i = answered.get(socket) ?? 0; i < asked; i++) {
        socket.write(`HTTP/1.1 200 OK\r\n${it.fields(n + 1)}Content-Length: 1\r\n\r\n${n + 1}`);
      }
      answered.set(socket, asked);
    });
  }
  return it;
}

interface Got {
  /** Number of the server. */
  readonly by: string;
  readonly cookies: readonly string[];
}

async function get(client: Peer, fields = '', path = '/'): Promise<Got> {
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  const { head, body } = await client.message();
  const cookies = [...head.matchAll(/^Set-Cookie: (.*)\r$/gim)].map(([, cookie = '']) => cookie);
  return { by: body, cookies };
}

/** The same on a connection of its own. */
async function getNew({ site }: Scene, fields = '', path = '/'): Promise<Got> {
  const client = await site.client();
  const got = await get(client, fields, path);
  client.socket.destroy();
  return got;
}

async function getMany(it: Scene, count: number, fields = '', path = '/'): Promise<string> {
  let by = '';
  for (let n = 0; n < count; n++) by += (await getNew(it, fields, path)).by;
  return by;
}

const name = 'x-key';
const key = (value: string): string => `X-Key: ${value}\r\n`;

t.test('one key, one server; without a key the scheduler chooses', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const seen = await getMany(it, 6);
  t.strictSame(new Set(seen), new Set('123'), 'rr');
  const keys = ['a', 'b', 'c'];
  const first = [];
  for (const one of keys) first.push((await getNew(it, key(one))).by);
  t.strictSame(first.toSorted(), ['1', '2', '3'], 'keys are spread by the scheduler');
  for (const [n, one] of keys.entries()) {
    t.equal(await getMany(it, 4, key(one)), first[n]?.repeat(4));
  }
});

t.test('a connection stays where it is, unless persistence is always asked', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const home = { a: (await getNew(it, key('a'))).by, b: (await getNew(it, key('b'))).by };
  t.not(home.a, home.b);
  const client = await it.site.client();
  t.equal((await get(client, key('a'))).by, home.a);
  t.equal((await get(client, key('b'))).by, home.a, 'the first request decided');

  it.site.reload({ ...it.settings, global: { alwaysPersist: true } });
  t.equal((await get(client, key('b'))).by, home.b);
  t.equal((await get(client, key('a'))).by, home.a);
  t.equal((await get(client)).by, home.a, 'without a key it stays');
  t.equal((await get(client, `${key('b')}Authorization: NTLM TlRM\r\n`)).by, home.a);
  t.equal((await get(client, key('b'))).by, home.a, 'NTLM stands above all');
});

t.test('each SubVS looks once, and then the connection stays', async (t) => {
  const it = await scene(t, {}, (servers) => ({
    service: {},
    subVSs: [
      { name: 'Free', prefix: '/free', servers },
      { name: 'Held', servers, settings: { persistence: persistence({ mode: 'header', name }) } }
    ]
  }));
  const home = (await getNew(it, key('a'))).by;
  for (let n = 0; n < 3; n++) {
    const client = await it.site.client();
    const free = (await get(client, '', '/free')).by;
    t.equal((await get(client, key('a'), '/held')).by, home, `from ${free}`);
    t.equal((await get(client, '', '/free')).by, home, 'where it went');
  }
  const client = await it.site.client();
  const free = (await get(client, '', '/free')).by;
  t.equal((await get(client, key('new'), '/held')).by, free, 'an unknown client stays as well');
  t.equal(await getMany(it, 3, key('new')), free.repeat(3), 'and is known from then on');
});

t.test('who signed in is not moved by another SubVS', async (t) => {
  const it = await scene(t, {}, (servers) => ({
    service: {},
    subVSs: [
      { name: 'Free', prefix: '/free', servers },
      { name: 'Held', servers, settings: { persistence: persistence({ mode: 'header', name }) } }
    ]
  }));
  const home = (await getNew(it, key('a'))).by;
  for (let n = 0; n < 3; n++) {
    const client = await it.site.client();
    const free = (await get(client, 'Authorization: Negotiate YII=\r\n', '/free')).by;
    t.equal((await get(client, key('a'), '/held')).by, free, `not to ${home}`);
  }
});

t.test('a server that goes down loses its clients, and only it', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
  const before = await Promise.all(keys.map((one) => getNew(it, key(one)).then(({ by }) => by)));
  it.site.setHealth('ex2', { state: 'down', reason: 'test' });
  const after: string[] = [];
  for (const one of keys) after.push((await getNew(it, key(one))).by);
  for (const [n, one] of keys.entries()) {
    if (before[n] === '2') t.not(after[n], '2', one);
    else t.equal(after[n], before[n], one);
  }
});

t.test('a server that cannot be reached is replaced for good', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const home = Number((await getNew(it, key('a'))).by);
  await it.origins[home - 1]?.close();
  const next = (await getNew(it, key('a'))).by;
  t.not(next, String(home));
  t.strictSame(it.site.suspects, [`ex${home}`]);
  t.equal(await getMany(it, 3, key('a')), next.repeat(3));
  t.strictSame(it.site.suspects, [`ex${home}`], 'nobody tried there again');
});

t.test('a server that drains keeps those it has', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const home = (await getNew(it, key('a'))).by;
  const settings = (enabled: boolean): SmallSettings => ({
    ...it.settings,
    servers: it.origins.map(({ port }, n) => ({ port, enable: enabled || `${n + 1}` !== home }))
  });
  it.site.reload(settings(false));
  t.equal(await getMany(it, 3, key('a')), home.repeat(3));
  t.notMatch(await getMany(it, 6), home, 'new clients go elsewhere');
  it.site.server(`ex${home}`).drained = true;
  const next = (await getNew(it, key('a'))).by;
  t.not(next, home);
  it.site.reload(settings(true));
  t.equal(await getMany(it, 3, key('a')), next.repeat(3), 'who was moved stays there');
});

t.test('a full server gets its clients back', async (t) => {
  const it = await scene(t, { mode: 'header', name });
  const home = (await getNew(it, key('a'))).by;
  it.site.server(`ex${home}`).activeElsewhere = 1;
  it.site.reload({
    ...it.settings,
    servers: it.origins.map(({ port }) => ({ port, limit: 1 }))
  });
  t.not((await getNew(it, key('a'))).by, home);
  it.site.server(`ex${home}`).activeElsewhere = 0;
  t.equal((await getNew(it, key('a'))).by, home);
});

t.test('active-cookie', async (t) => {
  const it = await scene(t, { mode: 'active-cookie', name: 'Where' });
  const first = await getNew(it);
  t.match(first.cookies, [/^Where=[\w-]{22}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/]);
  const cookie = first.cookies[0]?.split(';')[0] ?? '';
  t.equal(await getMany(it, 5, `Cookie: a=1; ${cookie}; b=2\r\n`), first.by.repeat(5));
  t.match(it.origins[Number(first.by) - 1]?.seen().toString(), `Cookie: a=1; ${cookie}; b=2\r\n`);
  t.strictSame(new Set(await getMany(it, 6)), new Set('123'), 'without it the scheduler chooses');

  const client = await it.site.client();
  t.strictSame((await get(client, `Cookie: ${cookie}\r\n`)).cookies, first.cookies, 'lives on');
  t.strictSame((await get(client, `Cookie: ${cookie}\r\n`)).cookies, [], 'once a connection');
  it.fields = () => 'Set-Cookie: session=1; Path=/owa\r\n';
  const beside = await getNew(it, `Cookie: ${cookie}\r\n`);
  t.strictSame(beside.cookies, ['session=1; Path=/owa', ...first.cookies]);
  it.fields = () => '';

  it.site.setHealth(`ex${first.by}`, { state: 'down', reason: 'test' });
  const moved = await getNew(it, `Cookie: ${cookie}\r\n`);
  t.not(moved.by, first.by);
  t.not(moved.cookies[0]?.split(';')[0], cookie, 'the cookie of the other server');
  const mine = await get(client, `Cookie: ${cookie}\r\n`);
  t.not(mine.by, first.by);
  t.match(mine.cookies, [/^Where=/], 'in the middle of a connection as well');

  for (const hostile of ['', '../ex1', '\xff\x80', 'x'.repeat(60_000), `${cookie.slice(6)}x`]) {
    const got = await getNew(it, `Cookie: Where=${hostile}\r\n`);
    t.match(got.cookies, [/^Where=[\w-]{22}; /], JSON.stringify(hostile.slice(0, 10)));
  }
});

t.test('active-cookie on an answer to HTTP/1.0', async (t) => {
  const it = await scene(t, { mode: 'active-cookie', name: 'Where' });
  const client = await it.site.client();
  client.send('GET / HTTP/1.0\r\n\r\n');
  t.match(await client.rest(), /\r\nSet-Cookie: Where=[\w-]{22}; .*\r\nConnection: close\r\n\r\n/);
});

t.test('active-cook-src', async (t) => {
  const it = await scene(t, { mode: 'active-cook-src', name: 'Where' });
  const first = await getNew(it);
  t.equal(await getMany(it, 3), first.by.repeat(3), 'by the address');
  const others = new Map<string, string>();
  const elsewhere = it.site.plan.virtualServices[0]?.persistence?.ownCookie?.serverOf ?? new Map();
  for (const [value, server] of elsewhere) others.set(server.settings.name.slice(2), value);
  for (const [number, value] of others) {
    t.equal((await getNew(it, `Cookie: Where=${value}\r\n`)).by, number, 'the cookie goes first');
  }
});

t.test('cookie: what a server gives out leads back to it', async (t) => {
  const it = await scene(t, { mode: 'cookie', name: 'sid' });
  t.strictSame(new Set(await getMany(it, 6)), new Set('123'));
  it.fields = (server) => `Set-Cookie: sid=of-${server}; HttpOnly\r\nSet-Cookie: other=1\r\n`;
  await getMany(it, 6);
  it.fields = () => '';
  for (const server of ['3', '1', '2']) {
    t.equal(await getMany(it, 3, `Cookie: other=1; sid=of-${server}\r\n`), server.repeat(3));
  }
  const unknown = (await getNew(it, 'Cookie: sid=unknown\r\n')).by;
  t.equal(await getMany(it, 3, 'Cookie: sid=unknown\r\n'), unknown.repeat(3));

  it.fields = (server) => `Set-Cookie: sid=moved-${server}\r\n`;
  const client = await it.site.client();
  const { by } = await get(client, 'Cookie: sid=unknown\r\n');
  t.equal(await getMany(it, 2, `Cookie: sid=moved-${by}\r\n`), by.repeat(2));
});

t.test('cookies that stand in several fields', async (t) => {
  const it = await scene(t, { mode: 'cookie', name: 'sid' });
  const home = (await getNew(it, 'Cookie: a=1\r\nCookie: sid=x\r\n')).by;
  t.equal(await getMany(it, 4, 'Cookie: sid=x\r\n'), home.repeat(4));
  t.equal(await getMany(it, 4, `Cookie: a=${'1'.repeat(60_000)}; sid=x\r\n`), home.repeat(4));
});

t.test('refreshPersist makes every request a use', async (t) => {
  for (const refresh of [false, true]) {
    const it = await scene(t, { mode: 'header', name, refresh });
    const uses: string[] = [];
    const { bindings } = it.site.traffic;
    const use = bindings.use.bind(bindings);
    bindings.use = (...args) => {
      uses.push(args[1].settings.name);
      use(...args);
    };
    const client = await it.site.client();
    const { by } = await get(client, key('a'));
    uses.length = 0; // the record was written
    for (let n = 0; n < 3; n++) await get(client, key('a'));
    t.strictSame(uses, refresh ? Array<string>(3).fill(`ex${by}`) : []);
  }
});

t.test('super-src believes a trusted proxy', async (t) => {
  for (const trustedProxies of [[], ['127.0.0.0/8']]) {
    const it = await scene(t, { mode: 'super-src' }, () => ({ global: { trustedProxies } }));
    const homes = new Set<string>();
    for (let n = 0; n < 6; n++)
      homes.add((await getNew(it, `X-Forwarded-For: 10.0.0.${n}\r\n`)).by);
    t.equal(homes.size, trustedProxies.length === 0 ? 1 : 3);
  }
});

t.test('a client that leaves while the primary is asked leaves nothing behind', async (t) => {
  const it = await scene(t, { mode: 'src' });
  const { bindings } = it.site.traffic;
  const answered = Promise.withResolvers<undefined>();
  const asked = Promise.withResolvers<void>();
  bindings.ask = () => {
    asked.resolve();
    return answered.promise;
  };
  const client = await it.site.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await asked.promise;
  client.socket.resetAndDestroy();
  const session = it.site.session();
  while (!session.client.isClosed) await new Promise((resolve) => setTimeout(resolve, 1));
  answered.resolve(undefined);
  await it.site.empty();
  t.match(it.site.lines.at(-1), { closed: 'client-closed' });
  t.strictSame(
    it.origins.map((origin) => origin.seen().length),
    [0, 0, 0]
  );
});

t.test('no server at all', async (t) => {
  const it = await scene(t, { mode: 'src' });
  for (const one of ['ex1', 'ex2', 'ex3']) it.site.setHealth(one, { state: 'down', reason: 'x' });
  const client = await it.site.client();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.match((await client.message()).head, /^HTTP\/1\.1 503 /);
});
