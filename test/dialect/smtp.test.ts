// SMTP: what is offered, what is refused, and that no byte is taken for what it is not.

import { tryConversations } from './conversation.ts';

/** What a client sends, and why the session ends; nothing of it is forwarded. */
const violations: readonly (readonly [sent: string, words: string])[] = [
  [String.raw`C- NOOP\n`, 'a line must end in CR LF'],
  [String.raw`C- \n`, 'a line must end in CR LF'],
  [String.raw`C- NOOP\n\r\n`, 'a line must end in CR LF'],
  [String.raw`C: NOOP\rSTARTTLS`, 'a line must not hold a CR'],
  [String.raw`C- NOOP\r\r\n`, 'a line must not hold a CR'],
  [String.raw`C: NOOP\0`, 'a line must not hold a NUL'],
  ['C: BDAT', 'BDAT needs a length, and LAST at the end'],
  ['C: BDAT 012', 'BDAT needs a length, and LAST at the end'],
  ['C: BDAT 0x5', 'BDAT needs a length, and LAST at the end'],
  ['C: BDAT -1', 'BDAT needs a length, and LAST at the end'],
  [String.raw`C: BDAT 5\s`, 'BDAT needs a length, and LAST at the end'],
  ['C: BDAT 5 LAST LAST', 'BDAT needs a length, and LAST at the end'],
  ['C: BDAT 9999999999999999', 'BDAT needs a length, and LAST at the end']
];

/** What a server answers to a command, and what is wrong with it. */
const misfits: readonly (readonly [command: string, answer: string, words: string])[] = [
  ['NOOP', 'S: 354 go', '354 in answer to other'],
  ['NOOP', 'S: 334 VXNlcg==', '334 in answer to other'],
  ['DATA', 'S: 250 ok', '250 in answer to data'],
  ['DATA', 'S: 334 go', '334 in answer to data'],
  ['MAIL FROM:<a@b>', 'S: 354 go', '354 in answer to mail'],
  ['EHLO me', 'S: 354 go', '354 in answer to ehlo'],
  ['EHLO me', 'S: 251-mx', '251 in answer to ehlo'],
  ['EHLO me', 'S: 250-a\nS+ 251 b', 'two codes in an answer'],
  ['EHLO me', 'S: 250-a\nS+ b', 'not an SMTP answer'],
  ['NOOP', 'S: 150 a', 'not an SMTP answer'],
  ['NOOP', 'S: 2500 a', 'not an SMTP answer'],
  ['NOOP', 'S: * OK', 'not an SMTP answer'],
  ['NOOP', String.raw`S- 250 a\n`, 'in an answer a line must end in CR LF'],
  ['NOOP', String.raw`S: 250 a\r250 b`, 'in an answer a line must not hold a CR'],
  ['NOOP', String.raw`S: 250 a\0`, 'in an answer a line must not hold a NUL']
];

tryConversations('smtp', [
  ...violations.map(([sent, words]) => ({
    name: `a client's ${sent}`,
    text: `@hello\n${sent}\n! end violation: ${words}`
  })),
  ...misfits.map(([command, answer, words]) => ({
    name: `${command} answered ${answer}`,
    text: `@hello\nC: ${command}\ns: ${command}\n${answer}\n! end server-violation: ${words}`
  })),
  {
    name: 'an answer to EHLO without an end',
    text: [
      ...'S: 220 mx|c: 220 mx|C: EHLO me|s: EHLO me|S: 250-mx'.split('|'),
      ...Array.from({ length: 128 }, (_, i) => `S+ 250-${i}`),
      '! end server-violation: an endless answer to EHLO'
    ].join('\n')
  }
]);
