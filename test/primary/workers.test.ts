import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { serverPlaces, servicePlaces } from '../../src/counters.ts';
import { createLog, type Logger } from '../../src/log.ts';
import { Logons } from '../../src/primary/logons.ts';
import { WorkerCounts } from '../../src/primary/worker-counts.ts';
import { WorkerLoads } from '../../src/primary/worker-loads.ts';
import { errorCodes } from '../../src/error.ts';
import { Silence } from '../../src/primary/silence.ts';
import { respawnDelayMs, Workers } from '../../src/primary/workers.ts';
import { configurationOf, realServer, virtualService } from './configuration.ts';

/** What a stub worker heard. */
interface Heard {
  readonly pid: number;
  readonly plan?: number;
  readonly ticketKeys?: string;
  readonly health?: unknown;
  readonly ended?: readonly string[];
  readonly bound?: unknown;
  readonly unbound?: unknown;
  readonly elsewhere?: readonly (readonly [string, number])[];
  readonly clientsElsewhere?: unknown;
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

function openWorkers(t: Test, beatMs?: number): Workers {
  const workers = new Workers({
    program: fileURLToPath(new URL('stub-worker.ts', import.meta.url)),
    // Only these two are called.
    log: {
      error: (_: object, message: string) => {
        logged.push(message);
        wake();
      },
      info: () => {}
    } as unknown as Logger,
    health: () => [['a', { state: 'up' }]],
    onSuspect(id) {
      heard.push(JSON.parse(id) as Heard);
      wake();
    },
    logons: new Logons({
      log: createLog('fatal', 'primary'),
      openDirectory: () => t.fail('no directory') as never,
      onEnded: () => {}
    }),
    ...(beatMs !== undefined && { beatMs })
  });
  t.teardown(() => workers.kill());
  return workers;
}

t.test('workers', async (t) => {
  const workers = openWorkers(t);
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

  await t.test('hear of sessions that are over', async (t) => {
    workers.tellEnded(['k']);
    for (const pid of pids()) {
      t.strictSame((await hear((it) => it.pid === pid && it.ended !== undefined)).ended, ['k']);
    }
  });

  await t.test("hear of each other's load, and counters are added up", async (t) => {
    t.equal(await workers.apply(plan('report', 2), 2), 'applied');
    for (const pid of pids()) {
      const isThree = ({ elsewhere }: Heard): boolean => elsewhere?.[0]?.[1] === 3;
      t.strictSame((await hear((it) => it.pid === pid && isThree(it))).elsewhere, [['a', 3]]);
      const ofClients = (it: Heard): boolean => it.pid === pid && it.clientsElsewhere !== undefined;
      t.strictSame((await hear(ofClients)).clientsElsewhere, [['192.0.2.1 report', 2]]);
    }
    const { counts } = workers;
    t.strictSame(counts.totals(), { requests: 12, sessions: 0, errors: { [errorCodes[0]]: 4 } });
    t.match(counts.countsOf('a'), { connections: 8, requests: 12 });
    t.strictSame([counts.clients(), counts.clientsOf('report'), workers.active('a')], [2, 2, 6]);
    t.strictSame(
      workers.list().map(({ slot, state }) => [slot, state?.loopDelay.max]),
      [
        [1, 3],
        [2, 3]
      ]
    );
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
    const gone = await hear((it) => it.pid === other && it.clientsElsewhere !== undefined);
    t.strictSame(gone.clientsElsewhere, [['192.0.2.1 report', 0]], 'and those of its clients');
    t.strictSame(logged.splice(0), ['worker died']);
    const { counts } = workers;
    t.strictSame([counts.clients(), workers.active('a')], [1, 3]);
    t.equal(counts.totals().requests, 12, 'its totals stay');
    t.equal(workers.deaths, 1);
    t.strictSame(new Set(workers.list().map(({ slot }) => slot)), new Set([1, 2]));
  });

  await t.test('hear which client is whose', async (t) => {
    t.equal(await workers.apply(plan('bind', 2), 4), 'applied');
    for (const pid of pids()) {
      const answers = [
        [3, 'a'],
        [4, 'a']
      ];
      const isOne = (it: Heard): boolean => it.pid === pid && it.bound !== undefined;
      t.strictSame((await hear(isOne)).bound, answers);
      t.strictSame((await hear((it) => it.pid === pid && it.unbound !== undefined)).unbound, ['k']);
    }
    t.match(workers.persistence.status(0), { records: 2, lateAnswers: 2 });
  });

  await t.test('grow and shrink', async (t) => {
    t.equal(await workers.apply(plan('serve', 3), 5), 'applied');
    t.equal(workers.list().length, 3);
    t.equal(await workers.apply(plan('serve', 1), 6), 'applied');
    t.equal(workers.list().filter(({ stage }) => stage === 'serving').length, 1);
  });

  await t.test('one that cannot listen says so', async (t) => {
    t.strictSame(await workers.apply(plan('refuse', 1), 7), { cannotListen: 'no such luck' });
  });

  await t.test('drain ends them all, and none comes back', async (t) => {
    await workers.drain();
    t.strictSame(workers.list(), []);
    t.strictSame(logged, []);
    t.equal(await workers.apply(plan('serve', 2), 8), 'applied', 'nothing starts any more');
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

t.test('counts of the dead, and of what left the configuration', (t) => {
  const counts = new WorkerCounts();
  const answered = [serverPlaces.connections, 4, serverPlaces.answers + 2, 6];
  const report = {
    services: [['web', [servicePlaces.answers + 4, 1, servicePlaces.errors, 1]]] as const,
    servers: [['a', answered]] as const,
    clients: 2,
    clientsOf: [['web', 2]] as const,
    residentBytes: 1,
    loopDelay: { p50: 0, p99: 0, max: 0 }
  };
  const totals = { requests: 7, sessions: 0, errors: { [errorCodes[0]]: 1 } };
  counts.join(1);
  counts.report(1, report);
  counts.leave(1);
  counts.leave(9);
  t.strictSame(counts.totals(), totals);
  t.strictSame([counts.clients(), counts.clientsOf('web')], [0, 0]);
  counts.report(1, { ...report, services: [], servers: [['a', answered.slice(0, 2)]] });
  t.equal(counts.countsOf('a').connections, 8, 'its last report may come late');
  t.equal(counts.clients(), 0);
  counts.keepOnly(new Set(), new Set());
  t.strictSame(counts.totals(), totals, 'sums over everything do not go back');
  t.equal(counts.server('a'), undefined);
  t.equal(counts.service('web'), undefined);
  t.end();
});

t.test('a worker that is silent for long is replaced', async (t) => {
  heard.length = logged.length = 0;
  const workers = openWorkers(t, 20);
  await workers.apply(plan('serve', 1), 1);
  const first = await hear(({ plan: revision }) => revision === 1);
  // It says nothing any more.
  const next = await hear(({ plan: revision }) => revision === 1);
  t.not(next.pid, first.pid);
  t.strictSame(logged.slice(0, 2), ['worker silent', 'worker died']);
});

t.test('a pause of the whole machine is no silence', (t) => {
  const silence = new Silence<string>();
  silence.heard('a');
  for (let beat = 1; beat < 30; beat++) t.strictSame(silence.beat(), [], 'whatever time passes');
  silence.heard('a');
  for (let beat = 1; beat < 30; beat++) t.strictSame(silence.beat(), []);
  t.strictSame(silence.beat(), ['a']);
  t.strictSame(silence.beat(), [], 'told once');
  silence.forget('a');
  t.strictSame(silence.beat(), []);
  t.end();
});
