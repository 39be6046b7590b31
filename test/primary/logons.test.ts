// Who may in, with a scripted directory: what it is asked, what workers are answered, and what they
// are told of sessions that are over.

import t, { type Test } from 'tap';
import type { Configuration, EspSettings, SsoDomain } from '../../src/config/model.ts';
import type { Directory, GroupList, LogonResult } from '../../src/directory/directory.ts';
import { gateKeys } from '../../src/gate/keys.ts';
import type { LogonAnswer, LogonAsk, Pass } from '../../src/gate/pass.ts';
import { open, seal } from '../../src/gate/seal.ts';
import type { Logger } from '../../src/log.ts';
import type { ToWorker } from '../../src/messages.ts';
import { Logons } from '../../src/primary/logons.ts';
import { espSettings } from '../fixture/esp.ts';
import { configurationOf, ssoDomain, subVS, virtualService } from './configuration.ts';

const canary = 'Canary-7731';
const minute = 60_000;

/** Everybody's password is `right`, but for those whom nobody knows and those with a state. */
class ScriptedDirectory {
  readonly asked: { readonly user: string; readonly lists: readonly GroupList[] }[] = [];
  readonly settings: SsoDomain;
  isStopped = false;
  /** While it is set nobody is answered. */
  gate: Promise<void> | undefined;
  health = { state: 'up', servers: [] };

  constructor(settings: SsoDomain) {
    this.settings = settings;
  }

  canonicalName(user: string): string | undefined {
    if (user === '' || user.includes('\0')) return undefined;
    const [account, domain] = user.toLowerCase().split('@');
    return domain === undefined || domain === this.settings.realm ? account : undefined;
  }

  whyNoName(): string {
    return 'no name';
  }

  serverName(user: string): string {
    return `CORP\\${user}`;
  }

  async logon(user: string, password: string, lists: readonly GroupList[]): Promise<LogonResult> {
    this.asked.push({ user, lists });
    await this.gate;
    const server = 'dc1:389';
    const name = this.canonicalName(user) ?? '';
    if (name === 'nowhere') return { outcome: 'unavailable', reason: 'test', server: undefined };
    if (name === 'broken') throw new Error('test');
    const isRight = password === 'right' && !name.startsWith('nobody');
    if (!isRight) return { outcome: 'denied', cause: 'refused', reason: 'wrong', server };
    if (name === 'old') return { outcome: 'expired', mustChange: true, reason: 'test', server };
    return {
      outcome: 'welcome',
      principal: `${name}@${this.settings.realm}`,
      accountName: name,
      memberOf: lists.map(({ names }) => names.includes(`of ${name}`)),
      groupTrouble: '',
      server
    };
  }

  stop(): void {
    this.isStopped = true;
  }
}

interface Scene {
  readonly logons: Logons;
  readonly directories: readonly ScriptedDirectory[];
  readonly directory: ScriptedDirectory;
  /** Keys of sessions that workers were told are over. */
  readonly ended: string[];
  readonly lines: { readonly msg: string }[];
  nowMs: number;
  /** Asks as a worker does; each time under another key unless one is given. */
  ask(user: string, password?: string, change?: Partial<LogonAsk>): Promise<LogonAnswer>;
  find(key: string, service: string): Pass | undefined;
}

function site(
  esp: Readonly<Record<string, Partial<EspSettings>>>,
  ssoDomains: readonly SsoDomain[] = [ssoDomain()]
): Configuration {
  const subVSs = Object.entries(esp).map(([name, settings]) =>
    subVS({ name, esp: espSettings(settings) })
  );
  return { ...configurationOf([virtualService({ name: 'Mail', subVSs })]), ssoDomains };
}

function openScene(t: Test, configuration: Configuration, refusalTimeMs = 0): Scene {
  const directories: ScriptedDirectory[] = [];
  const ended: string[] = [];
  const lines: { msg: string }[] = [];
  const note = (line: object, msg: string): unknown => lines.push({ ...line, msg });
  let asked = 0;
  const logons = new Logons({
    log: { info: note, warn: note, error: note } as unknown as Logger,
    openDirectory(domain) {
      const directory = new ScriptedDirectory(domain);
      directories.push(directory);
      return directory as unknown as Directory;
    },
    onEnded: (keys) => ended.push(...keys),
    refusalTimeMs,
    now: () => scene.nowMs
  });
  const keys = gateKeys(logons.gateKey);
  const scene: Scene = {
    logons,
    directories,
    get directory() {
      return directories.at(-1) ?? new ScriptedDirectory(ssoDomain());
    },
    ended,
    lines,
    nowMs: 1_000_000,
    ask: (user, password = 'right', change = {}) =>
      logons.logon({
        service: 'Mail/OWA',
        domain: 'EXAMPLE.COM',
        how: 'form',
        user,
        sealedPassword: seal(keys, 'password', password),
        key: `key ${++asked}`,
        isPrivate: false,
        client: '192.0.2.1',
        ...change
      }),
    find(key, service) {
      let found: Pass | undefined;
      logons.receive({ type: 'find-pass', n: 1, key, service }, (answer: ToWorker) => {
        if (answer.type === 'pass') found = answer.pass;
      });
      return found;
    }
  };
  logons.reconcile(configuration);
  t.teardown(() => logons.stop());
  return scene;
}

const twoServices = { OWA: {}, ECP: {} };

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
      user: 'alice@example.com',
      domain: 'EXAMPLE.COM',
      isPrivate: true,
      endsAtMs: scene.nowMs + 28_800_000,
      idleMs: 900_000
    }
  });
  const pass = scene.find('k', 'Mail/ECP');
  t.match(pass, { user: 'alice@example.com' }, 'good for another service');
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

t.test('who is refused is answered late, and all alike', async (t) => {
  const floorMs = 60;
  const groups = { allowedGroups: ['of bob'] };
  const scene = openScene(t, site({ OWA: groups }), floorMs);
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
  scene.logons.receive({ type: 'logoff', key: 'k' }, fail);
  t.strictSame(scene.ended, ['k'], 'and the others hear of its end');
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
