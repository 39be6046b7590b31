// The sessions that a worker has met, and what it asks the primary and believes of it.

import t from 'tap';
import type { Pass } from '../../src/gate/pass.ts';
import type { ToPrimary } from '../../src/messages.ts';
import { WorkerPasses } from '../../src/worker/passes.ts';

const service = 'Mail/OWA';
const pass: Pass = {
  key: 'k',
  user: 'alice@example.com',
  domain: 'EXAMPLE.COM',
  isPrivate: false,
  endsAtMs: Date.now() + 3_600_000,
  idleMs: 3_600_000,
  sealedLogon: ''
};
const logon = {
  service,
  domain: pass.domain,
  how: 'form',
  user: 'alice',
  sealedPassword: '',
  key: pass.key,
  isPrivate: false,
  client: '192.0.2.1'
} as const;

function scene(options = {}) {
  const told: ToPrimary[] = [];
  const passes = new WorkerPasses((message) => told.push(message), options);
  return { told, passes };
}

t.test('a session that it was told of is known, for that service, until it ends', async (t) => {
  const { told, passes } = scene();
  const asked = passes.ask('k', service);
  t.strictSame(told, [{ type: 'find-pass', n: 0, key: 'k', service }]);
  passes.found({ type: 'pass', n: 0, pass });
  t.equal(await asked, pass);
  t.equal(passes.find('k', service), pass);
  t.equal(passes.find('k', 'Mail/ECP'), undefined);
  passes.ended(['k']);
  t.equal(passes.find('k', service), undefined);
});

t.test('a session that ends in the same breath as it is told of is nobody’s', async (t) => {
  // Node hands on all messages of one read before any promise goes on.
  const { passes } = scene();
  const asked = passes.ask('k', service);
  const loggedOn = passes.logon(logon);
  passes.found({ type: 'pass', n: 0, pass });
  passes.answered({ type: 'logon-answer', n: 1, answer: { outcome: 'welcome', pass } });
  passes.ended(['k']);
  t.equal(await asked, undefined);
  t.strictSame(await loggedOn, { outcome: 'unavailable' });
  t.equal(passes.find('k', service), undefined);
});

t.test('many connections that ask at the same time are all let in', async (t) => {
  // Each answer is read out of a message of its own, and they come in one breath.
  const { passes } = scene();
  const asked = [1, 2, 3].map(() => passes.ask('k', service));
  const loggedOn = [1, 2, 3].map(() => passes.logon(logon));
  for (const n of [0, 1, 2]) passes.found({ type: 'pass', n, pass: { ...pass } });
  for (const n of [3, 4, 5]) {
    passes.answered({ type: 'logon-answer', n, answer: { outcome: 'welcome', pass: { ...pass } } });
  }
  t.strictSame(await Promise.all(asked), [pass, pass, pass]);
  for (const answer of await Promise.all(loggedOn))
    t.strictSame(answer, { outcome: 'welcome', pass });
});

t.test('a logoff is answered by the primary, and forgotten here at once', async (t) => {
  const { told, passes } = scene();
  const asked = passes.ask('k', service);
  passes.found({ type: 'pass', n: 0, pass });
  await asked;
  const loggedOff = passes.logoff(['k', 'nobody', 'forged']);
  t.equal(passes.find('k', service), undefined);
  t.strictSame(told.slice(1), [{ type: 'logoff', n: 1, keys: ['k', 'nobody', 'forged'] }]);
  let isOver = false;
  void loggedOff.then(() => (isOver = true));
  await new Promise(setImmediate);
  t.equal(isOver, false, 'whoever logs off waits for it');
  passes.loggedOff({ type: 'logged-off', n: 1 });
  await loggedOff;
  await passes.logoff([]);
  t.equal(told.length, 2, 'and nothing is asked for nobody');
});

t.test('a logoff that the primary does not answer ends all the same', async (t) => {
  const { passes } = scene({ questionTimeMs: 5 });
  await passes.logoff(['k']);
  await t.rejects(passes.ask('k', service), /within 5 ms/, 'who must be known, must');
});

t.test('uses are told once for each session, also of one that is not known any more', async (t) => {
  const { told, passes } = scene();
  const asked = passes.ask('k', service);
  passes.found({ type: 'pass', n: 0, pass });
  await asked;
  told.length = 0;
  passes.report();
  t.strictSame(told, [], 'the primary knows of its own answer');
  for (let n = 0; n < 3; n++) passes.find('k', service);
  passes.used('k');
  passes.forgetAll(); // a reload, while something runs on
  passes.used('running');
  passes.report();
  passes.report();
  t.match(told, [
    {
      type: 'pass-uses',
      uses: [
        ['k', Number],
        ['running', Number]
      ]
    }
  ]);
  t.equal(told.length, 1);
});

t.test('what is known of old groups and domains is forgotten in time', async (t) => {
  const { passes } = scene();
  const asked = passes.ask('k', service);
  passes.found({ type: 'pass', n: 0, pass });
  passes.forgetAll(); // the plan that came behind it
  t.equal(await asked, undefined);
  t.equal(passes.find('k', service), undefined);
});
