import t from 'tap';
import {
  bindName,
  principalName,
  readLogonName,
  serverLogonName,
  whyNoPassword
} from '../../src/directory/logon-name.ts';
import type { NameFormat } from '../../src/directory/settings.ts';
import { directorySettings } from './settings.ts';

t.test('to the directory, to the real servers, in sessions', async (t) => {
  // Typed, its format towards both; then the three names and the key.
  const cases: readonly (readonly [string, NameFormat, string, string, string, string])[] = [
    ['u1', 'principal', 'u1@example.test', 'u1@example.test', 'u1@example.test', 'u1'],
    ['u1', 'username', 'example.test\\u1', 'example.test\\u1', 'u1@example.test', 'u1'],
    ['u1', 'as-typed', 'u1', 'u1', 'u1@example.test', 'u1'],
    ['  u1 ', 'as-typed', 'u1', 'u1', 'u1@example.test', 'u1'],
    ['Jörg Ünal', 'as-typed', 'Jörg Ünal', 'Jörg Ünal', 'Jörg Ünal@example.test', 'jorg unal'],
    ['Groß', 'as-typed', 'Groß', 'Groß', 'Groß@example.test', 'gross'],
    ['ＵＳＥＲ１', 'as-typed', 'ＵＳＥＲ１', 'ＵＳＥＲ１', 'ＵＳＥＲ１@example.test', 'user1'],
    [
      "o'neil,(x)*",
      'as-typed',
      "o'neil,(x)*",
      "o'neil,(x)*",
      "o'neil,(x)*@example.test",
      "o'neil,(x)*"
    ]
  ];
  // The same whatever the format is: a domain was typed.
  const typed: readonly (readonly [string, string, string, string, string])[] = [
    ['u1@example.test', 'u1@example.test', 'u1@example.test', 'u1@example.test', 'u1'],
    ['U1@Example.Test', 'U1@Example.Test', 'U1@Example.Test', 'U1@example.test', 'u1'],
    ['EXAMPLE\\u1', 'EXAMPLE\\u1', 'EXAMPLE\\u1', 'u1@example.test', 'u1'],
    ['u1@example', 'u1@example', 'u1@example', 'u1@example.test', 'u1'],
    ['example.test\\u1', 'u1@example.test', 'example.test\\u1', 'u1@example.test', 'u1']
  ];
  for (const format of ['principal', 'username', 'as-typed'] as const) {
    const all = [
      ...cases.filter(([, of]) => of === format),
      ...typed.map(([name, ...rest]) => [name, format, ...rest] as const)
    ];
    const settings = directorySettings({ logonFormat: format, serverLogonFormat: format });
    for (const [user, , ...want] of all) {
      const name = readLogonName(user, settings);
      if (typeof name === 'string') {
        t.fail(`${user}: ${name}`);
        continue;
      }
      const got = [
        bindName(name, settings),
        serverLogonName(name, settings),
        principalName(name, settings),
        name.key
      ];
      t.strictSame(got, want, `${user}, ${format}`);
    }
  }
});

t.test('the two formats are two', async (t) => {
  const settings = directorySettings({ logonFormat: 'principal', serverLogonFormat: 'username' });
  const name = readLogonName('u1', { ...settings, realm: 'CORP' });
  if (typeof name === 'string') throw new Error(name);
  t.equal(bindName(name, { ...settings, realm: 'CORP' }), 'u1@CORP');
  t.equal(serverLogonName(name, { ...settings, realm: 'CORP' }), 'CORP\\u1');
});

t.test('refused before any directory is asked', async (t) => {
  const settings = directorySettings({ logonFormat: 'as-typed' });
  const cases: readonly (readonly [user: string, why: RegExp])[] = [
    ['', /no name/],
    ['   ', /no name/],
    ['@', /no name/],
    ['@example.test', /no name/],
    ['EXAMPLE\\', /no name/],
    ['EXAMPLE\\ u1', /no name/],
    ['u1@', /domain/],
    ['\\u1', /domain/],
    ['u1@other.test', /domain/],
    ['OTHER\\u1', /domain/],
    ['u1@example.test.evil', /domain/],
    ['u1@test', /domain/],
    ['u1@example.testing', /domain/],
    ['u1@example.test@other.test', /more than one/],
    ['u1@other.test@example.test', /more than one/],
    ['OTHER\\EXAMPLE\\u1', /more than one/],
    ['OTHER\\u1@example.test', /more than one/],
    ['u1\0', /control/],
    ['u1\r\nx', /control/],
    ['u\u007f1', /control/],
    ['u\u00ad1', /control/],
    ['u\u200b1', /control/],
    ['u\u202e1', /control/],
    ['u1\u2028', /control/],
    ['u\ud8001', /control/],
    ['x'.repeat(257), /256/],
    ['EXTERNAL', /mechanism/],
    ['plain', /mechanism/]
  ];
  for (const [user, why] of cases) {
    const name = readLogonName(user, settings);
    t.match(name, why, visible(user));
    t.equal(typeof name, 'string');
  }
  t.type(readLogonName('x'.repeat(256), settings), 'object');
});

/** Some of these would end a line of TAP. */
function visible(user: string): string {
  return user.slice(0, 40).replace(/[^ -~]/g, (one) => `<${one.charCodeAt(0).toString(16)}>`);
}

t.test('passwords that no directory is asked about', async (t) => {
  for (const password of ['', 'a\0b', 'x'.repeat(257), '\ud800']) {
    t.type(whyNoPassword(password), 'string', visible(password));
  }
  for (const password of [' ', 'ü', 'a b\t', '😀', 'x'.repeat(256)]) {
    t.equal(whyNoPassword(password), undefined, visible(password));
  }
});
