// Sessions of all workers: whom they let in where, and when they end.

import t from 'tap';
import type { Pass } from '../../src/gate/pass.ts';
import type { Demand } from '../../src/primary/demands.ts';
import { PassTable, type PassView } from '../../src/primary/pass-table.ts';

const minute = 60_000;
const everybody: Demand = { domain: 'EXAMPLE.COM', groups: [] };
const staff: Demand = { ...everybody, groups: ['staff'] };

function pass(key: string, settings: Partial<Pass> = {}): Pass {
  return {
    key,
    user: `${key}@example.com`,
    domain: 'EXAMPLE.COM',
    isPrivate: false,
    endsAtMs: 30 * minute,
    idleMs: 15 * minute,
    sealedLogon: 'sealed',
    ...settings
  };
}

interface Added extends Partial<Pass> {
  readonly how?: PassView['how'];
  /** The one name for all spellings of `user`. */
  readonly account?: string;
  readonly groups?: readonly string[];
  readonly nowMs?: number;
}

function openTable() {
  const ended: string[] = [];
  const table = new PassTable((keys) => ended.push(...keys));
  function add(key: string, added: Added = {}) {
    const { how = 'form', account = key, groups = [], nowMs = 0, ...settings } = added;
    const signIn = { account, how, client: '192.0.2.1', memberOf: new Set(groups) };
    table.add(pass(key, settings), signIn, nowMs);
  }
  return { table, ended, add };
}

t.test('whom a session lets in', (t) => {
  const { table, add } = openTable();
  add('a', { groups: ['staff', 'others'] });
  add('b');
  t.match(table.find('a', everybody, 1), pass('a'));
  t.match(table.find('a', staff, 1), pass('a'));
  t.equal(table.find('a', { ...everybody, groups: ['admins'] }, 1), undefined);
  t.match(
    table.find('a', { ...everybody, groups: ['admins', 'others'] }, 1),
    pass('a'),
    'one will do'
  );
  t.equal(table.find('a', { ...everybody, domain: 'OTHER.COM' }, 1), undefined);
  t.equal(table.find('a', undefined, 1), undefined, 'a service that asks for nobody');
  t.match(table.find('b', everybody, 1), pass('b'));
  t.equal(table.find('b', { ...everybody, groups: ['staff', 'others'] }, 1), undefined);
  t.equal(table.find('', everybody, 1), undefined);
  t.end();
});

t.test('silence and age end a session', (t) => {
  const { table, ended, add } = openTable();
  for (const key of ['idle', 'used', 'old', 'swept']) add(key);
  const at = (minutes: number, key: string): boolean =>
    table.find(key, everybody, minutes * minute) !== undefined;
  t.equal(at(14.9, 'used'), true);
  table.used('old', 14 * minute);
  table.used('old', 13 * minute);
  table.used('nobody', 14 * minute);
  t.equal(at(15, 'idle'), false, 'silence');
  t.strictSame(ended, ['idle'], 'workers hear of it');
  t.equal(at(28.9, 'old'), true, 'what was said late does not set it back');
  t.equal(at(29.8, 'used'), true, 'looking is a use');
  t.equal(at(30, 'old'), false, 'age, whatever its use');
  table.sweep(30 * minute - 1);
  t.strictSame(ended.splice(0), ['idle', 'old', 'swept']);
  table.sweep(30 * minute);
  t.strictSame(ended, ['used']);
  t.equal(table.size, 0);
  t.end();
});

t.test('Basic is asked about anew, and what it does just now goes on', (t) => {
  const { table, ended, add } = openTable();
  const phone = { how: 'basic', endsAtMs: minute, idleMs: minute } as const;
  add('phone', phone);
  add('gone', phone);
  t.ok(table.find('phone', everybody, minute - 1));
  t.equal(table.find('phone', everybody, minute), undefined, 'who it is must be asked');
  table.sweep(20 * minute);
  t.strictSame(ended, [], 'a long poll is not cut');
  t.match(table.endUser('EXAMPLE.COM', 'phone'), [{ user: 'phone@example.com' }], 'but can be');
  t.strictSame(ended.splice(0), ['phone']);
  add('again', { ...phone, nowMs: 20 * minute, endsAtMs: 21 * minute });
  add('again', { ...phone, nowMs: 21 * minute, endsAtMs: 22 * minute });
  t.match(table.list(9)[0], { startedAtMs: 20 * minute, usedAtMs: 21 * minute }, 'one session');
  table.sweep(60 * minute);
  t.strictSame([table.size, ended], [1, []], 'not seen for an hour: over');
  t.end();
});

t.test('Basic that is asked about anew after hours only is found to be ended until then', (t) => {
  const { table, ended, add } = openTable();
  const hour = 60 * minute;
  add('phone', { how: 'basic', endsAtMs: 24 * hour, idleMs: 24 * hour });
  table.sweep(23 * hour);
  t.equal(table.size, 1, 'workers let it in without asking');
  t.equal(table.endUser('EXAMPLE.COM', 'phone').length, 1);
  t.strictSame(ended, ['phone']);
  add('phone', { how: 'basic', endsAtMs: 24 * hour, idleMs: 24 * hour });
  table.sweep(24 * hour);
  t.equal(table.size, 0);
  t.end();
});

t.test('ends, for everybody', (t) => {
  const { table, ended, add } = openTable();
  for (const key of ['a', 'b', 'c']) add(key);
  t.match(table.end(['a', 'nobody']), [{ user: 'a@example.com' }]);
  t.strictSame(ended.splice(0), ['a'], 'and of nobody else anybody hears');
  t.strictSame(table.end(['a', 'nobody']), []);
  t.strictSame(ended, [], 'nobody is told of nothing');
  t.equal(table.endAll(({ key }) => key !== 'b').length, 1);
  t.strictSame(ended, ['c']);
  t.ok(table.find('b', everybody, 1));
  t.end();
});

t.test('what an administrator sees opens nothing', (t) => {
  const { table, add } = openTable();
  add('a', { isPrivate: true });
  add('b', { how: 'basic', nowMs: 5 });
  add('c', { nowMs: 6, domain: 'OTHER.COM' });
  table.used('a', 7);
  const view = { domain: 'EXAMPLE.COM', client: '192.0.2.1' };
  const [a, b, c] = [
    { ...view, user: 'a@example.com', how: 'form', isPrivate: true, startedAtMs: 0, usedAtMs: 7 },
    { ...view, user: 'b@example.com', how: 'basic', isPrivate: false, startedAtMs: 5, usedAtMs: 5 },
    {
      ...view,
      user: 'c@example.com',
      domain: 'OTHER.COM',
      how: 'form',
      isPrivate: false,
      startedAtMs: 6,
      usedAtMs: 6
    }
  ];
  t.strictSame(table.list(9), [a, c, b], 'the latest used first, and nothing else');
  t.strictSame(table.list(1), [a]);
  t.strictSame(Object.fromEntries(table.tally()), {
    'EXAMPLE.COM': { form: 1, basic: 1 },
    'OTHER.COM': { form: 1, basic: 0 }
  });
  t.end();
});

t.test('there are not too many', (t) => {
  const { table, ended, add } = openTable();
  for (let n = 0; n <= 100_000; n++) {
    add(`${n}`);
    if (n === 10) table.used('0', 1);
  }
  t.equal(table.size, 100_000);
  t.strictSame(ended, ['1'], 'the longest unused makes room');
  t.end();
});

t.test('nobody drives out the sessions of others', (t) => {
  const { table, ended, add } = openTable();
  const account = 'eve';
  const spellings = ['eve', 'Eve', 'ève', 'ｅve'];
  const addEve = (n: number): void =>
    add(`${n}`, { account, user: `${spellings[n % 4]}@example.com`, nowMs: n });
  add('alice');
  for (let n = 0; n < 250; n++) addEve(n);
  table.used('0', 1000);
  t.strictSame(ended, []);
  for (let n = 250; n < 300; n++) addEve(n);
  t.equal(table.size, 251, 'however he spells himself');
  t.strictSame(ended.slice(0, 2), ['1', '2'], 'but his own, the longest unused first');
  t.equal(table.endUser('OTHER.COM', account).length, 0);
  t.equal(table.endUser('EXAMPLE.COM', account).length, 250);
  t.equal(table.size, 1);
  ended.length = 0;
  for (let n = 0; n < 250; n++) addEve(n);
  t.strictSame(ended, [], 'those that are over do not count');
  t.end();
});
