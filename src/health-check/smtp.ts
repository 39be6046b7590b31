// The SMTP check: a greeting that welcomes, an answer to EHLO, and QUIT. The greeting alone would
// not do: an Exchange server in maintenance may greet and say 4.3.2 only to what follows.

import { hostname } from 'node:os';
import { readSmtpReply } from '../line/smtp-reply.ts';
import type { CheckFailure, HealthCheck } from './health-check.ts';
import { talkTo, type MailProtocol, type MailServer } from './mail-server.ts';

const smtp: MailProtocol = {
  name: 'smtp',
  firstBytes: '2345',
  goodbye: 'QUIT',
  endsGoodbye: (bytes) => typeof readSmtpReply(bytes) !== 'string'
};

export const checkSmtp: HealthCheck = (target, options, signal) =>
  talkTo(smtp, target, options, signal, async (server) => {
    const greeting = await codeOf(server, '220');
    if (greeting !== 220) throw await refused(server, '220', greeting);
    const name = ownName(server.localAddress);
    server.say(`EHLO ${name}`);
    let code = await codeOf(server, '250');
    // RFC 5321 3.2: a server of before 1995.
    if (code === 500 || code === 502) {
      server.say(`HELO ${name}`);
      code = await codeOf(server, '250');
    }
    if (code !== 250) throw await refused(server, '250', code);
  });

async function codeOf(server: MailServer, expected: string): Promise<number> {
  return (await server.answer(expected, readSmtpReply)).code;
}

/** Who says 421 closes; to any other refusal the client owes a QUIT (RFC 5321 3.1). */
async function refused(server: MailServer, expected: string, code: number): Promise<CheckFailure> {
  const failure = server.refused(expected);
  if (code !== 421) await server.takeLeave();
  return failure;
}

/** RFC 5321 4.1.4: the name of this machine where it has a whole one, else its address. */
function ownName(localAddress: string): string {
  const name = hostname();
  if (
    /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/i.test(name)
  ) {
    return name;
  }
  const address = localAddress.replace(/^::ffff:(?=.*\.)/i, '').replace(/%.*$/, '');
  return address.includes(':') ? `[IPv6:${address}]` : `[${address}]`;
}
