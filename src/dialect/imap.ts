// IMAP4 (RFC 9051, and 3501 before it): a mailbox read where it is.

import { readImapResponse } from '../line/imap-response.ts';
import type { Dialect, FarewellReason } from './dialect.ts';
import { ImapDialogue } from './imap-dialogue.ts';

export const imap: Dialect = {
  judgeGreeting(bytes, toCome = false) {
    const response = readImapResponse(bytes);
    if (response === 'incomplete') return response;
    if (response === 'malformed' || response.tag !== '*') return 'refusal';
    if (response.word === 'OK') return 'welcome';
    // Signed in before TLS: everything in the clear, and STARTTLS no longer possible (7.1.4).
    return response.word === 'PREAUTH' && !toCome ? 'welcome' : 'refusal';
  },
  farewell: (reason, words) => `* BYE ${farewellCodes[reason]}${words}\r\n`,
  begin: (options) => new ImapDialogue(options)
};

/** RFC 5530 3 */
const farewellCodes: Readonly<Record<FarewellReason, string>> = {
  'no-server': '[UNAVAILABLE] ',
  'too-many': '[LIMIT] ',
  idle: '',
  'login-time': '',
  'line-too-long': '[CLIENTBUG] ',
  violation: '[CLIENTBUG] ',
  'server-violation': '[SERVERBUG] ',
  'unclear-mail': '',
  'recipients-refused': '',
  'going-down': '[UNAVAILABLE] '
};
