// SMTP (RFC 5321): mail comes in, from other servers and from clients that sign in.

import { readSmtpReply } from '../line/smtp-reply.ts';
import type { Dialect, FarewellReason } from './dialect.ts';
import { SmtpDialogue } from './smtp-dialogue.ts';

export const smtp: Dialect = {
  judgeGreeting(bytes) {
    const reply = readSmtpReply(bytes);
    if (reply === 'incomplete') return reply;
    return reply !== 'malformed' && reply.code === 220 ? 'welcome' : 'refusal';
  },
  farewell(reason, words, greeted) {
    const [code, enhanced] = farewells[reason];
    // RFC 2034 4: none in a greeting.
    return greeted ? `${code} ${enhanced} ${words}\r\n` : `${code} ${words}\r\n`;
  },
  begin: (options) => new SmtpDialogue(options)
};

/**
 * 421 says that the connection ends and the mail may be tried again. Who broke the protocol would
 * break it again: 521 ends the connection too, and the mail for good.
 */
const farewells: Readonly<Record<FarewellReason, readonly [code: number, enhanced: string]>> = {
  'no-server': [421, '4.3.2'],
  'too-many': [421, '4.7.0'],
  idle: [421, '4.4.2'],
  'login-time': [421, '4.4.2'],
  // RFC 5321 4.5.3.1.9
  'line-too-long': [500, '5.5.2'],
  violation: [521, '5.5.2'],
  'server-violation': [421, '4.3.0'],
  // As Exchange refuses bare line feeds: the mail would be the same another time.
  'unclear-mail': [550, '5.6.11'],
  'recipients-refused': [421, '4.7.0'],
  'going-down': [421, '4.3.2']
};
