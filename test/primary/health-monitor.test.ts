import t, { type Test } from 'tap';
import type { CheckSettings, Health, RealServer, TcpSettings } from '../../src/config/model.ts';
import type { Logger } from '../../src/log.ts';
import { HealthMonitor } from '../../src/primary/health-monitor.ts';
import { relays } from '../fixture/configuration.ts';
import { closedPort, says, scriptedServer } from '../health-check/scripted-server.ts';
import { checkSettings, configurationOf, realServer, virtualService } from './configuration.ts';

const ok = says('HTTP/1.1 200 OK\r\n\r\n');
const bad = says('HTTP/1.1 503 No\r\n\r\nmaintenance');
const never = 1e6;

/** A monitor whose news can be awaited one by one. */
function monitored(t: Test, spacingMs = 0) {
  const news: string[] = [];
  const logged: string[] = [];
  let wake = (): void => {};
  const log = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`);
  };
  const monitor = new HealthMonitor({
    // Only these two are called.
    log: { info: log, warn: log } as unknown as Logger,
    spacingMs,
    onHealth(id, health) {
      news.push(`${id} ${health.state}`);
      wake();
    }
  });
  t.teardown(() => monitor.stop());
  const next = async (): Promise<string> => {
    for (;;) {
      const first = news.shift();
      if (first !== undefined) return first;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { monitor, next, news, logged };
}

function one(server: RealServer, check: Partial<CheckSettings> = {}) {
  return configurationOf([virtualService({ check: checkSettings(check), realServers: [server] })]);
}

async function server(t: Test, ...args: Parameters<typeof scriptedServer>) {
  const scripted = await scriptedServer(...args);
  t.teardown(() => scripted.close());
  return scripted;
}

t.test('a server rises and falls, with one line each', async (t) => {
  const it = await server(t, ok);
  const { monitor, next, logged } = monitored(t);
  monitor.reconcile(one(realServer('a', it)));
  t.strictSame(monitor.health('a'), { state: 'unknown' });
  t.equal(await next(), 'a up');
  it.script = bad;
  t.equal(await next(), 'a down');
  const reason =
    `sent "GET / HTTP/1.0" to http://127.0.0.1:${it.port}; ` +
    'got "HTTP/1.1 503 No", body "maintenance"';
  t.strictSame(monitor.health('a'), { state: 'down', reason });
  t.strictSame(monitor.all(), [['a', { state: 'down', reason }]]);
  it.script = ok;
  t.equal(await next(), 'a up');
  const facts = { realServer: 'a', service: 'web', state: 'up' };
  t.strictSame(logged, [
    `real server up ${JSON.stringify(facts)}`,
    `real server down ${JSON.stringify({ ...facts, state: 'down', reason })}`,
    `real server up ${JSON.stringify(facts)}`
  ]);
  const record = monitor.record('a');
  t.match(record, { sinceMs: Number, lastCheckAtMs: Number, lastCheckDurationMs: Number });
  const back = { state: 'up', sinceMs: record?.sinceMs };
  t.strictSame(record?.health, back, 'it came back: workers want to know when');
  monitor.checkNow('a');
  t.equal(await next(), 'a up');
  t.strictSame(monitor.all(), [['a', back]], 'and it stays the same time');
  t.ok(Date.now() - (record?.sinceMs ?? 0) < 10_000);
});

t.test('silence takes it down after the retries only', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { retries: 3 }));
  t.equal(await next(), 'a up');
  const before = it.heard.length;
  let asked = 0;
  it.script = (socket) => {
    asked++;
    socket.end();
  };
  t.equal(await next(), 'a down');
  t.equal(asked, 4, 'the first try and three more');
  t.ok(before >= 1);
});

t.test('the time for an answer ends a check', async (t) => {
  const it = await server(t, () => {});
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { timeoutMs: 20, retries: 0 }));
  t.equal(await next(), 'a down');
  t.match(monitor.health('a'), { reason: /got nothing: no answer in time$/ });
});

t.test('a check port of its own', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  const port = await closedPort();
  monitor.reconcile(one(realServer('a', { address: it.address, port }), { port: it.port }));
  t.equal(await next(), 'a up');
});

t.test('checkNow asks at once and answers even when nothing changed', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { intervalMs: never }));
  t.equal(await next(), 'a up');
  monitor.checkNow('a');
  t.equal(await next(), 'a up', 'the suspicion was wrong');
  t.equal(it.heard.length, 2);
  it.script = bad;
  monitor.checkNow('a');
  t.equal(await next(), 'a down', 'it was right');
  monitor.checkNow('a');
  t.equal(await next(), 'a down', 'and still is');
  monitor.checkNow('nobody');
});

t.test('checkNow of a silent server answers when the retries are through', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { intervalMs: never, retries: 2 }));
  t.equal(await next(), 'a up');
  it.script = (socket) => socket.end();
  monitor.checkNow('a');
  t.equal(await next(), 'a down', 'no "up" before');
  t.equal(it.heard.length, 1 + 3);
});

t.test('one check at a time, and not too often', async (t) => {
  let open = 0;
  let most = 0;
  const starts: number[] = [];
  const it = await server(t, (socket) => {
    starts.push(performance.now());
    most = Math.max(most, ++open);
    socket.once('close', () => open--);
    setTimeout(() => socket.end('HTTP/1.1 200 OK\r\n\r\n'), 20);
  });
  const { monitor, next } = monitored(t, 100);
  monitor.reconcile(one(realServer('a', it), { intervalMs: never }));
  t.equal(await next(), 'a up');
  for (let n = 0; n < 50; n++) monitor.checkNow('a');
  t.equal(await next(), 'a up');
  t.equal(it.heard.length, 2, 'fifty suspicions, one check');
  t.equal(most, 1);
  const [first = 0, second = 0] = starts;
  // A millisecond or two: the server sees both starts a little late.
  t.ok(second - first >= 90, `${second - first} ms apart`);
});

t.test('a suspicion during a check gets a check of its own', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { intervalMs: never }));
  t.equal(await next(), 'a up');
  // The check that is under way saw the server alive; it died after that.
  it.script = (socket) => {
    it.script = bad;
    monitor.checkNow('a');
    ok(socket, '');
  };
  monitor.checkNow('a');
  t.equal(await next(), 'a down', 'not "up" from the check that began before');
});

t.test('none is never asked, and a suspicion against it is answered', async (t) => {
  const it = await server(t, ok);
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { type: 'none' }));
  await monitor.allCheckedOnce();
  t.strictSame(monitor.health('a'), { state: 'unchecked' });
  monitor.checkNow('a');
  t.equal(await next(), 'a unchecked');
  t.strictSame(it.heard, []);
});

t.test('allCheckedOnce waits for all, down ones too', async (t) => {
  const it = await server(t, ok);
  const { monitor } = monitored(t);
  const nobody = { address: '127.0.0.1', port: await closedPort() };
  const realServers = [realServer('a', it), realServer('b', nobody), realServer('c', it)];
  const check = checkSettings({ intervalMs: 200 });
  monitor.reconcile(configurationOf([virtualService({ check, realServers })]));
  await monitor.allCheckedOnce();
  t.strictSame(
    monitor.all().map(([id, { state }]) => `${id} ${state}`),
    ['a up', 'b down', 'c up']
  );
});

t.test('reconcile', async (t) => {
  const [a, b] = [await server(t, ok), await server(t, ok)];
  const { monitor, next, news } = monitored(t);
  monitor.reconcile(one(realServer('a', a), { intervalMs: never }));
  t.equal(await next(), 'a up');
  const before = monitor.record('a');

  await t.test('keeps what is unchanged, whatever its weight', async (t) => {
    const realServers = [realServer('a', a, { weight: 1, enable: false }), realServer('b', b)];
    const check = checkSettings({ intervalMs: never });
    monitor.reconcile(configurationOf([virtualService({ check, realServers })]));
    t.equal(await next(), 'b up');
    t.strictSame(monitor.record('a'), before);
    t.equal(a.heard.length, 1, 'and does not ask it again');
  });

  await t.test('a changed check keeps the verdict until it has its own', async (t) => {
    a.script = bad;
    monitor.reconcile(one(realServer('a', a), { intervalMs: never, url: '/other' }));
    t.strictSame(monitor.health('a'), { state: 'up' });
    t.equal(monitor.record('b'), undefined, 'what left is forgotten');
    t.equal(await next(), 'a down');
    t.match(a.heard.at(-1), /^GET \/other /);
  });

  await t.test('a check that is under way when its server leaves says nothing more', async (t) => {
    const gone = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    a.script = (socket) => {
      asked.resolve();
      socket.once('close', () => gone.resolve());
    };
    monitor.checkNow('a');
    await asked.promise;
    monitor.reconcile(configurationOf([]));
    await gone.promise;
    t.strictSame(news, []);
    t.strictSame(monitor.all(), []);
    await monitor.allCheckedOnce();
  });
});

t.test('each SubVS checks on its own', async (t) => {
  const it = await server(t, (socket, heard) =>
    (heard.startsWith('GET /owa') ? ok : bad)(socket, heard)
  );
  const { monitor } = monitored(t);
  const subVSs = ['owa', 'ecp'].map((name) => ({
    ...virtualService(),
    name,
    rules: [],
    isDefault: false,
    check: checkSettings({ url: `/${name}/healthcheck.htm` }),
    realServers: [realServer(`web/${name}/x`, it)]
  }));
  monitor.reconcile(configurationOf([virtualService({ subVSs })]));
  await monitor.allCheckedOnce();
  const states = monitor.all().map(([id, { state }]): [string, Health['state']] => [id, state]);
  t.strictSame(states, [
    ['web/owa/x', 'up'],
    ['web/ecp/x', 'down']
  ]);
});

t.test('the body of an answer decides where there is a checkPattern', async (t) => {
  const it = await server(t, says('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n200 OK'));
  const { monitor, next } = monitored(t);
  monitor.reconcile(one(realServer('a', it), { pattern: '200 OK' }));
  t.equal(await next(), 'a up');
  it.script = says('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsoon');
  t.equal(await next(), 'a down');
  t.match(monitor.health('a'), { reason: /checkPattern does not match its body "soon"$/ });
});

t.test('a service goes down and comes back by the number of its servers', async (t) => {
  const [one, two] = [await server(t, bad), await server(t, ok)];
  const { monitor, next, logged } = monitored(t);
  const realServers = [realServer('a', one), realServer('b', two)];
  const told = (): string[] => logged.filter((line) => line.startsWith('service'));
  const need = (rsMinimum: number) =>
    configurationOf([virtualService({ rsMinimum, check: checkSettings(), realServers })]);
  monitor.reconcile(need(2));
  await next();
  await next();
  const reason = '1 real servers are up and rsMinimum is 2';
  const down = `service down ${JSON.stringify({ service: 'web', reason })}`;
  t.strictSame(told(), [down], 'once, when both are known');
  one.script = ok;
  t.equal(await next(), 'a up');
  t.strictSame(told(), [down, 'service up {"service":"web"}']);
  monitor.reconcile(need(1));
  one.script = bad;
  t.equal(await next(), 'a down');
  t.equal(told().length, 2, 'one will do now');
});

t.test(
  'a server that wants a PROXY header gets one with its checks, another port not',
  async (t) => {
    const greeted = '* OK ready\r\n';
    const it = await server(t, (socket, heard) => {
      if (heard.startsWith('PROXY ') || heard.startsWith('\r\n')) socket.write(greeted);
      else socket.end('b1 OK\r\n');
    });
    const { monitor, next } = monitored(t);
    const plan = (proxyProtocol: 'none' | 'v1' | 'v2', port: number) => {
      const tcp = { ...relays({ proxyProtocol }).tcp } as TcpSettings;
      const check = checkSettings({ type: 'imap', timeoutMs: 200, retries: 0, port });
      const realServers = [realServer('a', it)];
      return configurationOf([virtualService({ vsType: 'gen', tcp, check, realServers })]);
    };
    monitor.reconcile(plan('v1', 0));
    t.equal(await next(), 'a up');
    t.match(it.heard[0], /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/);
    monitor.reconcile(plan('none', 0));
    t.equal(await next(), 'a down', 'a changed header is another check');
    monitor.reconcile(plan('v2', it.port));
    t.equal(await next(), 'a up');
    const other = await server(t, () => {});
    monitor.reconcile(plan('v2', other.port));
    t.equal(await next(), 'a down');
    t.strictSame(
      other.heard.filter((text) => text.includes('QUIT\n')),
      []
    );
  }
);
