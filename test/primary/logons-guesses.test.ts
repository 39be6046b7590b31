// Who guesses: what it costs in time and tries, and what an answer must not tell.

import t from 'tap';
import { findMemberships } from '../../src/directory/groups.ts';
import type { Conversation } from '../../src/directory/ldap.ts';
import { minute, openScene, site, twoServices, type Scene } from './logons-scene.ts';

t.test('who is refused is answered late, and all alike', async (t) => {
  const floorMs = 60;
  const groups = { allowedGroups: ['of bob'] };
  const scene = openScene(t, site({ OWA: groups }), { refusalTimeMs: floorMs });
  const users = ['alice', 'nobody', '', 'alice@elsewhere.com', 'alice'];
  const passwords = ['wrong', 'right', 'right', 'right', 'right'];
  const answers = await Promise.all(
    users.map(async (user, n) => {
      const beganMs = performance.now();
      const answer = await scene.ask(user, passwords[n]);
      const tookMs = performance.now() - beganMs;
      // Timers may be a millisecond early.
      t.ok(tookMs >= floorMs - 1, `${user} was refused after ${tookMs} ms`);
      return answer;
    })
  );
  const strange = 'in none of the permitted groups';
  t.strictSame(
    answers,
    ['wrong', 'wrong', 'no name', 'no name', strange].map((reason) => ({
      outcome: 'denied',
      reason // for the log
    }))
  );
  t.match(await scene.ask('bob'), { outcome: 'welcome' });
  t.strictSame(scene.directory.asked.length, 4, 'no name, no question');
  t.strictSame(scene.logons.counts, { logons: 1, failures: 5, unavailable: 0 });
  t.notMatch(JSON.stringify(scene.lines), /right|wrong"/);
});

t.test('a refusal takes as long as a look at the groups does', async (t) => {
  const scene = openScene(t, site({ OWA: { allowedGroups: ['of bob'] } }));
  const tookMs = async (user: string, password: string): Promise<number> => {
    const beganMs = performance.now();
    t.match(await scene.ask(user, password), { outcome: 'denied' });
    return performance.now() - beganMs;
  };
  scene.directory.groupsMs = 60;
  const strangerMs = await tookMs('alice', 'right');
  t.ok(strangerMs >= 59, `${strangerMs} ms`);
  for (const user of ['alice', 'nobody', '']) {
    const wrongMs = await tookMs(user, 'wrong');
    t.ok(wrongMs >= 59, `${user}: ${wrongMs} ms`);
  }
  scene.logons.reconcile(site({ OWA: { allowedGroups: ['of carol'] } }));
  t.ok((await tookMs('alice', 'wrong')) >= 59, 'a reload forgets nothing');
});

t.test('the wait for other guesses is no part of the time of a refusal', async (t) => {
  const floorMs = 40;
  const scene = openScene(t, site(twoServices), { refusalTimeMs: floorMs });
  const release = Promise.withResolvers<void>();
  scene.directory.gate = release.promise;
  const right = Array.from({ length: 3 }, () => scene.ask('alice'));
  const waiting = scene.ask('alice', 'wrong');
  t.match(await scene.ask(''), { outcome: 'denied' }); // and as much time as a refusal takes is over
  release.resolve();
  await Promise.all(right);
  const beganMs = performance.now();
  t.match(await waiting, { outcome: 'denied' });
  const tookMs = performance.now() - beganMs;
  t.ok(tookMs >= floorMs - 5, `${tookMs} ms`);
});

t.test('who cannot be asked about waits as well, and the log is not flooded', async (t) => {
  const floorMs = 30;
  const scene = openScene(t, site({ OWA: { allowedGroups: ['of bob', 'mistyped'] } }), {
    refusalTimeMs: floorMs
  });
  const flood = async (user: string): Promise<void> => {
    const beganMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 9 }, () => scene.ask(user)));
    t.ok(user === 'bob' || performance.now() - beganMs >= floorMs - 1, `${user} waited`);
    const outcome = user === 'bob' ? 'welcome' : 'unavailable';
    for (const answer of answers) t.match(answer, { outcome });
  };
  for (const user of ['nowhere', 'busy', 'broken', 'bob']) await flood(user);
  const told = scene.lines.map(({ msg, reason, leftOut }) => [msg, reason, leftOut]);
  t.strictSame(told, [
    ['cannot ask the directory', 'test failed', undefined],
    ['cannot ask the directory', 'test busy', undefined],
    ['logon failed', undefined, undefined],
    ['cannot look up groups', 'no one group of this name: "mistyped"', undefined]
  ]);
  scene.nowMs += 10_000;
  await flood('nowhere');
  t.match(scene.lines[4], { msg: 'cannot ask the directory', reason: 'test failed', leftOut: 8 });
  t.equal(scene.lines.length, 5);
});

t.test('lockout: the directory is not asked about a blocked name', async (t) => {
  const scene = openScene(t, site(twoServices));
  for (const user of ['alice', 'ALICE', 'alice@example.com']) {
    t.match(await scene.ask(user, 'wrong'), { outcome: 'denied' }, 'all are one name');
  }
  for (const how of ['form', 'basic'] as const) {
    t.strictSame(await scene.ask('alice', 'right', { how }), { outcome: 'blocked' });
  }
  t.equal(scene.directory.asked.length, 3);
  t.match(scene.logons.lockouts.blocked(scene.nowMs), [{ domain: 'EXAMPLE.COM', user: 'alice' }]);
  t.match(await scene.ask('bob'), { outcome: 'welcome' }, 'others are');
  scene.nowMs += 30 * minute;
  t.match(await scene.ask('alice'), { outcome: 'welcome' });
});

t.test('lockout: the right password of who is in no permitted group counts as well', async (t) => {
  for (const password of ['wrong', 'right']) {
    const scene = openScene(t, site({ OWA: { allowedGroups: ['of bob'] } }));
    const inTurn = [await scene.ask('alice', 'wrong'), await scene.ask('alice', password)];
    inTurn.push(await scene.ask('alice', 'wrong'), await scene.ask('alice'));
    scene.nowMs += 60 * minute;
    const atOnce = Array.from({ length: 9 }, () => scene.ask('alice', password));
    const all = [inTurn, await Promise.all(atOnce)].map((one) => one.map((each) => each.outcome));
    const denied = all.map((outcomes) => outcomes.filter((outcome) => outcome === 'denied').length);
    t.strictSame(denied, [3, 3], password);
  }
});

t.test('lockout: a mistake in the groups of another service changes nothing', async (t) => {
  const mistyped = { allowedGroups: ['of bob', 'mistyped'] };
  const three = async (scene: Scene, password: string): Promise<string> => {
    for (let n = 0; n < 3; n++) t.match(await scene.ask('alice', password), { outcome: 'denied' });
    return (await scene.ask('alice', password)).outcome;
  };
  for (const password of ['wrong', 'right']) {
    const scene = openScene(t, site({ OWA: { allowedGroups: ['of bob'] }, ECP: mistyped }));
    t.equal(await three(scene, password), 'blocked', password);
    const own = openScene(t, site({ OWA: mistyped }));
    t.equal(await three(own, password), password === 'right' ? 'denied' : 'blocked', 'of its own');
  }
});

t.test('lockout: who has the right password and no one entry is no guesser', async (t) => {
  const scene = openScene(t, site({ OWA: {}, ECP: { allowedGroups: ['of bob'] } }));
  const none: Conversation = { bind: () => t.fail('not asked') as never, search: async () => [] };
  const lists = [{ names: ['of bob'], nested: false }];
  const account = { accountName: 'alice', principal: undefined };
  const bases = { domain: 'DC=test', groups: 'DC=test' };
  const found = await findMemberships(none, account, bases, lists);
  const { directory } = scene;
  const logon = directory.logon.bind(directory);
  directory.logon = async (user, password, groups) => ({
    ...(await logon(user, password, groups)),
    ...found
  });
  for (let n = 0; n < 5; n++) {
    const service = 'Mail/ECP';
    t.match(await scene.ask('alice', 'right', { service }), { outcome: 'denied' });
  }
  t.match(await scene.ask('alice'), { outcome: 'welcome' }, 'where no group is asked for');
});

t.test('lockout: guesses at the same time are no more than guesses in a row', async (t) => {
  const scene = openScene(t, site(twoServices));
  const release = Promise.withResolvers<void>();
  scene.directory.gate = release.promise;
  const guesses = Array.from({ length: 20 }, (_, n) => scene.ask('alice', `guess ${n}`));
  release.resolve();
  const outcomes = (await Promise.all(guesses)).map(({ outcome }) => outcome);
  t.equal(scene.directory.asked.length, 3, 'as many as block');
  t.strictSame([...new Set(outcomes)].toSorted(), ['blocked', 'denied']);
  const good = Array.from({ length: 20 }, () => scene.ask('bob'));
  for (const answer of await Promise.all(good)) t.match(answer, { outcome: 'welcome' });
});

t.test('guesses that wait for others give up in time', async (t) => {
  const scene = openScene(t, site(twoServices), { sweepIntervalMs: 2 });
  const release = Promise.withResolvers<void>();
  scene.directory.gate = release.promise;
  const asked = Array.from({ length: 3 }, (_, n) => scene.ask('alice', `guess ${n}`));
  const waiting = Array.from({ length: 9 }, () => scene.ask('alice'));
  scene.nowMs += 30_000;
  for (const answer of await Promise.all(waiting)) t.match(answer, { outcome: 'unavailable' });
  release.resolve();
  for (const answer of await Promise.all(asked)) t.match(answer, { outcome: 'denied' });
  t.equal(scene.directory.asked.length, 3);
});

t.test('nobody gets a session whose asker has given up', async (t) => {
  const scene = openScene(t, site(twoServices));
  const release = Promise.withResolvers<void>();
  scene.directory.gate = release.promise;
  const late = scene.ask('alice');
  scene.nowMs += 60_000;
  release.resolve();
  t.match(await late, { outcome: 'unavailable' });
  t.equal(scene.logons.passes.size, 0);
});
