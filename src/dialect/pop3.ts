// POP3 (RFC 1939): a mailbox fetched and emptied.

import { readPop3Status } from '../line/pop3-answer.ts';
import type { Dialect, FarewellReason } from './dialect.ts';
import { Pop3Dialogue } from './pop3-dialogue.ts';

export const pop3: Dialect = {
  judgeGreeting(bytes) {
    const status = readPop3Status(bytes);
    if (status === 'incomplete') return status;
    return status !== 'malformed' && status.is === 'ok' ? 'welcome' : 'refusal';
  },
  farewell(reason, words) {
    // RFC 1939 3: who was silent for too long gets no answer.
    return reason === 'idle' ? '' : `-ERR ${farewellCodes[reason]}${words}\r\n`;
  },
  begin: (options) => new Pop3Dialogue(options)
};

/** RFC 3206 4: what may work later, so that the user is not asked for a password. */
const farewellCodes: Readonly<Record<FarewellReason, string>> = {
  'no-server': '[SYS/TEMP] ',
  'too-many': '[SYS/TEMP] ',
  idle: '',
  'login-time': '',
  'line-too-long': '',
  violation: '',
  'server-violation': '[SYS/TEMP] ',
  'unclear-mail': '',
  'recipients-refused': '',
  'going-down': '[SYS/TEMP] '
};
