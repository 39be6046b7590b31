// Who may in, with a scripted directory: what it is asked, what workers are answered, and what they
// are told of sessions that are over.

import t from 'tap';
import type { Directory } from '../../src/directory/directory.ts';
import { gateKeys } from '../../src/gate/keys.ts';
import { open, seal } from '../../src/gate/seal.ts';
import type { Logger } from '../../src/log.ts';
import type { ToWorker } from '../../src/messages.ts';
import { Logons } from '../../src/primary/logons.ts';
import { ssoDomain } from './configuration.ts';
import { minute, openScene, ScriptedDirectory, site, twoServices } from './logons-scene.ts';

const canary = 'Canary-7731';

t.test('welcome: a session for all services of the SSO domain', async (t) => {
  const other = ssoDomain({ name: 'OTHER.COM', realm: 'other.com' });
  const scene = openScene(
    t,
    site(
      {
        ...twoServices,
        Partners: { domain: 'OTHER.COM' },
        EWS: { clientMode: 'delegate', domain: '' }
      },
      [ssoDomain(), other]
    )
  );
  const answer = await scene.ask('Alice', 'right', { key: 'k', isPrivate: true });
  t.match(answer, {
    outcome: 'welcome',
    pass: {
      key: 'k',
      user: 'Alice@example.com',
      domain: 'EXAMPLE.COM',
      isPrivate: true,
      endsAtMs: scene.nowMs + 28_800_000,
      idleMs: 900_000
    }
  });
  const pass = scene.find('k', 'Mail/ECP');
  t.match(pass, { user: 'Alice@example.com' }, 'good for another service');
  t.equal(
    open(gateKeys(scene.logons.gateKey), 'logon', pass?.sealedLogon ?? ''),
    'CORP\\Alice\0right',
    'with what the servers are told, under the seal'
  );
  for (const service of ['Mail/Partners', 'Mail/EWS', 'Mail', 'Mail/None', '']) {
    t.equal(scene.find('k', service), undefined, `not for ${service}`);
  }
  t.equal(scene.find('K', 'Mail/OWA'), undefined);
  t.strictSame(scene.logons.counts, { logons: 1, failures: 0, unavailable: 0 });
});

t.test('expired, unavailable, and what must not happen', async (t) => {
  const scene = openScene(t, site(twoServices));
  t.strictSame(await scene.ask('old'), { outcome: 'expired', mustChange: true });
  t.strictSame(await scene.ask('nowhere'), { outcome: 'unavailable' });
  t.strictSame(await scene.ask('broken'), { outcome: 'unavailable' }, 'a mistake lets nobody in');
  const sealed = { sealedPassword: 'AAAA' };
  t.strictSame(await scene.ask('alice', canary, sealed), { outcome: 'unavailable' });
  for (const change of [{ service: 'Mail/None' }, { domain: 'NONE' }, { service: 'Mail' }]) {
    t.strictSame(await scene.ask('alice', 'right', change), { outcome: 'unavailable' });
  }
  t.equal(scene.directory.asked.length, 3);
  t.strictSame(scene.logons.counts, { logons: 0, failures: 1, unavailable: 6 });
  t.equal(scene.logons.passes.size, 0);
});

t.test('the same question at the same time is asked once', async (t) => {
  const scene = openScene(t, site(twoServices));
  const release = Promise.withResolvers<void>();
  scene.directory.gate = release.promise;
  const same = { key: 'phone', how: 'basic' } as const;
  const all = [1, 2, 3].map(() => scene.ask('alice', 'right', same));
  all.push(scene.ask('alice', 'right', { ...same, service: 'Mail/ECP' }));
  release.resolve();
  for (const answer of await Promise.all(all)) t.match(answer, { outcome: 'welcome' });
  t.equal(scene.directory.asked.length, 2, 'once for each service');
  t.match(await scene.ask('alice', 'right', same), { outcome: 'welcome' });
  t.equal(scene.directory.asked.length, 3, 'and anew later');
});

t.test('sessions are counted by user, however he spells himself', async (t) => {
  const scene = openScene(t, site(twoServices));
  await scene.ask('bob');
  for (let n = 0; n < 260; n++)
    await scene.ask(['alice', 'Álice', 'alicé@example.com'][n % 3] ?? '');
  t.equal(scene.logons.passes.size, 251);
  t.equal(scene.logons.endUser('alicè').length, 250);
});

t.test('a form that leads nowhere by itself asks for the groups of those beside it', async (t) => {
  const proxy = { service: 'Mail/Proxy' };
  const owa = { allowedGroups: ['of bob'] };
  const ecp = { allowedGroups: ['of carol'], nestedGroups: true };
  const other = ssoDomain({ name: 'OTHER.COM', realm: 'other.com' });
  const outcomes = async (esp: Parameters<typeof site>[0]): Promise<string[]> => {
    const scene = openScene(t, site({ Proxy: {}, ...esp }, [ssoDomain(), other]));
    const answers = await Promise.all(
      ['alice', 'bob', 'carol'].map((user) => scene.ask(user, 'right', { ...proxy, key: user }))
    );
    t.equal(scene.find('alice', 'Mail/Proxy') !== undefined, answers[0]?.outcome === 'welcome');
    return answers.map(({ outcome }) => outcome);
  };
  const permitted = ['denied', 'welcome', 'welcome'];
  const basic = { clientMode: 'basic' } as const;
  const partners = { domain: 'OTHER.COM' };
  t.strictSame(await outcomes({ OWA: owa, ECP: ecp }), permitted);
  t.strictSame(await outcomes({ OWA: owa, ECP: ecp, EAS: basic, Partners: partners }), permitted);
  t.strictSame(await outcomes({ OWA: owa, ECP: {} }), Array(3).fill('welcome'), 'OWA or everybody');
  t.strictSame(await outcomes({}), Array(3).fill('welcome'), 'nobody to ask for');

  const scene = openScene(t, site({ Proxy: {}, OWA: owa, ECP: ecp }));
  t.match(await scene.ask('bob', 'right', { ...proxy, key: 'bob' }), { outcome: 'welcome' });
  t.ok(scene.find('bob', 'Mail/OWA'));
  t.equal(scene.find('bob', 'Mail/ECP'), undefined);
  for (const password of ['right', 'wrong', 'right']) await scene.ask('alice', password, proxy);
  t.match(await scene.ask('alice', 'right', proxy), { outcome: 'blocked' }, 'and counts');
});

t.test('a reload', async (t) => {
  const before = site({ OWA: {}, ECP: { allowedGroups: ['of alice'] } });
  const scene = openScene(t, before);
  await scene.ask('alice', 'right', { key: 'k' });
  t.ok(scene.find('k', 'Mail/ECP'));
  scene.logons.reconcile(before);
  t.equal(scene.directories.length, 1, 'what stays the same is kept');
  t.ok(scene.find('k', 'Mail/ECP'), 'and so are sessions');

  await t.test('with other groups refuses sessions there', async (t) => {
    scene.logons.reconcile(site({ OWA: {}, ECP: { allowedGroups: ['of bob'] } }));
    t.ok(scene.find('k', 'Mail/OWA'));
    t.equal(scene.find('k', 'Mail/ECP'), undefined);
    t.match(await scene.ask('alice', 'right', { service: 'Mail/ECP' }), { outcome: 'denied' });
  });

  await t.test(
    'in the middle of a question does not let in by what was asked before',
    async (t) => {
      const release = Promise.withResolvers<void>();
      scene.directory.gate = release.promise;
      const asked = scene.ask('alice', 'right', { key: 'late' });
      scene.logons.reconcile(site({ OWA: { allowedGroups: ['of bob'] }, ECP: {} }));
      release.resolve();
      t.not((await asked).outcome, 'welcome');
      t.equal(scene.find('late', 'Mail/OWA'), undefined);
      scene.directory.gate = undefined;
    }
  );

  await t.test('without the domain ends its sessions', (t) => {
    const [directory] = scene.directories;
    const other = ssoDomain({ name: 'OTHER.COM' });
    scene.logons.reconcile(site({ OWA: { domain: 'OTHER.COM' } }, [other]));
    t.equal(directory?.isStopped, true);
    t.ok(scene.ended.includes('k'));
    t.equal(scene.logons.passes.size, 0);
    t.equal(scene.logons.healthOf('EXAMPLE.COM'), undefined);
    t.end();
  });
});

t.test('the names of a user that an administrator may say', async (t) => {
  const other = ssoDomain({ name: 'OTHER.COM', realm: 'other.com' });
  const scene = openScene(t, site({ OWA: {}, B: { domain: 'OTHER.COM' } }, [ssoDomain(), other]));
  const there = { service: 'Mail/B', domain: 'OTHER.COM' };
  const signIn = async (): Promise<void> => {
    scene.ended.length = 0;
    await scene.ask('alice', 'right', { key: 'a1' });
    await scene.ask('alice@example.com', 'right', { key: 'a2' });
    await scene.ask('alice', 'right', { ...there, key: 'a3' });
    await scene.ask('bob', 'right', { key: 'b' });
  };
  for (const [name, keys] of [
    ['Alice', ['a1', 'a2', 'a3']],
    ['ALICE@example.com', ['a1', 'a2']],
    ['alice@other.com', ['a3']],
    ['ali', []],
    ['', []]
  ] as const) {
    await signIn();
    const ended = scene.logons.endUser(name);
    t.strictSame(scene.ended.toSorted(), keys, name);
    t.equal(ended.length, keys.length);
    scene.logons.endUser('alice');
    t.equal(scene.logons.passes.size, 1, 'bob stays');
  }
  const block = async (change = {}): Promise<void> => {
    for (let n = 0; n < 3; n++) await scene.ask('alice', 'wrong', change);
  };
  await block();
  await block(there);
  t.equal(scene.logons.unblock('alice@other.com'), 1);
  t.strictSame(await scene.ask('alice'), { outcome: 'blocked' });
  t.match(await scene.ask('alice', 'right', there), { outcome: 'welcome' });
  t.equal(scene.logons.unblock('ALICE'), 1);
  t.match(await scene.ask('alice'), { outcome: 'welcome' });
  t.equal(scene.logons.unblock('alice'), 0);
});

t.test('what workers tell', async (t) => {
  const scene = openScene(t, site(twoServices));
  const fail = (): never => t.fail('nobody asked') as never;
  await scene.ask('alice', 'right', { key: 'k' });
  scene.nowMs += 14 * minute;
  scene.logons.receive({ type: 'pass-uses', uses: [['k', scene.nowMs - 1]] }, fail);
  scene.nowMs += 14 * minute;
  t.ok(scene.find('k', 'Mail/OWA'), 'a use there keeps it alive here');
  const answers: ToWorker[] = [];
  scene.logons.receive({ type: 'logoff', n: 7, keys: ['forged', 'k'] }, (answer) => {
    t.strictSame(scene.ended, ['k'], 'and the others hear of its end before');
    answers.push(answer);
  });
  t.strictSame(answers, [{ type: 'logged-off', n: 7 }]);
  t.equal(scene.find('k', 'Mail/OWA'), undefined);
});

t.test('what is out of time ends without anybody asking', async (t) => {
  const told = Promise.withResolvers<readonly string[]>();
  let nowMs = 0;
  const logons = new Logons({
    log: {} as Logger,
    openDirectory: (domain) => new ScriptedDirectory(domain) as unknown as Directory,
    onEnded: told.resolve,
    refusalTimeMs: 0,
    sweepIntervalMs: 5,
    now: () => nowMs
  });
  t.teardown(() => logons.stop());
  logons.reconcile(site(twoServices));
  await logons.logon({
    service: 'Mail/OWA',
    domain: 'EXAMPLE.COM',
    how: 'form',
    user: 'alice',
    sealedPassword: seal(gateKeys(logons.gateKey), 'password', 'right'),
    key: 'k',
    isPrivate: false,
    client: '192.0.2.1'
  });
  nowMs = 15 * minute;
  t.strictSame(await told.promise, ['k']);
});
