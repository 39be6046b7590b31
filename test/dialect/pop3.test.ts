// POP3 until the sign-in: what is offered, what is refused, and whose answer is whose.

import { tryConversations } from './conversation.ts';

/** What a client sends, and why the session ends; nothing of it is forwarded. */
const violations: readonly (readonly [sent: string, words: string])[] = [
  [String.raw`C- NOOP\n`, 'a line must end in CR LF'],
  [String.raw`C: NOOP\rSTLS`, 'a line must not hold a CR'],
  [String.raw`C: NOOP\0`, 'a line must not hold a NUL']
];

/** What a server answers to a command, and what is wrong with it. */
const misfits: readonly (readonly [command: string, answer: string, words: string])[] = [
  ['NOOP', 'S: + go', 'a challenge in answer to other'],
  ['USER me', 'S: +', 'a challenge in answer to other'],
  ['NOOP', 'S: * OK', 'not a POP3 answer'],
  ['NOOP', 'S: +OKAY', 'not a POP3 answer'],
  ['NOOP', 'S: +ok', 'not a POP3 answer'],
  ['NOOP', String.raw`S- +OK\n`, 'in an answer a line must end in CR LF'],
  ['NOOP', String.raw`S: +OK\0`, 'in an answer a line must not hold a NUL']
];

tryConversations('pop3', [
  ...violations.map(([sent, words]) => ({
    name: `a client's ${sent}`,
    text: `@greeting\n${sent}\n! end violation: ${words}`
  })),
  ...misfits.map(([command, answer, words]) => ({
    name: `${command} answered ${answer}`,
    text: `@tls\nC: ${command}\ns: ${command}\n${answer}\n! end server-violation: ${words}`
  }))
]);
