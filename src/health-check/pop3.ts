// The POP3 check: a greeting that welcomes, and QUIT.

import { readPop3Status } from '../line/pop3-answer.ts';
import type { HealthCheck } from './health-check.ts';
import { talkTo, type MailProtocol } from './mail-server.ts';

const pop3: MailProtocol = {
  name: 'pop3',
  firstBytes: '+-',
  goodbye: 'QUIT',
  endsGoodbye: (bytes) => bytes.includes(10)
};

const expected = '"+OK"';

export const checkPop3: HealthCheck = (target, options, signal) =>
  talkTo(pop3, target, options, signal, async (server) => {
    const { is } = await server.answer(expected, readPop3Status);
    if (is !== 'ok') throw server.refused(expected);
  });
