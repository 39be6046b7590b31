// IMAP as Exchange speaks it (RFC 3501, 2177, 7888): the session, and the commands that need no
// mailbox.

import { readImapCommand, type ImapCommand, type Token } from './imap-command.ts';
import { mailboxCommands, tellNews, type Selected } from './imap-mailbox.ts';
import type { MailConnection } from './mail-connection.ts';
import type { MailHost } from './mail.ts';
import { authenticate, logOn } from './sasl.ts';
import { accountOf, type LabUser } from './sign-in.ts';

export interface ImapSession {
  readonly host: MailHost;
  readonly client: MailConnection;
  user: LabUser | undefined;
  selected: Selected | undefined;
}

/** Returns the tagged answer without its tag; undefined where the client is gone. */
export type RunImap = (
  session: ImapSession,
  tokens: readonly Token[],
  command: ImapCommand
) => Promise<string | undefined>;

const anyState: Readonly<Record<string, RunImap>> = {
  async CAPABILITY({ client }) {
    const tls = client.offersTls ? ' STARTTLS' : '';
    await client.say(
      `* CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=PLAIN SASL-IR${tls} UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+`
    );
    return 'OK CAPABILITY completed.';
  },
  async NOOP(session) {
    await tellNews(session);
    return 'OK NOOP completed.';
  },
  async ID({ client, host }) {
    await client.say(`* ID ("name" "Ballast stand-in" "host" "${host.shortName}")`);
    return 'OK ID completed';
  },
  async LOGOUT({ client }) {
    await client.say('* BYE Microsoft Exchange Server IMAP4 server signing off.');
    return 'OK LOGOUT completed.';
  }
};

const beforeLogOn: Readonly<Record<string, RunImap>> = {
  async STARTTLS({ client }, _tokens, { tag }) {
    if (!client.offersTls) return 'BAD Command received in Invalid state.';
    await client.startTls(`${tag} OK Begin TLS negotiation now.`);
    return '';
  },
  async LOGIN(session, [name, password]) {
    if (typeof name !== 'string' || typeof password !== 'string')
      return 'BAD Command Argument Error. 11';
    return admit(session, logOn(name, password, session.host.users), 'LOGIN');
  },
  async AUTHENTICATE(session, [mechanism, initial]) {
    const { client, host } = session;
    if (typeof mechanism !== 'string') return 'BAD Command Argument Error. 11';
    const first = typeof initial === 'string' ? initial : undefined;
    const user = await authenticate(host, mechanism, first, async (challenge) => {
      await client.say(`+ ${challenge}`);
      return client.readLine();
    });
    return admit(session, user, 'AUTHENTICATE');
  }
};

export async function serveImap(host: MailHost, client: MailConnection): Promise<void> {
  if (host.inactive.has('imap')) return client.say('* BYE Connection is closed. 13');
  await client.say(`* OK ${host.shortName} The Microsoft Exchange IMAP4 service is ready.`);
  const session: ImapSession = { host, client, user: undefined, selected: undefined };
  for (;;) {
    const command = await readImapCommand(client);
    if (command === undefined) return;
    const { tokens, tag, name } = command;
    const run = commandsOf(session)[name];
    const answer =
      tokens === undefined || run === undefined
        ? 'BAD Command received in Invalid state.'
        : await run(session, tokens, command);
    if (answer === undefined) return;
    if (answer !== '') await client.say(`${tag} ${answer}`);
    if (name === 'LOGOUT') return;
  }
}

function commandsOf({ user }: ImapSession): Readonly<Record<string, RunImap>> {
  return { ...anyState, ...(user === undefined ? beforeLogOn : mailboxCommands) };
}

function admit(session: ImapSession, user: LabUser | undefined, command: string): string {
  if (user === undefined) return `NO ${command} failed.`;
  session.user = user;
  session.client.user = accountOf(user);
  return `OK ${command} completed.`;
}
