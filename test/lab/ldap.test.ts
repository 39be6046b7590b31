// The stand-in directory, asked by Ballast's own client and by hand.

import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { Directory } from '../../src/directory/directory.ts';
import type { DirectorySettings } from '../../src/directory/settings.ts';
import type { LdapAccount } from '../../src/lab/ldap-accounts.ts';
import { startLdap, type Ldap, type LdapOptions } from '../../src/lab/ldap.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { message, result, tlv } from '../directory/ber.ts';
import { directorySettings } from '../directory/settings.ts';

const certificate = await selfSignedCertificate('dc1.corp.example', ['127.0.0.1']);
const person = (name: string): LdapAccount => ({ domain: 'CORP', name, password: 'Right-1' });

const tls = { key: certificate.keyPem, cert: certificate.chainPem };

async function start(t: Test, options: Pick<LdapOptions, 'tls'> = { tls }): Promise<Ldap> {
  const ldap = await startLdap({
    domain: 'corp.example',
    accounts: [
      { ...person('alice'), memberOf: ['Mail Users'] },
      { ...person('bob'), memberOf: ['Paris'] },
      person('mallory'),
      { ...person('carol'), trouble: 'expired' },
      { ...person('dave'), trouble: 'must-change' },
      { ...person('eve'), trouble: 'locked' },
      { ...person('frank'), trouble: 'disabled' }
    ],
    groups: [
      { name: 'Mail Users' },
      { name: 'Paris', memberOf: ['France'] },
      { name: 'France', memberOf: ['Mail Users', 'Paris'] }
    ],
    ...options
  });
  t.teardown(() => ldap.close());
  return ldap;
}

function open({ port }: Ldap, change: Partial<DirectorySettings> = {}): Directory {
  return new Directory(
    directorySettings({
      name: 'corp.example',
      realm: 'corp.example',
      servers: [{ host: '127.0.0.1', port }],
      transport: 'starttls',
      caPem: certificate.chainPem,
      ...change
    })
  );
}

t.test('names, passwords, and what is wrong with accounts', async (t) => {
  const ldap = await start(t);
  const directory = open(ldap);
  for (const name of ['alice', 'ALICE@corp.example', 'CORP\\Alice', 'corp.example\\alice']) {
    t.match(await directory.logon(name, 'Right-1'), { outcome: 'welcome' }, name);
  }
  const asTyped = open(ldap, { logonFormat: 'as-typed' });
  t.match(await asTyped.logon('alice', 'Right-1'), { outcome: 'welcome' });
  const cases: readonly (readonly [name: string, right: object, wrong: object])[] = [
    ['alice', { outcome: 'welcome' }, { reason: 'wrong name or password' }],
    ['nobody', { reason: 'no such user' }, { reason: 'no such user' }],
    ['carol', { outcome: 'expired', mustChange: false }, { reason: 'wrong name or password' }],
    ['dave', { outcome: 'expired', mustChange: true }, { reason: 'wrong name or password' }],
    ['eve', { cause: 'locked' }, { cause: 'locked' }],
    ['frank', { cause: 'disabled' }, { reason: 'wrong name or password' }]
  ];
  for (const [name, right, wrong] of cases) {
    t.match(await directory.logon(name, 'Right-1'), right, name);
    t.match(await directory.logon(name, 'Wrong-1'), { outcome: 'denied', ...wrong }, name);
  }
  ldap.setPassword('carol', 'Right-2');
  t.match(await directory.logon('carol', 'Right-1'), { outcome: 'denied' });
  t.match(
    await directory.logon('carol', 'Right-2'),
    { outcome: 'welcome' },
    'a new password cures'
  );
  t.ok(ldap.records.every(({ operation, secure }) => secure || operation === 'starttls'));
  t.notMatch(JSON.stringify(ldap.records), /Right-/);
});

t.test('groups: direct, nested in a ring, primary, none', async (t) => {
  const directory = open(await start(t));
  const lists = [
    { names: ['Mail Users'], nested: false },
    { names: ['Mail Users'], nested: true },
    { names: ['Domain Users'], nested: false }
  ];
  const memberOf = async (name: string): Promise<unknown> => {
    const result = await directory.logon(name, 'Right-1', lists);
    return 'memberOf' in result && [...result.memberOf, result.groupTrouble];
  };
  t.strictSame(await memberOf('alice'), [true, true, true, '']);
  t.strictSame(await memberOf('bob@corp.example'), [false, true, true, '']);
  t.strictSame(await memberOf('mallory'), [false, false, true, '']);
  t.match(await directory.logon('alice', 'Right-1', [{ names: ['Nobody'], nested: true }]), {
    memberOf: [undefined],
    groupTrouble: 'no one group of this name: "Nobody"'
  });
});

t.test('without TLS StartTLS is refused, and plain LDAP works', async (t) => {
  const ldap = await start(t, {});
  t.match(await open(ldap).logon('alice', 'Right-1'), { outcome: 'unavailable' });
  t.match(await open(ldap, { transport: 'ldap' }).logon('alice', 'Right-1'), {
    outcome: 'welcome'
  });
});

const simpleBind = (id: number, name: string, password: string, version = 3): Buffer =>
  message(id, tlv(0x60, Buffer.from([2, 1, version]), tlv(4, name), tlv(0x80, password)));
/** Of an answer to a bind without any text. */
const code = (n: number): string => result(0x61, n).toString('latin1');
const search = (id: number, base: string): Buffer =>
  message(
    id,
    tlv(
      0x63,
      tlv(4, base),
      Buffer.from([10, 1, base === '' ? 0 : 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0]),
      tlv(0x87, 'objectClass'),
      tlv(0x30)
    )
  );

t.test('by hand: who is not bound learns nothing, and nonsense ends it', async (t) => {
  const ldap = await start(t);
  const base = 'DC=corp,DC=example';
  const deep = Array.from({ length: 20 }).reduce<Buffer>((inner) => tlv(0xa0, inner), tlv(0x87));
  const notBound = 'DSID-0C090A5C';
  const cases: readonly (readonly [string, sent: readonly Buffer[], said: readonly string[]])[] = [
    ['unasked', [search(1, base)], [notBound]],
    ['anonymous', [simpleBind(1, 'alice', ''), search(2, base)], [code(0), notBound]],
    ['LDAPv2', [simpleBind(1, 'alice', 'Right-1', 2)], [code(2)]],
    ['the root, to all', [search(1, '')], ['defaultNamingContext', base]],
    ['bound', [simpleBind(1, 'alice', 'Right-1'), search(2, base)], [code(0), 'CN=bob,CN=Users']],
    [
      'a failed bind ends the one before',
      [simpleBind(1, 'alice', 'Right-1'), simpleBind(2, 'alice', 'x'), search(3, base)],
      [code(0), 'data 52e', notBound]
    ]
  ];
  for (const [name, sent, parts] of cases) {
    const unbind = message(9, tlv(0x42));
    const said = await say(ldap, Buffer.concat([...sent, unbind]));
    t.strictSame(
      parts.filter((part) => !said.includes(part)),
      [],
      name
    );
  }
  const bad: Readonly<Record<string, Buffer>> = {
    text: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'a length without an end': Buffer.from([0x30, 0x80, 0, 0]),
    'a message too long': Buffer.from([0x30, 0x84, 0, 1, 0, 1]),
    'a length that leads out': message(1, Buffer.from([0x60, 0x7f, 2, 1, 3])),
    'an operation that is not had': message(1, tlv(0x66, tlv(4, base))),
    'a filter too deep': message(
      1,
      tlv(
        0x63,
        tlv(4),
        Buffer.from([10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0]),
        deep,
        tlv(0x30)
      )
    )
  };
  for (const [name, bytes] of Object.entries(bad)) {
    t.match(await say(ldap, bytes), /1\.3\.6\.1\.4\.1\.1466\.20036/, name);
  }
});

/** What it says until it ends the connection. */
async function say({ port }: Ldap, bytes: Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(bytes);
  let said = '';
  socket.setEncoding('latin1').on('data', (text: string) => (said += text));
  await once(socket, 'end');
  socket.destroy();
  return said;
}
