// The IMAP check: a greeting that welcomes, and LOGOUT.

import { readImapResponse } from '../line/imap-response.ts';
import type { HealthCheck } from './health-check.ts';
import { talkTo, type MailProtocol } from './mail-server.ts';

const imap: MailProtocol = {
  name: 'imap',
  firstBytes: '*b',
  goodbye: 'b1 LOGOUT',
  endsGoodbye: (bytes) => /^b1 .*\n/m.test(bytes.toString('latin1'))
};

const expected = '"* OK" or "* PREAUTH"';

export const checkImap: HealthCheck = (target, options, signal) =>
  talkTo(imap, target, options, signal, async (server) => {
    const { tag, word } = await server.answer(expected, readImapResponse);
    // RFC 9051 7.1
    if (tag !== '*' || (word !== 'OK' && word !== 'PREAUTH')) throw server.refused(expected);
  });
