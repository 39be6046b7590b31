// Who decides which client belongs to which server, with a clock of the test's.

import t from 'tap';
import type { PersistenceSettings } from '../../src/config/model.ts';
import { PersistenceTable } from '../../src/primary/persistence-table.ts';
import { configurationOf, realServer, subVS, virtualService } from './configuration.ts';

const persistence: PersistenceSettings = {
  mode: 'src',
  timeoutMs: 60_000,
  refresh: false,
  name: '',
  maskBits: 32,
  maskBits6: 128
};

/** Servers by id; one with a minus before it is disabled. */
function plan(...ids: readonly string[]) {
  const realServers = ids.map((id) =>
    realServer(
      id.replace('-', ''),
      { address: '10.0.0.1', port: 80 },
      { enable: !id.startsWith('-') }
    )
  );
  return configurationOf([virtualService({ name: 'web', realServers, persistence })], {
    drainTimeMs: 5000
  });
}

function scene(...ids: readonly string[]) {
  const table = new PersistenceTable(100);
  table.reconcile(plan(...ids), [], 0);
  const bind = (key: string, id: string, nowMs: number, failed: readonly string[] = []): string =>
    table.bind({ key, id, timeoutMs: 60_000, failed }, nowMs);
  return { table, bind };
}

t.test('the first proposal wins, for the time of the record', async (t) => {
  const { bind } = scene('a', 'b');
  t.equal(bind('k', 'a', 0), 'a');
  t.equal(bind('k', 'b', 59_999), 'a', 'another worker proposes in vain');
  t.equal(bind('k', 'b', 119_998), 'a', 'which was a use of the record');
  t.equal(bind('k', 'b', 180_000), 'b', 'past its end it is forgotten');
  t.equal(bind('other', 'a', 180_000), 'a', 'keys do not meddle');
});

t.test('a record for a server that is down is replaced, and no other one', async (t) => {
  const { table, bind } = scene('a', 'b');
  bind('k', 'a', 0);
  bind('l', 'b', 0);
  bind('m', 'a', 0);
  table.noteHealth('a', { state: 'down', reason: 'test' });
  t.equal(bind('k', 'b', 1), 'b');
  t.equal(bind('l', 'b', 1), 'b');
  table.noteHealth('a', { state: 'up' });
  t.equal(bind('k', 'a', 2), 'b', 'moved is moved');
  t.equal(bind('m', 'b', 2), 'a', 'who did not come meanwhile finds his server again');
  table.reconcile(plan('a', 'b'), [['a', { state: 'down', reason: 'test' }]], 3);
  t.equal(bind('m', 'b', 3), 'b', 'health at a reload');
});

t.test('a server that a worker could not reach is replaced', async (t) => {
  const { bind } = scene('a', 'b');
  bind('k', 'a', 0);
  t.equal(bind('k', 'b', 1, ['a']), 'b');
  t.equal(bind('k', 'a', 2, ['a']), 'b', 'that was about another server');
  t.equal(bind('k', 'b', 3, ['a', 'b']), 'b', 'there is no other one');
});

t.test('a disabled or removed server keeps its clients for the drain time', async (t) => {
  const { table, bind } = scene('a', 'b', 'c');
  for (const id of ['a', 'b', 'c']) {
    bind(`k${id}`, id, 0);
    bind(`l${id}`, id, 0);
  }
  table.reconcile(plan('-a', 'c'), [], 1000);
  t.equal(bind('ka', 'c', 5999), 'a');
  t.equal(bind('kb', 'c', 5999), 'b');
  table.reconcile(plan('-a', 'c'), [], 5000); // does not begin anew
  t.equal(bind('ka', 'c', 6000), 'c');
  t.equal(bind('kb', 'c', 6000), 'c');
  table.reconcile(plan('a', 'b', 'c'), [], 7000);
  t.equal(bind('la', 'c', 7000), 'a', 'enabled again');
  t.equal(bind('kc', 'a', 7000), 'c', 'the others never move');

  const late = scene('-a', 'b');
  late.table.learn(['k', 'a', 60_000], 0);
  t.equal(late.bind('k', 'b', 1), 'b', 'what starts disabled does not drain');
});

t.test('nobody proposed', async (t) => {
  const { bind } = scene('a');
  t.equal(bind('k', '', 0), '', 'no record');
  bind('k', 'a', 1);
  t.equal(bind('k', '', 2), 'a', 'the record');
  t.equal(bind('l', 'unknown', 0), 'unknown', 'a worker with another plan');
  t.equal(bind('l', 'a', 1), 'a', 'left no record');
});

t.test('what a server gives out is its own', async (t) => {
  const { table, bind } = scene('a', 'b');
  bind('k', 'a', 0);
  table.learn(['k', 'b', 60_000], 1);
  t.equal(bind('k', 'a', 2), 'b');
});

t.test('uses make records last, and tell who is wrong', async (t) => {
  const { table, bind } = scene('a', 'b');
  bind('k', 'a', 0);
  bind('l', 'a', 0);
  t.strictSame(
    table.use(
      [
        ['k', 'a', 60_000],
        ['l', 'b', 60_000],
        ['m', 'b', 60_000]
      ],
      3,
      50_000
    ),
    ['l']
  );
  t.equal(bind('k', 'b', 100_000), 'a');
  t.equal(bind('m', 'a', 100_000), 'b', 'a record that was lost is written again');
  t.match(table.status(100_000), { lateAnswers: 3 });
});

t.test('how many there are, of each service that has a table', async (t) => {
  const table = new PersistenceTable(1000);
  const [a, b, c] = ['a', 'b', 'c'].map((id) => realServer(id, { address: '10.0.0.1', port: 80 }));
  if (a === undefined || b === undefined || c === undefined) throw new Error('no servers');
  const subVSs = [
    subVS({ name: 'OWA', realServers: [a], persistence }),
    subVS({
      name: 'ECP',
      realServers: [b],
      persistence: { ...persistence, mode: 'active-cookie' }
    }),
    subVS({ name: 'EWS', realServers: [c] })
  ];
  table.reconcile(configurationOf([virtualService({ name: 'mail', subVSs })]), [], 0);
  for (let n = 0; n < 5; n++)
    table.bind({ key: `${n}`, id: 'a', timeoutMs: 1000 * n, failed: [] }, 0);
  t.equal(table.entriesOf('mail/OWA', 0), 5);
  t.equal(table.entriesOf('mail/ECP', 0), undefined);
  t.equal(table.entriesOf('mail/EWS', 0), undefined);
  t.equal(table.entriesOf('mail', 0), undefined);
  t.strictSame(table.status(0), { records: 5, recordsMax: 1000, lateAnswers: 0 });
  t.equal(table.entriesOf('mail/OWA', 61_000), 0, 'swept once a minute');
});

t.test('the table is bounded', async (t) => {
  const { table, bind } = scene('a', 'b');
  for (let n = 0; n < 150; n++) bind(`k${n}`, 'a', 0);
  t.match(table.status(0), { records: 100 });
  t.equal(bind('k149', 'b', 0), 'a');
  t.equal(bind('k0', 'b', 0), 'b', 'the oldest made room');
});
