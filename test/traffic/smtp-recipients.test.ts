// SMTP with ESP on sockets: what a server hears of mail that could be read in two ways and of
// recipients who are refused, when the client is told, and what the log says of it.

import t, { type Test } from 'tap';
import type { RecipientSettings } from '../../src/config/model.ts';
import type { Peer } from '../fixture/peer.ts';
import { encrypt, heard, openMailSite, type MailSite, type Talk } from './mail-talk.ts';

const recipients: RecipientSettings = {
  allowedDomains: ['example.test'],
  logs: { user: false, security: false, connection: true }
};

function openFiltered(t: Test, settings: Partial<RecipientSettings> = {}): Promise<MailSite> {
  return openMailSite(t, 'smtp', { startTls: 'no', recipients: { ...recipients, ...settings } });
}

/** The client says it, the server hears it and answers, the client hears that. */
async function turn({ client, server }: Talk, said: string, answer: string): Promise<void> {
  client.send(said);
  await server.until(said);
  server.send(answer);
  await client.until(answer);
}

async function greeted(site: MailSite): Promise<Talk> {
  const client = await site.client();
  const server = await site.servers.next();
  server.send('220 mx\r\n');
  await client.until('\r\n');
  return { client, server };
}

const envelope = [
  ['MAIL FROM:<a@b>\r\n', '250 sender\r\n'],
  ['RCPT TO:<u@example.test>\r\n', '250 recipient\r\n'],
  ['DATA\r\n', '354 go\r\n']
] as const;
const envelopeBytes = envelope.map(([said]) => said).join('').length;

async function inMail(site: MailSite): Promise<Talk> {
  const talk = await greeted(site);
  for (const [said, answer] of envelope) await turn(talk, said, answer);
  return talk;
}

async function over(site: MailSite, ...peers: Peer[]): Promise<void> {
  for (const { socket } of peers) socket.destroy();
  await site.empty();
}

const eventsOf = ({ lines }: MailSite): readonly Record<string, unknown>[] =>
  lines.filter(({ kind }) => kind !== undefined);

/** CVE-2023-51764, 51765, 51766 and others of the kind: [what is clear, what is not]. */
const smuggling: readonly (readonly [clear: string, unclear: string])[] = [
  ['', '\n.\n'],
  ['', '\n.\r\n'],
  ['\r\n.', '\n'],
  ['', '\r.\r'],
  ['', '\r.\n'],
  ['', '\r.\r\n'],
  ['', '\n.\r'],
  ['\r\n.', '\r'],
  ['\r\n.', '\r\r\n'],
  ['', '\r\r\n.\r\n'],
  ['', '\n\n.\r\n'],
  ['', '\n\r\n.\r\n'],
  ['\r\n', '\0.\r\n'],
  ['\r\n.', '\0\r\n'],
  ['', '\0\r\n.\r\n'],
  ['\r\n..', '\n.\n'],
  ['\r\n', '\r.\r\n'],
  ['\r\n', '\n.\r\n']
];

t.test('smuggled mail: nothing unclear reaches the server, whose mail never ends', async (t) => {
  const site = await openFiltered(t);
  const behind = 'MAIL FROM:<evil@b>\r\nRCPT TO:<u@example.test>\r\nDATA\r\nevil\r\n.\r\n';
  for (const [clear, unclear] of smuggling) {
    for (const cut of [0, 1, unclear.length]) {
      const { client, server } = await inMail(site);
      const before = `Subject: x\r\n\r\none${clear}`;
      const bytesBefore = Number(server.socket.bytesRead);
      client.send(before + unclear.slice(0, cut));
      await heard(site, envelopeBytes + before.length + cut);
      client.send(`${unclear.slice(cut)}${behind}`);
      const name = JSON.stringify([clear, unclear, cut]);
      t.match(await client.rest(), /^550 5\.6\.11 .*\r\n$/, name);
      t.equal(await server.ended(), 'reset', 'an end that nobody takes for the end of the mail');
      const got = server.received.toString('latin1');
      t.ok(before.startsWith(got), `${name}: ${JSON.stringify(got)}`);
      t.ok(Number(server.socket.bytesRead) - bytesBefore <= before.length);
      await over(site, client, server);
      const ends = site.lines.filter(({ closed }) => closed !== undefined);
      t.match(ends.at(-1), { closed: 'unclear-mail', fault: 'client' });
    }
  }
});

t.test('bare CR and LF in commands end the session as well', async (t) => {
  const site = await openFiltered(t);
  for (const line of ['NOOP\n', 'RCPT TO:<u@example.test>\rRSET\r\n', 'NOOP\0\r\n']) {
    const { client, server } = await greeted(site);
    client.send(line);
    t.match(await client.rest(), /^521 5\.5\.2 /);
    t.equal(await server.rest(), '');
    await over(site, client, server);
  }
});

t.test('clear mail goes through to the byte, and the session goes on', async (t) => {
  const site = await openFiltered(t);
  const talk = await inMail(site);
  const mail = 'Subject: \xe4\r\n\r\n..\r\n.x\r\n\r\n. \r\n..\r\n.\r\n';
  talk.client.send(mail);
  t.equal((await talk.server.take(mail.length)).toString('latin1'), mail);
  site.sweepAfter(50_000);
  talk.server.send('250 queued\r\n');
  t.equal(await talk.client.until('\r\n'), '250 queued\r\n');
  await turn(talk, 'MAIL FROM:<c@d>\r\n', '250 ok\r\n');
  await turn(talk, 'RSET\r\n', '250 ok\r\n');
  await over(site, talk.client, talk.server);
});

t.test('a mail that takes longer than a login may', async (t) => {
  const site = await openMailSite(t, 'smtp', { startTls: 'no', recipients, loginTimeMs: 20_000 });
  const { client, server } = await inMail(site);
  client.send('one\r\n');
  await server.until('one\r\n');
  site.sweepAfter(21_000);
  client.send('two\r\n.\r\n');
  await server.until('two\r\n.\r\n');
  site.sweepAfter(21_000);
  server.send('250 queued\r\n');
  t.equal(await client.until('\r\n'), '250 queued\r\n');
  await over(site, client, server);
});

t.test('pipelined: each answer in its place, however late the server is', async (t) => {
  const site = await openFiltered(t);
  const { client, server } = await greeted(site);
  client.send(
    'MAIL FROM:<a@b>\r\nRCPT TO:<x@other.test>\r\nRCPT TO:<u@example.test>\r\n' +
      'RCPT TO:<y@other.test>\r\nDATA\r\n'
  );
  t.equal(await server.until('\r\n'), 'MAIL FROM:<a@b>\r\n');
  t.equal(client.received.length, 0, 'nothing before what the server owes');
  server.send('250 sender\r\n');
  t.equal(await server.until('\r\n'), 'RCPT TO:<u@example.test>\r\n');
  t.equal(await client.until('denied\r\n'), '250 sender\r\n550 5.7.1 Relaying denied\r\n');
  t.equal(client.received.length, 0);
  server.send('250 recipient\r\n');
  t.equal(await server.until('\r\n'), 'DATA\r\n');
  server.send('354 go\r\n');
  const all = '250 recipient\r\n550 5.7.1 Relaying denied\r\n354 go\r\n';
  t.equal(await client.until('go\r\n'), all);
  client.send('mail\r\n.\r\n');
  t.equal(await server.until('.\r\n'), 'mail\r\n.\r\n');
  await over(site, client, server);
  t.match(
    eventsOf(site).map(({ recipient, kind }) => recipient ?? kind),
    ['x@other.test', 'y@other.test', 'connection']
  );
});

t.test('nobody to take it for: a mail sent ahead is not taken for commands', async (t) => {
  const site = await openFiltered(t);
  const { client, server } = await greeted(site);
  client.send(
    'MAIL FROM:<a@b>\r\nRCPT TO:<x@other.test>\r\nDATA\r\nSubject: x\r\n\r\n' +
      'RCPT TO:<u@example.test>\r\nDATA\r\nevil\r\n.\r\n'
  );
  t.equal(await server.until('\r\n'), 'MAIL FROM:<a@b>\r\n');
  server.send('250 ok\r\n');
  t.match(
    await client.rest(),
    /^250 ok\r\n550 5\.7\.1 .*\r\n554 5\.5\.1 No valid recipients\r\n521 5\.5\.2 .*\r\n$/
  );
  t.equal(await server.rest(), '');
  await over(site, client, server);
});

t.test('many refused recipients end the session', async (t) => {
  const site = await openFiltered(t);
  const { client, server } = await greeted(site);
  await turn({ client, server }, 'MAIL FROM:<a@b>\r\n', '250 ok\r\n');
  client.send('RSET\r\n');
  await server.until('RSET\r\n');
  client.send('RCPT TO:<x@other.test>\r\n'.repeat(12));
  server.send('250 ok\r\n');
  const told = await client.rest();
  t.match(told, /^250 ok\r\n(550 5\.7\.1 Relaying denied\r\n){10}421 4\.7\.0 .*\r\n$/);
  t.equal(await server.rest(), '');
  await over(site, client, server);
  t.equal(eventsOf(site).filter(({ kind }) => kind === 'security').length, 11);
  t.match(eventsOf(site).at(-1), { kind: 'connection', outcome: 'recipients-refused' });
});

t.test('TLS to the server behind us: a filter lets none through', async (t) => {
  const site = await openFiltered(t);
  const client = await site.client();
  client.send('\x16\x03\x01\x00\x05hello\r\n');
  const server = await site.servers.next();
  server.send('220 mx\r\n');
  t.match(await client.rest(), /^220 mx\r\n521 .*\r\n$/);
  t.equal(await server.rest(), '');
  await over(site, client, server);
});

t.test('inside TLS that ends here the filter goes on', async (t) => {
  const site = await openMailSite(t, 'smtp', { startTls: 'required', recipients });
  const { client, server } = await greeted(site);
  client.send('RCPT TO:<x@other.test>\r\nSTARTTLS\r\n');
  await client.until('220 2.0.0 Ready to start TLS\r\n');
  const talk = { client: await encrypt(t, client), server };
  const offer = '250-mx\r\n250-AUTH PLAIN\r\n250-CHUNKING\r\n250 SIZE 5\r\n';
  talk.client.send('EHLO me\r\n');
  await server.until('EHLO me\r\n');
  server.send(offer);
  t.equal(await talk.client.until('250 SIZE 5\r\n'), '250-mx\r\n250 SIZE 5\r\n');
  talk.client.send('RCPT TO:<x@other.test>\r\n');
  t.match(await talk.client.until('\r\n'), /^550 5\.7\.1 /);
  t.equal(server.received.length, 0);
  await over(site, talk.client, talk.server);
});

t.test('the log: who was refused, in words that nobody can forge', async (t) => {
  const site = await openFiltered(t);
  const { client, server } = await greeted(site);
  client.send('RCPT TO:<u\x1b[2J\u00ff\\u{a}\xe2\x80\xae@other.test>\r\n');
  await client.until('\r\n');
  client.send(`RCPT TO:<${'x'.repeat(1900)}@other.test>\r\n`);
  await client.until('\r\n');
  client.send(`RCPT TO:<u@example.test> X=${'x'.repeat(2100)}\r\n`);
  t.match(await client.until('\r\n'), /^500 5\.5\.2 /, 'too long to be looked at');
  await over(site, client, server);
  const [first, second, connection, ...more] = eventsOf(site);
  const { id } = site.lines.find(({ closed }) => closed !== undefined) ?? {};
  t.strictSame(first, {
    kind: 'security',
    id,
    client: '127.0.0.1',
    service: 'site',
    user: undefined,
    outcome: 'recipient-refused',
    recipient: 'TO:<u\\u{1b}[2J�\\u{5c}u{a}\\u{202e}@other.test>',
    reason: 'no clear address'
  });
  t.match(second, { recipient: `${'x'.repeat(256)}…`, reason: 'domain' });
  t.match(connection, { kind: 'connection', id, server: 'ex1', outcome: /-(closed|ended)$/ });
  t.strictSame(more, []);

  const quiet = await openFiltered(t, { logs: { ...recipients.logs, connection: false } });
  const talk = await greeted(quiet);
  talk.client.send('RCPT TO:<x@other.test>\r\n');
  await talk.client.until('\r\n');
  await over(quiet, talk.client, talk.server);
  t.match(eventsOf(quiet), [{ kind: 'security', recipient: 'x@other.test' }]);
});
