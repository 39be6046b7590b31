// Who is a member, whoever leaves while they are gone through; and that who has left is garbage.

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { Roster } from '../../src/net/roster.ts';
import { seeded } from '../fixture/random.ts';

interface Member {
  readonly name: number;
  readonly weight?: unknown[];
}

const names = (roster: Roster<Member>): number[] =>
  Array.from(roster, ({ name }) => name).sort((a, b) => a - b);

t.test('the same members as a Set has, in two rosters at once', (t) => {
  const random = seeded(42);
  const all: Member[] = Array.from({ length: 50 }, (_, name) => ({ name }));
  const rosters = [0, 1].map(() => ({ roster: new Roster<Member>(), set: new Set<Member>() }));
  for (let turn = 0; turn < 5000; turn++) {
    for (const { roster, set } of rosters) {
      const member = all[Math.floor(random() * all.length)] ?? { name: -1 };
      if (random() < 0.5) {
        roster.add(member);
        set.add(member);
      } else if (roster.delete(member) !== set.delete(member)) {
        t.fail(`delete of ${member.name} in turn ${turn}`);
      }
      if (roster.has(member) !== set.has(member)) t.fail(`${member.name} in turn ${turn}`);
      if (roster.size !== set.size) t.fail(`size in turn ${turn}`);
    }
  }
  for (const { roster, set } of rosters) {
    t.same(
      names(roster),
      [...set].map(({ name }) => name).sort((a, b) => a - b)
    );
  }
  t.end();
});

t.test('who stays has his turn, whoever leaves and comes meanwhile', (t) => {
  for (let self = 0; self < 6; self++) {
    for (let other = 0; other < 6; other++) {
      const roster = new Roster<Member>();
      const all: Member[] = Array.from({ length: 6 }, (_, name) => ({ name }));
      for (const member of all) roster.add(member);
      const [first, second] = [all[self], all[other]];
      if (first === undefined || second === undefined) throw new Error('no member');
      const seen = new Set<number>();
      for (const member of roster) {
        if (!roster.has(member)) t.fail(`${member.name} had left`);
        seen.add(member.name);
        if (member !== first) continue;
        roster.delete(first);
        roster.delete(second);
        roster.add({ name: 99 });
      }
      for (const { name } of all) {
        if (name !== other && !seen.has(name)) t.fail(`${name} was left out (${self}, ${other})`);
      }
      t.equal(roster.size, self === other ? 6 : 5);
    }
  }
  t.end();
});

t.test('who has left is garbage for a collection of the young generation', (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as typeof globalThis.gc;
  const collect = (): void => {
    gc?.({ type: 'minor' });
  };
  const used = (): number => getHeapStatistics().used_heap_size;
  const roster = new Roster<Member>();
  const present: Member[] = [];
  const pass = (count: number): void => {
    for (let name = 0; name < count; name++) {
      const member = { name, weight: Array.from({ length: 100 }, () => name) };
      roster.add(member);
      present.push(member);
      if (present.length < 16) continue;
      const gone = present.shift();
      if (gone !== undefined) roster.delete(gone);
      if (name % 1000 === 0) collect();
    }
  };
  pass(1000);
  // A quiet moment: what outlives two collections is old.
  for (let i = 0; i < 3; i++) collect();
  const before = used();
  pass(20_000);
  collect();
  // With a Set it is 13 MB.
  t.ok(used() - before < 1_000_000, `${used() - before} bytes more`);
  t.end();
});
