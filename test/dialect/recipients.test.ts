// Mail for some recipients only: which addresses are let through, the dialogue that does it, and mail
// data that could be read in two ways.

import t from 'tap';
import { domainGlob, refuseRecipient } from '../../src/dialect/recipients.ts';
import { tryConversations } from './conversation.ts';

const allowedDomains = [
  'example.test',
  '*.example.org',
  'mail?.test',
  'müller.test',
  'straße.test'
];
const globs = allowedDomains.map((text) => domainGlob(text) ?? text);

/** What the client says is UTF-8; a character a byte from there on. */
function judge(text: string, smtpUtf8 = true): string | undefined {
  const refusal = refuseRecipient(Buffer.from(text).toString('latin1'), globs, smtpUtf8);
  return refusal && `${refusal.reply.slice(0, 9)} ${refusal.why}`;
}

t.test('let through', async (t) => {
  for (const address of [
    'u@example.test',
    'U.S-e+r=x@EXAMPLE.Test',
    'u@example.test.',
    "#$&'*+/=?^_`{|}~-@example.test",
    'IMCEAEX-_O=EXCH_OU=X+20Y@example.test',
    '"first last"@example.test',
    '"a..b."@example.test',
    'postmaster',
    'PostMaster',
    'u@a.example.org',
    'u@a.b.example.org',
    'u@mail7.test',
    'jürgen@example.test',
    '用户@example.test',
    'u@müller.test',
    'u@MÜLLER.test',
    'u@xn--mller-kva.test',
    'u@XN--MLLER-KVA.TEST',
    'u@straße.test'
  ]) {
    t.equal(judge(`TO:<${address}>`), undefined, address);
  }
  for (const text of [
    'to: <u@example.test>',
    'TO:<u@example.test> ',
    'TO:<u@example.test>  NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y@z',
    'TO:<u@example.test> orcpt=utf-8;ü@z RRVS=2026-01-01T00:00:00Z;C'
  ]) {
    t.equal(judge(text), undefined, text);
  }
});

t.test('refused', async (t) => {
  const domain = '550 5.7.1 domain';
  const route = '550 5.7.1 source route';
  const inLocal = '550 5.7.1 routing in the local part';
  const literal = '550 5.7.1 address literal';
  const unclear = '501 5.1.3 no clear address';
  const refused: Readonly<Record<string, readonly string[]>> = {
    [domain]: [
      'u@other.test',
      'u@example.org',
      'u@xexample.org',
      'u@aexample.test',
      'u@example.test.other',
      'u@mail.test',
      'u@mail77.test',
      'u@example',
      'u@localhost',
      'u@strasse.test',
      'u@muller.test',
      'u@exämple.test'
    ],
    [route]: ['@', '@a:u@example.test', '@example.test:u@other.test', '@a,@b:u@example.test'],
    [inLocal]: [
      'u%other.test@example.test',
      'other.test!u@example.test',
      'u@other.test@example.test',
      '"u@other.test"@example.test',
      '"u%other.test"@example.test',
      '"other!u"@example.test',
      'u:x@example.test',
      'IMCEASMTP-u+40other+2Etest@example.test',
      '"imceasmtp-u+40other+2Etest"@example.test',
      'a@x,b@example.test',
      'u＠other.test@example.test',
      'u％other.test@example.test'
    ],
    [literal]: ['u@[127.0.0.1]', 'u@[IPv6:::1]', 'u@[example.test]'],
    [unclear]: [
      '',
      'u',
      'root',
      'u@',
      ' u@example.test',
      'u@example.test ',
      'u @example.test',
      '.u@example.test',
      'u.@example.test',
      'u..v@example.test',
      '"u"x@example.test',
      '"u@example.test',
      'u"@example.test',
      '""@example.test',
      'u(c)@example.test',
      'u;v@example.test',
      'u@example.test(c)',
      'u@"example.test"',
      'u@exa mple.test',
      'u@.example.test',
      'u@a..example.org',
      'u@.example.org',
      'u@example.test..',
      'u@example%2etest',
      'u@example.test/x',
      'u@example.test:25',
      'u@127.0.0.1',
      'u@0x7f.1',
      'u@example。test',
      'u@ｅxample.test',
      'u@exam\u00adple.test',
      'u@exam\u200dple.test',
      `u@${'a'.repeat(64)}.example.org`,
      'u\t@example.test',
      'u\u0085@example.test',
      'u\u2028@example.test',
      'u\u202e@example.test',
      'postmaster@'
    ]
  };
  for (const [want, addresses] of Object.entries(refused)) {
    for (const address of addresses) t.equal(judge(`TO:<${address}>`), want, encodeURI(address));
  }
  for (const text of [
    '',
    'TO:u@example.test',
    'TO:u@example.test <u@example.test>',
    'TO<u@example.test>',
    ' TO:<u@example.test>',
    'TO :<u@example.test>',
    'TO:\t<u@example.test>',
    'TO:<u@example.test',
    'TO:<<u@example.test>>',
    'TO:<u@other.test><u@example.test>',
    'TO:<u@other.test> <u@example.test>',
    'TO:<"a>b"@example.test>',
    'TO:<"a\\"b"@example.test>',
    'TO:<u\\@example.test>',
    'FROM:<u@example.test>'
  ]) {
    const want = text.includes('other') ? domain : unclear;
    t.equal(judge(text), want, text);
  }
  for (const [tail, reply] of [
    ['x', 501],
    [' NOTIFY=', 501],
    [' NOTIFY=a=b', 501],
    [' ORCPT=<u@other.test>', 501],
    [',<u@other.test>', 501],
    [' XRDST=other.test', 555],
    [' NOTIFY=NEVER SIZE=1', 555]
  ] as const) {
    t.equal(judge(`TO:<u@example.test>${tail}`), `${reply} 5.5.4 parameters`, tail);
  }
  t.equal(judge('TO:<u@müller.test>', false), '553 5.6.7 UTF-8 without SMTPUTF8');
  const bytes = refuseRecipient('TO:<\xff@example.test>', globs, true);
  t.match(bytes, { why: 'no clear address', address: '\xff@example.test' }, 'no UTF-8');
});

t.test('globs', async (t) => {
  t.equal(domainGlob(' *.Example.TEST. '), '*.example.test');
  t.equal(domainGlob('*.MÜLLER.test'), '*.xn--mller-kva.test');
  for (const none of ['', 'a..b', '@example.test', '*.mü*.test', '[ab].test', 'a b']) {
    t.equal(domainGlob(none), undefined, none);
  }
  const fits = (glob: string, name: string): boolean =>
    refuseRecipient(`TO:<u@${name}>`, [glob], false) === undefined;
  t.ok(fits('*', 'a.test') && fits('a*e*.test', 'abcde.test') && fits('**a?', 'xab'));
  t.notOk(fits('a*e*.test', 'abcd.test') || fits('?', 'ab') || fits('', 'a') || fits('*a', 'b'));
  const label = 'a'.repeat(60);
  const long = [label, label, label, label].join('.');
  const startMs = performance.now();
  t.notOk(fits(`${'*a'.repeat(100)}b`, long));
  t.ok(performance.now() - startMs < 100, 'no blow-up');
});

/** Of which some programs see other lines than others. The first of each pair reaches the server. */
const unclear: readonly (readonly [sent: string, heard: string | undefined])[] = [
  [String.raw`a\n.\nMAIL FROM:<e@b>\r\n`, 's- a'],
  [String.raw`a\n.\r\nMAIL FROM:<e@b>\r\n`, 's- a'],
  [String.raw`a\r\n.\nMAIL FROM:<e@b>\r\n`, 's: a\ns- .'],
  [String.raw`a\r.\rMAIL FROM:<e@b>\r\n`, 's- a'],
  [String.raw`a\r.\r\nMAIL FROM:<e@b>\r\n`, 's- a'],
  [String.raw`a\r\n.\rMAIL FROM:<e@b>\r\n`, 's: a\ns- .'],
  [String.raw`a\r\n.\r\r\nMAIL FROM:<e@b>\r\n`, 's: a\ns- .'],
  [String.raw`a\r\r\n.\r\n`, 's- a'],
  [String.raw`a\n\n.\r\n`, 's- a'],
  [String.raw`a\r\n\0.\r\n`, 's: a'],
  [String.raw`a\r\n.\0\r\n`, 's: a\ns- .'],
  [String.raw`a\0b\r\n`, 's- a'],
  [String.raw`.\n`, 's- .'],
  [String.raw`\n.\n`, undefined],
  [String.raw`\n`, undefined],
  [String.raw`\rx`, undefined],
  [String.raw`a\nb\r\n`, 's- a']
];

tryConversations(
  'smtp',
  unclear.map(([sent, heard]) => ({
    name: `mail with ${sent}`,
    text: [
      `@data\nC- ${sent}`,
      ...(heard === undefined ? [] : [heard]),
      '! end unclear-mail: mail data must not hold a bare CR, a bare LF or a NUL'
    ].join('\n')
  })),
  'smtp-recipients',
  { startTls: 'no', recipients: { allowedDomains } }
);
