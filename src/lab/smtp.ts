// SMTP as the front end of Exchange speaks it (RFC 5321, 2920, 3030, 3207, 4954).

import { randomUUID } from 'node:crypto';
import type { MailConnection } from './mail-connection.ts';
import type { MailHost } from './mail.ts';
import { authenticate } from './sasl.ts';
import { accountOf, findUser, type LabUser } from './sign-in.ts';

const messageBytesMax = 37_748_736;
const recipientsMax = 1000;

/** A mail as far as it came. */
interface Envelope {
  readonly sender: string;
  readonly recipients: LabUser[];
  /** Recipients elsewhere, whose mail is taken and forgotten. */
  foreign: number;
  /** By BDAT. */
  readonly chunks: Buffer[];
  chunkBytes: number;
}

interface State {
  readonly host: MailHost;
  readonly client: MailConnection;
  helo: string | undefined;
  envelope: Envelope | undefined;
}

export async function serveSmtp(host: MailHost, client: MailConnection): Promise<void> {
  if (host.inactive.has('smtp')) return client.say('421 4.3.2 Service not active');
  const date = new Date().toUTCString();
  await client.say(`220 ${host.name} Microsoft ESMTP MAIL Service ready at ${date}`);
  const state: State = { host, client, helo: undefined, envelope: undefined };
  for (;;) {
    const line = await client.readLine();
    if (line === undefined) return;
    const [verb = ''] = line.split(' ', 1);
    const command = verb.toUpperCase();
    // RFC 2920 3.1: these end a group of commands, for their answer decides what may follow.
    if (client.saidMore && lastInGroup.has(command)) client.note(`bytes behind ${command}`);
    const answer = await obey(state, command, line.slice(verb.length).trim());
    if (answer === undefined) return;
    if (answer !== '') await client.say(answer);
    if (command === 'QUIT') return;
  }
}

const lastInGroup = new Set(['EHLO', 'HELO', 'DATA', 'AUTH', 'VRFY', 'NOOP', 'QUIT']);

/** The answer; empty where it was given already, undefined where the client is gone. */
async function obey(state: State, command: string, rest: string): Promise<string | undefined> {
  const { client, host } = state;
  switch (command) {
    case 'EHLO':
    case 'HELO':
      if (rest === '') return '501 5.5.4 Invalid domain name';
      state.helo = rest;
      state.envelope = undefined;
      return command === 'HELO' ? `250 ${host.name} Hello [127.0.0.1]` : welcome(host, client);
    case 'STARTTLS':
      if (!client.offersTls) return '503 5.5.2 Only one STARTTLS command can be issued per session';
      if (rest !== '') return '501 5.5.4 Invalid arguments';
      await client.startTls('220 2.0.0 SMTP server ready');
      // RFC 3207 4.2: what the client said before counts no more.
      state.helo = undefined;
      state.envelope = undefined;
      return '';
    case 'AUTH':
      return signIn(state, rest);
    case 'MAIL':
      return beginMail(state, rest);
    case 'RCPT':
      return addRecipient(state, rest);
    case 'DATA':
      return takeData(state);
    case 'BDAT':
      return takeChunk(state, rest);
    case 'RSET':
      state.envelope = undefined;
      return '250 2.0.0 Resetting';
    case 'NOOP':
      return '250 2.0.0 OK';
    case 'VRFY':
      return '252 2.1.5 Cannot VRFY user';
    case 'HELP':
      return '214-This server supports the following commands:\r\n214 HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT';
    case 'QUIT':
      return '221 2.0.0 Service closing transmission channel';
    default:
      return '500 5.3.3 Unrecognized command';
  }
}

function welcome(host: MailHost, client: MailConnection): string {
  const tls = client.offersTls ? ['STARTTLS', 'X-ANONYMOUSTLS'] : [];
  const keywords = [
    `SIZE ${messageBytesMax}`,
    'PIPELINING',
    'DSN',
    'ENHANCEDSTATUSCODES',
    ...tls,
    'AUTH NTLM LOGIN PLAIN',
    'X-EXPS GSSAPI NTLM',
    '8BITMIME',
    'BINARYMIME',
    'CHUNKING'
  ].map((keyword) => `250-${keyword}\r\n`);
  return `250-${host.name} Hello [127.0.0.1]\r\n${keywords.join('')}250 XRDST`;
}

async function signIn({ host, client, helo }: State, rest: string): Promise<string | undefined> {
  if (helo === undefined) return '503 5.5.2 Send hello first';
  if (client.user !== '') return '503 5.5.1 Already authenticated';
  const [mechanism = '', initial] = rest.split(' ', 2);
  const user = await authenticate(host, mechanism, initial, async (challenge) => {
    await client.say(`334 ${challenge}`);
    return client.readLine();
  });
  if (user === undefined) return '535 5.7.3 Authentication unsuccessful';
  client.user = accountOf(user);
  return '235 2.7.0 Authentication successful';
}

function beginMail(state: State, rest: string): string {
  if (state.helo === undefined) return '503 5.5.2 Send hello first';
  if (state.envelope !== undefined) return '503 5.5.2 Sender already specified';
  const [, sender, parameters = ''] = /^FROM:\s*<([^<>]*)>((?: \S+)*)$/i.exec(rest) ?? [];
  if (sender === undefined) return '501 5.1.7 Invalid address';
  const size = /(?: |^)SIZE=(\d+)/i.exec(parameters)?.[1];
  if (Number(size ?? 0) > messageBytesMax) return '552 5.3.4 Message size exceeds fixed maximum';
  state.envelope = { sender, recipients: [], foreign: 0, chunks: [], chunkBytes: 0 };
  return '250 2.1.0 Sender OK';
}

function addRecipient({ host, client, envelope }: State, rest: string): string {
  if (envelope === undefined) return '503 5.5.2 Need mail command';
  const [, address] = /^TO:\s*<([^<>]+)>(?: \S+)*$/i.exec(rest) ?? [];
  if (address === undefined) return '501 5.1.3 Invalid address';
  if (envelope.recipients.length + envelope.foreign >= recipientsMax) {
    return '452 4.5.3 Too many recipients';
  }
  if (!address.toLowerCase().endsWith(`@${host.domain}`)) {
    if (client.user === '')
      return '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain';
    envelope.foreign += 1;
    return '250 2.1.5 Recipient OK';
  }
  const user = findUser(address, host.users);
  if (user === undefined) return '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found';
  envelope.recipients.push(user);
  return '250 2.1.5 Recipient OK';
}

async function takeData(state: State): Promise<string | undefined> {
  const { client, envelope } = state;
  const refusal = whyNoData(envelope);
  if (envelope === undefined || refusal !== undefined) return refusal;
  if (envelope.chunks.length > 0) return '503 5.5.2 BDAT and DATA cannot be mixed';
  await client.say('354 Start mail input; end with <CRLF>.<CRLF>');
  const mail = await client.readMail(messageBytesMax);
  if (mail === undefined) return undefined;
  if (mail === 'too long') return deliver(state, envelope, Number.POSITIVE_INFINITY, []);
  if (/(?<!\r)\n|\r(?!\n)/.test(mail.toString('latin1'))) {
    client.note('bare CR or LF in the data');
    state.envelope = undefined;
    return '550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds';
  }
  return deliver(state, envelope, mail.length, [mail]);
}

/** RFC 3030 2: the bytes follow in any case, whatever becomes of them. */
async function takeChunk(state: State, rest: string): Promise<string | undefined> {
  const { client, envelope } = state;
  const [, size, last] = /^(\d{1,10})( +LAST)?$/i.exec(rest) ?? [];
  if (size === undefined) throw client.violation('BDAT without a size');
  const chunk = await client.readBytes(Number(size));
  if (chunk === undefined) return undefined;
  const refusal = whyNoData(envelope);
  if (envelope === undefined || refusal !== undefined) return refusal;
  envelope.chunkBytes += chunk.length;
  if (envelope.chunkBytes <= messageBytesMax) envelope.chunks.push(chunk);
  if (last !== undefined) return deliver(state, envelope, envelope.chunkBytes, envelope.chunks);
  return `250 2.6.0 Chunk received OK, ${chunk.length} octets`;
}

function whyNoData(envelope: Envelope | undefined): string | undefined {
  if (envelope === undefined) return '503 5.5.2 Need mail command';
  const { recipients, foreign } = envelope;
  return recipients.length + foreign === 0 ? '503 5.5.2 Need rcpt command' : undefined;
}

function deliver(
  state: State,
  { recipients }: Envelope,
  bytes: number,
  parts: readonly Buffer[]
): string {
  const { host } = state;
  state.envelope = undefined;
  if (bytes > messageBytesMax) return '552 5.3.4 Message size exceeds fixed maximum message size';
  const message = Buffer.concat(parts);
  for (const user of recipients) {
    host.store.inbox(user).deliver(message);
    host.onDelivery({ user, bytes: message });
  }
  return `250 2.6.0 <${randomUUID()}@${host.name}> [Hostname=${host.shortName}] Queued mail for delivery`;
}
