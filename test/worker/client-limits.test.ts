// How many connections a client may have, over workers that hear of each other late.

import t from 'tap';
import type { Logger } from '../../src/log.ts';
import { ClientCounts } from '../../src/primary/client-counts.ts';
import { ClientLimits } from '../../src/worker/client-limits.ts';
import { Refusals } from '../../src/worker/refusals.ts';

t.test('in one worker the limit is exact', async (t) => {
  const limits = new ClientLimits();
  const enter = (address: string, service = 'imap') => limits.enter(service, address, 2);
  const [first, second] = [enter('192.0.2.1'), enter('192.0.2.1')];
  t.equal(enter('192.0.2.1'), undefined);
  t.ok(enter('192.0.2.2'), 'another client');
  const other = enter('192.0.2.1', 'web site');
  t.ok(other, 'another service');
  first?.();
  const third = enter('192.0.2.1');
  t.ok(third, 'who leaves makes room');
  t.equal(enter('192.0.2.1'), undefined);
  t.ok(limits.enter('imap', '192.0.2.1', 3), 'the limit is what the plan says now');
  t.strictSame(limits.changes(), [
    ['192.0.2.1 imap', 3],
    ['192.0.2.2 imap', 1],
    ['192.0.2.1 web site', 1]
  ]);
  t.strictSame(limits.changes(), [], 'told once');
  second?.();
  other?.();
  t.strictSame(limits.changes(), [
    ['192.0.2.1 imap', 2],
    ['192.0.2.1 web site', 0]
  ]);
  t.equal(limits.size, 2, 'nobody is kept who has no connection');
});

t.test('what came and went between two reports is not told', async (t) => {
  const limits = new ClientLimits();
  limits.enter('imap', '192.0.2.1', 1)?.();
  t.strictSame([limits.changes(), limits.size], [[], 0]);
});

t.test('workers hear of each other, and of a death', async (t) => {
  const counts = new ClientCounts();
  const workers = new Map([1, 2, 3].map((n) => [n, new ClientLimits()]));
  const enter = (n: number) => workers.get(n)?.enter('imap', '192.0.2.1', 4);
  const exchange = (): unknown => {
    for (const [n, limits] of workers) counts.report(n, limits.changes());
    const due = counts.takeStale();
    for (const [n, elsewhere] of due) workers.get(n)?.receive(elsewhere);
    return due;
  };
  const key = '192.0.2.1 imap';
  counts.join(1);
  counts.join(2);
  enter(1);
  const leave = enter(1);
  enter(2);
  t.strictSame(exchange(), [
    [1, [[key, 1]]],
    [2, [[key, 2]]]
  ]);
  t.strictSame(exchange(), [], 'told once');
  counts.join(3);
  t.strictSame(exchange(), [[3, [[key, 3]]]], 'who comes late hears all');
  t.ok(enter(3));
  t.equal(enter(3), undefined);
  exchange();
  t.equal(enter(1), undefined);
  leave?.();
  exchange();
  t.ok(enter(2), 'who leaves makes room everywhere');

  counts.leave(2); // with two connections
  workers.delete(2);
  exchange();
  t.ok(enter(1));
  t.ok(enter(3));
  exchange();
  t.equal(enter(3), undefined, 'two here, two there');
  counts.report(2, [[key, 9]]);
  exchange();
  t.equal(enter(1), undefined, 'the dead report nothing');
  counts.leave(3);
  workers.delete(3);
  t.strictSame(exchange(), [[1, [[key, 0]]]]);
  t.ok(enter(1));
  t.ok(enter(1));
  t.equal(enter(1), undefined);
});

t.test('the memory follows the connections', async (t) => {
  const counts = new ClientCounts();
  const [one, two] = [new ClientLimits(), new ClientLimits()];
  counts.join(1);
  counts.join(2);
  const leaves = Array.from({ length: 500 }, (_, n) => one.enter('imap', `192.0.2.${n}`, 1));
  const exchange = (): void => {
    counts.report(1, one.changes());
    for (const [n, elsewhere] of counts.takeStale()) (n === 1 ? one : two).receive(elsewhere);
  };
  exchange();
  t.strictSame([one.size, two.size], [500, 500]);
  for (const leave of leaves) leave?.();
  exchange();
  t.strictSame([one.size, two.size], [0, 0]);
  counts.join(3);
  t.strictSame(counts.takeStale(), [], 'nothing is left in the primary');
});

t.test('a flood of refusals has few lines', async (t) => {
  const lines: unknown[] = [];
  const log = { warn: (line: unknown) => lines.push(line) } as unknown as Logger;
  const refusals = new Refusals(log);
  const told = (nowMs: number): number =>
    Array.from({ length: 1000 }, () => refusals.mayTell(nowMs)).filter(Boolean).length;
  t.equal(told(5000), 20);
  t.equal(told(5999), 0);
  t.strictSame(lines, []);
  t.equal(told(6000), 20);
  t.strictSame(lines, [{ count: 1980 }]);
});
