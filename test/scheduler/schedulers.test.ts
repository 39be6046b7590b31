// Who gets the next connection.

import t from 'tap';
import { leastConnection } from '../../src/scheduler/least-connection.ts';
import { roundRobin } from '../../src/scheduler/round-robin.ts';
import type { Candidate, Scheduler } from '../../src/scheduler/scheduler.ts';

interface Named extends Candidate {
  readonly name: string;
  active: number;
}

function servers(...actives: number[]): Named[] {
  return actives.map((active, i) => ({ name: 'abcdef'[i] ?? '', active, weight: 1000 }));
}

/** Picks `count` times; each pick opens a connection where `opens`. */
function picks(scheduler: Scheduler, from: Named[], count: number, opens = false): string {
  let names = '';
  for (let i = 0; i < count; i++) {
    const picked = scheduler.pick(from);
    if (picked !== undefined && opens) picked.active++;
    names += picked?.name ?? '-';
  }
  return names;
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

t.test('lc evens out', async (t) => {
  const uneven = servers(6, 0, 3);
  picks(leastConnection(), uneven, 9, true);
  t.same(
    uneven.map((server) => server.active),
    [6, 6, 6]
  );
});
