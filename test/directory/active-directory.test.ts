// The whole of it against a real Active Directory.

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import { Directory, type LogonResult } from '../../src/directory/directory.ts';
import type { DirectorySettings } from '../../src/directory/settings.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { directoryPassword, missingForSamba, startSamba, type Samba } from '../fixture/samba.ts';
import { directorySettings } from './settings.ts';

// The first of all makes the directory.
t.setTimeout(100_000);

const password = directoryPassword;
/** Must be seen nowhere. */
const wrong = 'Canary-5512';

t.test('Active Directory', { skip: missingForSamba() }, async (t) => {
  const samba = await startSamba(t);
  const open = (change: Partial<DirectorySettings> = {}): Directory =>
    new Directory(
      directorySettings({
        servers: [{ host: samba.address, port: 389 }],
        transport: 'starttls',
        caPem: samba.caPem,
        ...change
      })
    );
  await t.test('names and passwords', (t) => testNames(t, open));
  await t.test('accounts that may not log on', (t) => testAccounts(t, open));
  await t.test('groups', (t) => testGroups(t, open));
  await t.test('TLS', (t) => testTls(t, samba, open));
  await t.test('many at a time', (t) => testMany(t, open));
  await t.test('failover and health', (t) => testFailover(t, samba));
  t.notMatch(samba.log(), /PANIC|INTERNAL ERROR/);
});

type Open = (change?: Partial<DirectorySettings>) => Directory;

async function testNames(t: Test, open: Open): Promise<void> {
  const directory = open();
  const welcome: readonly (readonly [user: string, principal: string])[] = [
    ['u1', 'u1@example.test'],
    [' U1 ', 'U1@example.test'],
    ['u1@example.test', 'u1@example.test'],
    ['U1@EXAMPLE.TEST', 'U1@example.test'],
    ['u1@example', 'u1@example.test'],
    ['EXAMPLE\\u1', 'u1@example.test'],
    ['example.test\\u1', 'u1@example.test'],
    ['given.name', 'given.name@example.test'],
    ['given.name@example.test', 'given.name@example.test'],
    ['EXAMPLE\\u3', 'u3@example.test'],
    ['odd(x)', 'odd(x)@example.test']
  ];
  for (const [user, principal] of welcome) {
    const result = await directory.logon(user, password);
    t.match(result, { outcome: 'welcome', principal, memberOf: [], groupTrouble: '' }, user);
    const key = principal.toLowerCase().replace('@example.test', '');
    t.equal(directory.canonicalName(user), key);
    t.match(await directory.logon(user, `${password} `), { outcome: 'denied', cause: 'refused' });
  }
  t.match(await directory.logon('ünal', 'Pässwörd!1'), { outcome: 'welcome' });
  t.match(await open({ logonFormat: 'username', realm: 'EXAMPLE' }).logon('u1', password), {
    outcome: 'welcome',
    principal: 'u1@example'
  });
  const unasked = ['', '*', 'u*', 'u1)(objectClass=*', 'OTHER\\u1', 'u1@other.test', 'u1\0'];
  for (const user of unasked) {
    t.match(await directory.logon(user, password), { outcome: 'denied' }, JSON.stringify(user));
  }
  // A bind without a password succeeds, as RFC 4513 has it.
  t.match(await directory.logon('u1', ''), { outcome: 'denied', cause: 'unasked' });
}

async function testAccounts(t: Test, open: Open): Promise<void> {
  const directory = open();
  const all: readonly (readonly [user: string, want: Partial<LogonResult>])[] = [
    ['nobody', { outcome: 'denied', cause: 'refused' }],
    ['disabled', { outcome: 'denied', cause: 'disabled' }],
    ['gone', { outcome: 'denied', cause: 'disabled' }],
    ['expired', { outcome: 'expired', mustChange: false }],
    ['mustchange', { outcome: 'expired', mustChange: true }]
  ];
  for (const [user, want] of all) {
    t.match(await directory.logon(user, password), want, user);
    // Who does not know the password learns nothing of the account.
    const result = await directory.logon(user, wrong);
    t.match(result, { outcome: 'denied', cause: 'refused' }, `${user}, wrong password`);
    t.notMatch(inspect(result), wrong);
  }
  for (let i = 0; i < 3; i++) {
    t.match(await directory.logon('locked', wrong), { cause: 'refused' });
  }
  t.match(await directory.logon('locked', password), { outcome: 'denied', cause: 'locked' });
}

async function testGroups(t: Test, open: Open): Promise<void> {
  const cases: readonly (readonly [
    user: string,
    names: readonly string[],
    direct: boolean | undefined,
    nested: boolean | undefined
  ])[] = [
    ['u1', ['Mail Users'], true, true],
    ['u2', ['Mail Users'], false, false],
    ['u2', ['mail users', 'BRANCH'], true, true],
    ['u2', ['All Branches'], false, true],
    ['u1', ['All Branches'], false, false],
    // His primary group, of which the directory says nothing in memberOf.
    ['u3', ['Domain Users'], true, true],
    ['u3', ['Everybody'], false, true],
    ['given.name', ['Domain Users'], true, true],
    ['EXAMPLE\\u2', ['All Branches'], false, true],
    ['u2@example.test', ['Branch'], true, true],
    ['odd(x)', ['Mail Users'], true, true],
    ['u1', ['Odd (group)'], true, true],
    ['u2', ['Odd (group)'], false, false],
    ['u1', ['Twins East'], true, true],
    ['u2', ['Twins East'], false, false],
    // What follows is no one group. Two have this cn, and none as its account name.
    ['u1', ['Twins'], undefined, undefined],
    ['u1', ['*'], undefined, undefined],
    ['u1', ['Mail*'], undefined, undefined],
    ['u1', ['x)(cn=*'], undefined, undefined],
    ['u1', ['No such group'], undefined, undefined],
    ['u1', [], false, false]
  ];
  const directory = open();
  for (const [user, names, direct, nested] of cases) {
    const lists = [
      { names, nested: false },
      { names, nested: true }
    ];
    const result = await directory.logon(user, password, lists);
    t.match(result, { outcome: 'welcome', memberOf: [direct, nested] }, `${user}: ${names.join()}`);
  }
  const mail = [
    { names: ['Mail Users'], nested: true },
    { names: ['Branch'], nested: true }
  ];
  const other = await directory.logon('owner@example.test', `${password}2`, mail);
  t.match(
    other,
    { outcome: 'welcome', memberOf: [false, true] },
    'a principal name is first of all'
  );
  t.match(await directory.logon('owner@example.test', password, mail), { outcome: 'denied' });
  t.match(await directory.logon('EXAMPLE\\owner', password, mail), { memberOf: [true, false] });
  const told = await directory.logon('u1', password, [{ names: ['Nix', 'Branch'], nested: true }]);
  t.match(told, { memberOf: [undefined], groupTrouble: 'no one group of this name: "Nix"' });
  const east = open({ searchBase: 'OU=East,DC=example,DC=test' });
  const lists = [
    { names: ['Twins'], nested: false },
    { names: ['Mail Users'], nested: false }
  ];
  t.match(await east.logon('u1', password, lists), { memberOf: [true, undefined] });
  const nowhere = open({ searchBase: 'OU=Nowhere,DC=example,DC=test' });
  t.match(await nowhere.logon('u1', password, lists), { outcome: 'unavailable' });
}

async function testTls(t: Test, samba: Samba, open: Open): Promise<void> {
  const other = await testCertificate(samba.address);
  // Another address for the same server, which is not in its certificate.
  const relay = await startRelay(t, samba.address, 389);
  const secureRelay = await startRelay(t, samba.address, 636);
  for (const [transport, port, relayPort] of [
    ['starttls', 389, relay],
    ['ldaps', 636, secureRelay]
  ] as const) {
    const servers = [{ host: samba.address, port }];
    const elsewhere = [{ host: '127.0.0.2', port: relayPort }];
    const named = [{ host: 'localhost', port: relayPort }];
    const at = { transport, servers };
    t.match(await open(at).logon('u1', password), { outcome: 'welcome' }, transport);
    t.match(await open({ ...at, servers: named }).logon('u1', password), { outcome: 'welcome' });
    const refused: readonly (readonly [what: string, change: Partial<DirectorySettings>])[] = [
      ['authority', { caPem: other.cert }],
      ["Node's authorities", { caPem: undefined }],
      ['host name', { servers: elsewhere }]
    ];
    for (const [what, change] of refused) {
      const result = await open({ ...at, ...change }).logon('u1', password);
      t.match(result, { outcome: 'unavailable', reason: /certificate/i }, `${transport}: ${what}`);
      const lax = open({ ...at, ...change, verify: false });
      t.match(await lax.logon('u1', password), { outcome: 'welcome' }, `${what}, not verified`);
    }
  }
  t.match(await open({ transport: 'ldap' }).logon('u1', password), { outcome: 'welcome' });
  // TLS where none is spoken, and the other way round.
  const ldaps = await open({ transport: 'ldaps' }).logon('u1', password);
  t.equal(ldaps.outcome, 'unavailable');
  const servers = [{ host: samba.address, port: 636 }];
  t.equal((await open({ servers }).logon('u1', password)).outcome, 'unavailable');
}

async function testMany(t: Test, open: Open): Promise<void> {
  const directory = open({ transport: 'ldap' });
  const lists = [{ names: ['Mail Users'], nested: true }];
  const results = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      directory.logon(i % 2 === 0 ? 'u1' : 'u2', i % 10 === 9 ? wrong : password, lists)
    )
  );
  results.forEach((result, i) => {
    const wanted = i % 10 === 9 ? { outcome: 'denied' } : { memberOf: [i % 2 === 0] };
    t.match(result, wanted, `logon ${i}`);
  });
}

async function testFailover(t: Test, samba: Samba): Promise<void> {
  const blackHole = await startBlackHole(t);
  const port = { blackHole, second: 389 };
  const server = (which: keyof typeof port): { host: string; port: number } => ({
    host: which === 'second' ? samba.address : '127.0.0.2',
    port: port[which]
  });
  const settings = directorySettings({
    servers: [server('blackHole'), server('second')],
    timeoutMs: 300
  });
  const directory = new Directory(settings);
  const began = performance.now();
  t.match(await directory.logon('u2', password), { server: `${samba.address}:389` });
  t.ok(performance.now() - began >= 290, 'the silent one had its time');
  const again = performance.now();
  // Refused by the second, and not asked about once more.
  t.match(await directory.logon('u2', wrong), { outcome: 'denied' });
  t.ok(performance.now() - again < 290, 'the silent one is asked last now');

  const changes: unknown[] = [];
  const changed = Promise.withResolvers<void>();
  const watched = new Directory(
    directorySettings({
      servers: [{ host: '127.0.0.2', port: 1 }, server('second')],
      testUser: { name: 'checker', password }
    }),
    {
      checkIntervalMs: 50,
      onChange: ({ state, servers }) => {
        changes.push([state, ...servers.map((one) => one.state)]);
        if (state === 'down') changed.resolve();
      }
    }
  );
  t.teardown(() => watched.stop());
  t.equal(watched.health.state, 'unknown');
  await watched.start();
  t.equal(watched.health.state, 'up');
  t.equal(watched.downReason, undefined);
  t.match(watched.health.servers, [
    { state: 'down', reason: 'connection refused' },
    { reason: '' }
  ]);
  await samba.kill();
  await changed.promise;
  t.strictSame(changes.at(-1), ['down', 'down', 'down']);
  t.match(watched.downReason, /127\.0\.0\.2:1: connection refused; .*:389: connection refused/);
  const lost = await watched.logon('u1', password);
  t.match(lost, { outcome: 'unavailable', reason: /connection refused/ });
  t.notMatch(inspect(lost), password);
  await samba.start();
  t.match(await watched.logon('u1', password), { outcome: 'welcome' }, 'it is asked all the same');

  const refused = new Directory(
    directorySettings({
      servers: [server('second')],
      testUser: { name: 'checker', password: wrong }
    })
  );
  t.teardown(() => refused.stop());
  await refused.start();
  t.match(refused.health, { state: 'up', servers: [{ reason: /test user is refused: wrong/ }] });
  t.notMatch(inspect(refused.health), wrong);
}

/** Passes bytes on, from a port of 127.0.0.2 and localhost. */
async function startRelay(t: Test, host: string, port: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const far = connect({ host, port });
    for (const socket of [client, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        far.destroy();
      });
    }
    client.pipe(far).pipe(client);
  });
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

async function startBlackHole(t: Test): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => sockets.add(client.on('error', () => {})));
  server.listen(0, '127.0.0.2');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}
