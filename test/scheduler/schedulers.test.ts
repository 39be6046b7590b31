// Who gets the next connection.

import t from 'tap';
import { fixedWeighting } from '../../src/scheduler/fixed-weighting.ts';
import { hashOf } from '../../src/scheduler/hash.ts';
import { leastConnection } from '../../src/scheduler/least-connection.ts';
import { roundRobin } from '../../src/scheduler/round-robin.ts';
import type { Candidate, Scheduler } from '../../src/scheduler/scheduler.ts';
import { slowStart } from '../../src/scheduler/slow-start.ts';
import { sourceHash } from '../../src/scheduler/source-hash.ts';
import { weightedLeastConnection } from '../../src/scheduler/weighted-least-connection.ts';
import { weightedRoundRobin } from '../../src/scheduler/weighted-round-robin.ts';

interface Named extends Candidate {
  readonly name: string;
  active: number;
}

const client = '192.0.2.1';

function server(i: number, stands: Partial<Named> = {}): Named {
  const name = 'abcdefghijklmnop'[i] ?? '';
  return {
    name,
    active: 0,
    weight: 1000,
    hash: hashOf(`10.0.0.${i}:443`),
    upSinceMs: 0,
    ...stands
  };
}

function servers(...actives: number[]): Named[] {
  return actives.map((active, i) => server(i, { active }));
}

function weighing(...weights: number[]): Named[] {
  return weights.map((weight, i) => server(i, { weight }));
}

/** Picks `count` times; each pick opens a connection where `opens`. */
function picks(scheduler: Scheduler, from: Named[], count: number, opens = false): string {
  let names = '';
  for (let i = 0; i < count; i++) {
    const picked = scheduler.pick(from, client);
    if (picked !== undefined && opens) picked.active++;
    names += picked?.name ?? '-';
  }
  return names;
}

function times(names: string, name: string): number {
  return names.split(name).length - 1;
}

function actives(from: readonly Named[]): number[] {
  return from.map(({ active }) => active);
}

t.test('rr goes round, whatever the load', async (t) => {
  t.equal(picks(roundRobin(0), servers(0, 9, 0), 6), 'bcabca');
  t.equal(picks(roundRobin(1), servers(0, 0, 0), 3), 'cab', 'another worker begins elsewhere');
  t.equal(picks(roundRobin(7), servers(0, 0), 4), 'abab', 'a start beyond the number of servers');
  t.equal(picks(roundRobin(), [], 2), '--');
  const scheduler = roundRobin(0);
  t.equal(picks(scheduler, servers(0, 0, 0), 2), 'bc');
  t.equal(picks(scheduler, servers(0, 0), 2), 'ba', 'goes on when a server is out');
});

t.test('lc picks the least loaded', async (t) => {
  t.equal(picks(leastConnection(), servers(3, 1, 2), 3), 'bbb');
  t.equal(picks(leastConnection(), servers(5), 2), 'aa');
  t.equal(picks(leastConnection(), [], 2), '--');
});

t.test('lc goes round among equals', async (t) => {
  t.equal(picks(leastConnection(0), servers(0, 0, 0), 6), 'bcabca');
  t.equal(picks(leastConnection(1), servers(0, 0, 0), 3), 'cab');
  const tied = picks(leastConnection(), servers(4, 1, 1, 1), 6);
  t.notMatch(tied, 'a');
  for (const name of 'bcd') t.match(tied, name);
});

t.test('lc evens out, whatever the weights', async (t) => {
  const uneven = [6, 0, 3].map((active, i) => server(i, { active, weight: 1 + 500 * i }));
  picks(leastConnection(), uneven, 9, true);
  t.same(actives(uneven), [6, 6, 6]);
});

t.test('wrr goes round by weight', async (t) => {
  t.equal(picks(weightedRoundRobin(), weighing(100, 50), 9), 'aabaabaab', 'two in a row, then one');
  t.equal(picks(weightedRoundRobin(), weighing(50, 100), 6), 'bbabba', 'wherever the heavy one is');
  t.equal(picks(weightedRoundRobin(), weighing(7, 7, 7), 6), 'abcabc');
  t.equal(picks(weightedRoundRobin(1), weighing(7, 7, 7), 3), 'bca', 'another worker');
  t.equal(
    picks(weightedRoundRobin(4), weighing(100, 50), 6),
    'aabaab',
    'a start beyond the servers'
  );
  t.equal(picks(weightedRoundRobin(), weighing(65_535), 3), 'aaa');
  t.equal(picks(weightedRoundRobin(), [], 2), '--');
  t.equal(picks(weightedRoundRobin(), servers(9, 0), 4), 'abab', 'whatever the load');
});

t.test('wrr is exact in each round and smooth with many servers', async (t) => {
  const weights = [1000, ...Array<number>(15).fill(100)];
  const many = weighing(...weights);
  const scheduler = weightedRoundRobin();
  for (let round = 1; round <= 3; round++) {
    const names = picks(scheduler, many, 25);
    t.same(
      many.map(({ name }) => times(names, name)),
      weights.map((weight) => weight / 100),
      `round ${round}`
    );
  }
  const later = picks(scheduler, many, 250);
  t.notMatch(later, /aaa/, 'the heavy one has no long row');
  t.notMatch(later, /[^a]{5}/, 'nor must it wait long');
  const odd = weighing(65_535, 1, 30_000);
  const names = picks(weightedRoundRobin(), odd, 95_536);
  t.same(
    ['a', 'b', 'c'].map((name) => times(names, name)),
    [65_535, 1, 30_000]
  );
});

t.test('wrr goes on when a server is out, and when it is back', async (t) => {
  const [a, b, c] = weighing(200, 100, 100) as [Named, Named, Named];
  const scheduler = weightedRoundRobin();
  picks(scheduler, [a, b, c], 5);
  const without = picks(scheduler, [b, c], 100);
  t.equal(times(without, 'b'), 50);
  const again = picks(scheduler, [a, b, c], 400);
  t.ok(Math.abs(times(again, 'a') - 200) <= 2, `a got ${times(again, 'a')} of 400`);
  t.notMatch(again.slice(0, 20), /aaaa|[bc]{4}/, 'nobody makes up for what he missed');
});

t.test('wlc picks by connections in proportion to weight', async (t) => {
  const [a, b] = weighing(100, 50) as [Named, Named];
  const scheduler = weightedLeastConnection();
  for (const [first, second, wanted] of [
    [3, 1, 'b'],
    [1, 1, 'a'],
    [9, 5, 'a'],
    [0, 1, 'a'],
    [1, 0, 'b']
  ] as const) {
    [a.active, b.active] = [first, second];
    t.equal(picks(scheduler, [a, b], 3), wanted.repeat(3), `${first} and ${second}`);
  }
  const filled = weighing(300, 100, 200);
  picks(weightedLeastConnection(), filled, 60, true);
  t.same(actives(filled), [30, 10, 20]);
  t.equal(picks(weightedLeastConnection(), [], 1), '-');
});

t.test('wlc takes turns by weight among equals', async (t) => {
  t.equal(picks(weightedLeastConnection(), weighing(100, 50), 6), 'aabaab', 'all are idle');
  const tied = [server(0, { active: 4, weight: 100 }), server(1, { active: 2, weight: 50 })];
  t.equal(picks(weightedLeastConnection(), tied, 3), 'aab', 'or equally busy');
});

t.test('fixed takes the heaviest that is there, of equals the first', async (t) => {
  const all = weighing(100, 300, 300, 200);
  t.equal(picks(fixedWeighting(), all, 4, true), 'bbbb', 'whatever the load');
  t.equal(picks(fixedWeighting(), all.toSpliced(1, 1), 2), 'cc');
  t.equal(picks(fixedWeighting(), all.toSpliced(1, 2), 2), 'dd');
  t.equal(picks(fixedWeighting(), [], 1), '-');
});

/** Who each of these clients gets. */
function homes(from: readonly Named[], clients: readonly string[]): (string | undefined)[] {
  return clients.map((address) => sourceHash().pick(from, address)?.name);
}

const clients = Array.from({ length: 3000 }, (_, i) => `192.0.${i >> 8}.${i & 255}`);

t.test('sh gives a client always the same server', async (t) => {
  const all = weighing(...Array<number>(16).fill(100));
  const first = homes(all, clients);
  t.same(homes(all.toReversed(), clients), first, 'whatever the order');
  for (const { name } of all) {
    const share = first.filter((home) => home === name).length;
    t.ok(Math.abs(share - 3000 / 16) < 60, `${name} has ${share} of 3000`);
  }
  t.equal(homes(all, ['2001:db8::1'])[0], homes(all, ['2001:db8::1'])[0]);
  t.same(homes([], ['192.0.2.1']), [undefined]);
});

t.test('sh moves only the clients of a server that goes', async (t) => {
  const all = servers(0, 0, 0, 0);
  const before = homes(all, clients);
  const after = homes(all.toSpliced(1, 1), clients);
  for (const [i, home] of before.entries()) {
    if (home !== 'b' && after[i] !== home) t.fail(`${clients[i]} moved from ${home}`);
  }
  const orphans = after.filter((_, i) => before[i] === 'b');
  for (const name of 'acd') {
    const share = orphans.filter((home) => home === name).length;
    t.ok(Math.abs(share - orphans.length / 3) < 60, `${name} got ${share} of ${orphans.length}`);
  }
});

t.test('slow start: the share of a server that came up grows in a straight line', async (t) => {
  let nowMs = 1_000_000;
  const ramp = slowStart(60_000, () => nowMs);
  const fresh = server(1, { upSinceMs: nowMs });
  const shareAt = (second: number): number | undefined => {
    nowMs = 1_000_000 + second * 1000;
    return ramp?.(fresh);
  };
  t.equal(shareAt(30), 0.5);
  t.equal(shareAt(45), 0.75);
  t.equal(shareAt(60), 1);
  t.equal(shareAt(3600), 1);
  t.equal(shareAt(0), 0.01, 'never nothing');
  t.equal(shareAt(-7200), 1, 'a clock that was set back keeps nobody out');
  t.equal(ramp?.(server(1)), 1, 'one that was there from the start');
  t.equal(
    slowStart(0, () => 0),
    undefined,
    'switched off'
  );
});

t.test('slow start holds for lc and wlc', async (t) => {
  let nowMs = 1_000_000;
  const ramp = slowStart(60_000, () => nowMs);
  for (const [scheduler, full] of [
    [leastConnection(0, ramp), 100],
    [weightedLeastConnection(0, ramp), 50]
  ] as const) {
    nowMs = 1_000_000;
    const old = server(0, { active: 100 });
    const fresh = server(1, { weight: 500, upSinceMs: nowMs });
    for (const second of [15, 30, 45, 60]) {
      nowMs = 1_000_000 + second * 1000;
      while (scheduler.pick([old, fresh], client) === fresh) fresh.active++;
      t.ok(
        Math.abs(fresh.active - (full * second) / 60) <= 1,
        `${fresh.active} of ${full} after ${second} s`
      );
    }
  }
  const first = [server(0, { active: 9 }), server(1, { upSinceMs: nowMs })];
  t.equal(picks(leastConnection(0), first, 3, true), 'bbb', 'without it all go to the empty one');
});
