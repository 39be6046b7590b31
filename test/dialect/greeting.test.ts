// How servers open, and what Ballast says where it ends a session.

import t from 'tap';
import type { FarewellReason, Greeting } from '../../src/dialect/dialect.ts';
import { dialects, type DialectName } from '../../src/dialect/registry.ts';

const greetings: readonly (readonly [DialectName, string, Greeting])[] = [
  ['smtp', '220 mx\r\n', 'welcome'],
  ['smtp', '220-mx\r\n220 ESMTP\r\n', 'welcome'],
  ['smtp', '421 busy\r\n', 'refusal'],
  ['smtp', '554 no\r\n', 'refusal'],
  ['smtp', '250 hi\r\n', 'refusal'],
  ['smtp', '220 mx\n', 'refusal'],
  ['smtp', '220-mx\r\n421 no\r\n', 'refusal'],
  ['smtp', '* OK\r\n', 'refusal'],
  ['smtp', 'x'.repeat(5000), 'refusal'],
  ['imap', '* OK\r\n', 'welcome'],
  ['imap', '* ok [CAPABILITY IMAP4rev1] hi\r\n* 5 EXISTS\r\n', 'welcome'],
  ['imap', '* PREAUTH hi\r\n', 'welcome'],
  ['imap', '* BYE\r\n', 'refusal'],
  ['imap', '* NO\r\n', 'refusal'],
  ['imap', 'a OK\r\n', 'refusal'],
  ['imap', '+ OK\r\n', 'refusal'],
  ['imap', '+OK\r\n', 'refusal'],
  ['imap', '* OK\n', 'refusal'],
  ['imap', 'x'.repeat(9000), 'refusal'],
  ['pop3', '+OK\r\n', 'welcome'],
  ['pop3', '+OK POP3 <1.2@mx>\r\n', 'welcome'],
  ['pop3', '-ERR\r\n', 'refusal'],
  ['pop3', '+ OK\r\n', 'refusal'],
  ['pop3', '220 mx\r\n', 'refusal'],
  ['pop3', '+OK\n', 'refusal'],
  ['pop3', 'x'.repeat(13_000), 'refusal']
];

t.test('greetings', async (t) => {
  for (const [name, text, want] of greetings) {
    const bytes = Buffer.from(text);
    t.equal(
      dialects[name].judgeGreeting(bytes),
      want,
      `${name} ${JSON.stringify(text.slice(0, 50))}`
    );
    const cut = Buffer.from(text.slice(0, text.indexOf('\n')));
    if (text.includes('\n')) t.equal(dialects[name].judgeGreeting(cut), 'incomplete');
  }
  t.equal(dialects.smtp.judgeGreeting(Buffer.from('220-mx\r\n')), 'incomplete');
  t.equal(dialects.imap.judgeGreeting(Buffer.from('* PREAUTH\r\n'), true), 'refusal');
  t.equal(dialects.imap.judgeGreeting(Buffer.from('* OK\r\n'), true), 'welcome');
});

t.test('farewells', async (t) => {
  const reasons: readonly FarewellReason[] = [
    'no-server',
    'too-many',
    'idle',
    'login-time',
    'line-too-long',
    'violation',
    'server-violation',
    'unclear-mail',
    'recipients-refused',
    'going-down'
  ];
  const say = (name: DialectName, greeted: boolean): string[] =>
    reasons.map((reason) => dialects[name].farewell(reason, 'words', greeted));
  t.strictSame(say('smtp', true), [
    '421 4.3.2 words\r\n',
    '421 4.7.0 words\r\n',
    '421 4.4.2 words\r\n',
    '421 4.4.2 words\r\n',
    '500 5.5.2 words\r\n',
    '521 5.5.2 words\r\n',
    '421 4.3.0 words\r\n',
    '550 5.6.11 words\r\n',
    '421 4.7.0 words\r\n',
    '421 4.3.2 words\r\n'
  ]);
  t.equal(say('smtp', false)[0], '421 words\r\n', 'RFC 2034: no enhanced code in a greeting');
  t.strictSame(say('imap', true), [
    '* BYE [UNAVAILABLE] words\r\n',
    '* BYE [LIMIT] words\r\n',
    '* BYE words\r\n',
    '* BYE words\r\n',
    '* BYE [CLIENTBUG] words\r\n',
    '* BYE [CLIENTBUG] words\r\n',
    '* BYE [SERVERBUG] words\r\n',
    '* BYE words\r\n',
    '* BYE words\r\n',
    '* BYE [UNAVAILABLE] words\r\n'
  ]);
  t.strictSame(say('pop3', true), [
    '-ERR [SYS/TEMP] words\r\n',
    '-ERR [SYS/TEMP] words\r\n',
    '',
    '-ERR words\r\n',
    '-ERR words\r\n',
    '-ERR words\r\n',
    '-ERR [SYS/TEMP] words\r\n',
    '-ERR words\r\n',
    '-ERR words\r\n',
    '-ERR [SYS/TEMP] words\r\n'
  ]);
});
