// POP3 as Exchange speaks it (RFC 1939, 2449, 2595, 5034).

import type { MailConnection } from './mail-connection.ts';
import type { MailHost } from './mail.ts';
import type { Message } from './mailbox.ts';
import { authenticate, logOn, mechanisms } from './sasl.ts';
import { accountOf, type LabUser } from './sign-in.ts';

const refused = '-ERR Logon failure: unknown user name or bad password.';

export async function servePop3(host: MailHost, client: MailConnection): Promise<void> {
  if (host.inactive.has('pop3')) return client.say('-ERR [SYS/TEMP] Connection is closed. 13');
  await client.say(`+OK ${host.shortName} The Microsoft Exchange POP3 service is ready.`);
  const user = await authorize(host, client);
  if (user === undefined) return;
  client.user = accountOf(user);
  await client.say('+OK User successfully logged on.');
  await transact(host, client, user);
}

/** Undefined where the client went before it logged on. */
async function authorize(host: MailHost, client: MailConnection): Promise<LabUser | undefined> {
  let name: string | undefined;
  for (;;) {
    const line = await client.readLine();
    if (line === undefined) return undefined;
    const [command = '', argument = '', initial] = line.split(' ', 3);
    const rest = line.slice(command.length + 1);
    switch (command.toUpperCase()) {
      case 'CAPA':
        await client.say(capabilities(client, true));
        break;
      case 'STLS':
        if (!client.offersTls) await client.say('-ERR Command is not valid in this state.');
        else await client.startTls('+OK Begin TLS negotiation.');
        // RFC 2595 4: nothing that was said before counts.
        name = undefined;
        break;
      case 'USER':
        name = rest;
        await client.say('+OK');
        break;
      case 'PASS': {
        const user = name === undefined ? undefined : logOn(name, rest, host.users);
        if (user !== undefined) return user;
        name = undefined;
        await client.say(refused);
        break;
      }
      case 'AUTH': {
        const user = await authenticate(host, argument, initial, async (challenge) => {
          await client.say(`+ ${challenge}`);
          return client.readLine();
        });
        if (user !== undefined) return user;
        await client.say(refused);
        break;
      }
      case 'QUIT':
        await client.say('+OK Microsoft Exchange Server POP3 server signing off.');
        return undefined;
      default:
        await client.say('-ERR Command is not valid in this state.');
    }
  }
}

async function transact(host: MailHost, client: MailConnection, user: LabUser): Promise<void> {
  const inbox = host.store.inbox(user);
  // RFC 1939 4: the mailbox stands still during the session, and numbers are never reused.
  const messages = [...inbox.messages];
  const deleted = new Set<Message>();
  for (;;) {
    const line = await client.readLine();
    if (line === undefined) return;
    const [command = '', number = '', count = '0'] = line.split(' ', 3);
    const all = [...messages.entries()].filter(([, message]) => !deleted.has(message));
    const chosen = all.filter(([at]) => number === '' || at + 1 === Number(number));
    const [only] = number === '' ? [] : chosen;
    switch (command.toUpperCase()) {
      case 'CAPA':
        await client.say(capabilities(client, false));
        break;
      case 'STAT':
        await client.say(`+OK ${all.length} ${sizeOf(all)}`);
        break;
      case 'LIST':
      case 'UIDL': {
        const isList = command.toUpperCase() === 'LIST';
        const rows = chosen.map(
          ([at, { bytes, uid }]) =>
            `${at + 1} ${isList ? bytes.length : `${inbox.uidValidity}-${uid}`}`
        );
        if (number === '') await client.say(['+OK', ...rows, '.'].join('\r\n'));
        else await client.say(rows[0] === undefined ? '-ERR No such message.' : `+OK ${rows[0]}`);
        break;
      }
      case 'RETR':
      case 'TOP':
        if (only === undefined) await client.say('-ERR No such message.');
        else
          await sendMessage(
            client,
            only[1].bytes,
            command.length === 4 ? undefined : Number(count)
          );
        break;
      case 'DELE':
        if (only !== undefined) deleted.add(only[1]);
        await client.say(only === undefined ? '-ERR No such message.' : '+OK');
        break;
      case 'RSET':
        deleted.clear();
        await client.say('+OK');
        break;
      case 'NOOP':
        await client.say('+OK');
        break;
      case 'QUIT':
        inbox.remove(deleted);
        return client.say('+OK Microsoft Exchange Server POP3 server signing off.');
      default:
        await client.say('-ERR Command is not valid in this state.');
    }
  }
}

function capabilities(client: MailConnection, beforeLogOn: boolean): string {
  const stls = client.offersTls && beforeLogOn ? ['STLS'] : [];
  const sasl = `SASL ${mechanisms.join(' ')}`;
  return ['+OK', 'TOP', 'UIDL', sasl, 'USER', ...stls, '.'].join('\r\n');
}

/** RFC 1939 3: a line that begins with a dot gets another one. `lines`: of the body, for TOP. */
async function sendMessage(
  client: MailConnection,
  bytes: Buffer,
  lines: number | undefined
): Promise<void> {
  let text = bytes.toString('latin1');
  if (lines !== undefined) {
    const body = text.indexOf('\r\n\r\n') + 4;
    const wanted = text.slice(body).split('\r\n').slice(0, lines).join('\r\n');
    text = text.slice(0, body) + (wanted === '' ? '' : `${wanted}\r\n`);
  }
  const end = text.endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n';
  const stuffed = text.replaceAll(/(^|\r\n)\./g, '$1..');
  await client.send(Buffer.from(`+OK\r\n${stuffed}${end}`, 'latin1'));
}

function sizeOf(messages: readonly (readonly [number, Message])[]): number {
  return messages.reduce((sum, [, { bytes }]) => sum + bytes.length, 0);
}
