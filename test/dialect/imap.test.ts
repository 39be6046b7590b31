// IMAP until the sign-in: what is offered, what is refused, literals, and whose answer is whose.

import { tryConversations } from './conversation.ts';

const unclear = 'it is unclear where the line ends';
/** What a client sends, and why the session ends; nothing of it is forwarded. */
const violations: readonly (readonly [sent: string, words: string])[] = [
  [String.raw`C- a NOOP\n`, 'a line must end in CR LF'],
  [String.raw`C: a NOOP\rb STARTTLS`, 'a line must not hold a CR'],
  [String.raw`C: a NOOP\0`, 'a line must not hold a NUL'],
  ['C: a LOGIN me {05}', unclear],
  ['C: a LOGIN me {5-}', unclear],
  ['C: a LOGIN me {-5}', unclear],
  ['C: a LOGIN me { 5}', unclear],
  ['C: a LOGIN me {}', unclear],
  ['C: a LOGIN me {5++}', unclear],
  ['C: a LOGIN me {4294967296}', unclear],
  ['C: a LOGIN me{5}', unclear],
  ['C: a LOGIN me~{5}', unclear],
  ['C: {5}', unclear],
  ['C: a LOGIN "me {5}', unclear],
  ['C: a LOGIN "me', unclear],
  [String.raw`C: a LOGIN "me\" {5}`, unclear],
  ['C: x {5}', 'data without a command']
];

/** What a server answers to a command, and what is wrong with it. */
const misfits: readonly (readonly [command: string, answer: string, words: string])[] = [
  ['NOOP', 'S: + go', 'a challenge nobody asked for'],
  ['NOOP', 'S: b OK', 'an answer nobody asked for'],
  ['NOOP', 'S: A OK', 'an answer nobody asked for'],
  ['NOOP', 'S: a PREAUTH', 'not an IMAP response'],
  ['NOOP', 'S: a CAPABILITY', 'not an IMAP response'],
  ['NOOP', 'S: +OK ready', 'not an IMAP response'],
  ['NOOP', 'S: *  OK', 'not an IMAP response'],
  ['NOOP', 'S: * OK [CAPABILITY IMAP4rev1 STARTTLS', 'not an IMAP response'],
  ['NOOP', 'S: * PREAUTH', 'PREAUTH before login'],
  ['NOOP', 'S: * 5 EXISTS', '5 before login'],
  ['NOOP', 'S: * LIST () "/" INBOX', 'LIST before login'],
  ['NOOP', 'S: * OK {5}', 'data behind a status'],
  ['NOOP', 'S: a OK x{5+}', 'data behind a status'],
  ['NOOP', 'S: * CAPABILITY IMAP4rev1 {5}', 'a literal in a list of capabilities'],
  ['NOOP', 'S: * ID ("a" {5+}', 'a literal in the form of clients'],
  ['NOOP', 'S: * ID ("a {5}', 'it is unclear where a response ends'],
  ['LOGIN {5}', 'S: a OK', 'an answer before the command ended'],
  ['AUTHENTICATE LOGIN', 'S: + x {5}', 'data behind a status'],
  ['NOOP', String.raw`S- * OK\n`, 'in a response a line must end in CR LF'],
  ['NOOP', String.raw`S: * OK\r* BYE`, 'in a response a line must not hold a CR'],
  ['NOOP', String.raw`S: * OK\0`, 'in a response a line must not hold a NUL']
];

tryConversations('imap', [
  ...violations.map(([sent, words]) => ({
    name: `a client's ${sent}`,
    text: `@greeting\n${sent}\n! end violation: ${words}`
  })),
  ...misfits.map(([command, answer, words]) => ({
    name: `${command} answered ${answer}`,
    text: `@tls\nC: a ${command}\ns: a ${command}\n${answer}\n! end server-violation: ${words}`
  }))
]);
