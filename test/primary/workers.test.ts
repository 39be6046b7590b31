import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Logger } from '../../src/log.ts';
import { WorkerCounts, WorkerLoads } from '../../src/primary/worker-loads.ts';
import { respawnDelayMs, Workers } from '../../src/primary/workers.ts';
import { configurationOf, realServer, virtualService } from './configuration.ts';

/** What a stub worker heard. */
interface Heard {
  readonly pid: number;
  readonly plan?: number;
  readonly ticketKeys?: string;
  readonly health?: unknown;
  readonly elsewhere?: readonly (readonly [string, number])[];
}

const heard: Heard[] = [];
const logged: string[] = [];
let wake = (): void => {};

/** The next thing that a worker heard and that `test` is true of; the others stay. */
async function hear(test: (heard: Heard) => boolean): Promise<Heard> {
  for (;;) {
    const index = heard.findIndex(test);
    const [found] = index === -1 ? [] : heard.splice(index, 1);
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => (wake = resolve));
  }
}

function plan(order: string, workers: number) {
  const server = realServer('a', { address: '127.0.0.1', port: 1 });
  return configurationOf([virtualService({ name: order, realServers: [server] })], { workers });
}

t.test('workers', async (t) => {
  const workers = new Workers({
    program: fileURLToPath(new URL('stub-worker.ts', import.meta.url)),
    // Only these two are called.
    log: {
      error: (_: object, message: string) => logged.push(message),
      info: () => {}
    } as unknown as Logger,
    health: () => [['a', { state: 'up' }]],
    onSuspect(id) {
      heard.push(JSON.parse(id) as Heard);
      wake();
    }
  });
  t.teardown(() => workers.kill());
  const pids = (): number[] => workers.list().map(({ pid }) => pid ?? 0);

  await t.test('start with the plan, the health and the same keys', async (t) => {
    t.equal(await workers.apply(plan('serve', 2), 1), 'applied');
    const [one, two] = [await hear(() => true), await hear(() => true)];
    t.match(one, { plan: 1, health: [['a', { state: 'up' }]] });
    t.equal(Buffer.from(one.ticketKeys ?? '', 'base64').length, 48);
    t.equal(one.ticketKeys, two.ticketKeys);
    t.strictSame(new Set([one.pid, two.pid]), new Set(pids()));
    t.ok(workers.list().every(({ stage }) => stage === 'serving'));
  });

  await t.test('hear of health', async (t) => {
    workers.tellHealth('a', { state: 'down', reason: 'test' });
    for (const pid of pids()) {
      const { health } = await hear((it) => it.pid === pid);
      t.strictSame(health, ['a', { state: 'down', reason: 'test' }]);
    }
  });

  await t.test("hear of each other's load, and counters are added up", async (t) => {
    t.equal(await workers.apply(plan('report', 2), 2), 'applied');
    for (const pid of pids()) {
      const isThree = ({ elsewhere }: Heard): boolean => elsewhere?.[0]?.[1] === 3;
      t.strictSame((await hear((it) => it.pid === pid && isThree(it))).elsewhere, [['a', 3]]);
    }
    const server = { id: 'a', active: 2, connections: 4, requests: 6 };
    t.strictSame(workers.counters(), {
      clients: 2,
      requests: 6,
      errors: { 'no-rule': 2 },
      servers: [{ ...server, bytesToServer: 8, bytesFromServer: 10 }]
    });
  });

  await t.test('one that dies is replaced, and its load is gone', async (t) => {
    t.equal(await workers.apply(plan('serve', 2), 3), 'applied');
    const [killed = 0, other = 0] = pids();
    heard.length = 0;
    process.kill(killed, 'SIGKILL');
    const successor = await hear(({ plan }) => plan === 3);
    t.not(successor.pid, killed);
    t.match(successor.health, [['a', { state: 'up' }]]);
    const isNone = ({ elsewhere }: Heard): boolean => elsewhere?.[0]?.[1] === 0;
    // The successor may report in between; in the end there is nothing elsewhere.
    t.ok(await hear((it) => it.pid === other && (isNone(it) || it.elsewhere?.length === 0)));
    t.strictSame(logged.splice(0), ['worker died']);
    const { clients, servers } = workers.counters();
    t.match([clients, servers[0]?.active, servers[0]?.requests], [1, 1, 6], 'its totals stay');
  });

  await t.test('grow and shrink', async (t) => {
    t.equal(await workers.apply(plan('serve', 3), 4), 'applied');
    t.equal(workers.list().length, 3);
    t.equal(await workers.apply(plan('serve', 1), 5), 'applied');
    t.equal(workers.list().filter(({ stage }) => stage === 'serving').length, 1);
  });

  await t.test('one that cannot listen says so', async (t) => {
    t.strictSame(await workers.apply(plan('refuse', 1), 6), { cannotListen: 'no such luck' });
  });

  await t.test('drain ends them all, and none comes back', async (t) => {
    await workers.drain();
    t.strictSame(workers.list(), []);
    t.strictSame(logged, []);
    t.equal(await workers.apply(plan('serve', 2), 7), 'applied', 'nothing starts any more');
    t.strictSame(workers.list(), []);
  });
});

t.test('back-off of workers that die young', (t) => {
  t.strictSame(
    [0, 1, 2, 3, 4, 5, 8, 9, 50].map(respawnDelayMs),
    [0, 0, 0, 100, 200, 400, 3200, 5000, 5000]
  );
  t.end();
});

t.test('loads', (t) => {
  const loads = new WorkerLoads();
  loads.join(1);
  loads.report(1, [['a', 5]]);
  t.strictSame(loads.takeStale(), [], 'alone there is nobody to tell');
  loads.join(2);
  t.strictSame(loads.takeStale(), [[2, [['a', 5]]]], 'who comes late is told all');
  loads.report(2, [
    ['a', 1],
    ['b', 2]
  ]);
  t.strictSame(loads.takeStale(), [
    [
      1,
      [
        ['a', 1],
        ['b', 2]
      ]
    ]
  ]);
  loads.report(2, [['b', 0]]);
  t.strictSame(
    loads.takeStale(),
    [
      [
        1,
        [
          ['a', 1],
          ['b', 0]
        ]
      ]
    ],
    'what is not named stays'
  );
  t.strictSame(loads.takeStale(), [], 'told once');
  loads.keepOnly(new Set(['b']));
  loads.leave(1);
  t.strictSame(loads.takeStale(), [[2, [['b', 0]]]], 'what left the configuration is forgotten');
  loads.report(1, [['b', 9]]);
  t.strictSame(loads.takeStale(), [], 'the dead report nothing');
  t.end();
});

t.test('counters of the dead', (t) => {
  const counts = new WorkerCounts();
  const server = { id: 'a', active: 2, connections: 4, requests: 6 };
  const counted = { ...server, bytesToServer: 8, bytesFromServer: 10 };
  counts.report(1, { clients: 2, requests: 6, errors: { 'no-rule': 1 }, servers: [counted] });
  counts.leave(1);
  counts.leave(9);
  t.strictSame(counts.total(), {
    clients: 0,
    requests: 6,
    errors: { 'no-rule': 1 },
    servers: [{ ...counted, active: 0 }]
  });
  t.end();
});
