// What flows through sessions with STARTTLS beside command lines: mail, literals, much of it, to
// peers that take their time, in whatever pieces.

import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import t from 'tap';
import type { TcpSession } from '../../src/traffic/tcp-session.ts';
import {
  beginTalk,
  encrypt,
  heard,
  openMailSite,
  scripts,
  upgrade,
  type MailSite,
  type Talk
} from './mail-talk.ts';

const size = 20_000_000;
/** What Node asks to keep below, one read beyond it, and some lines. */
const waitingBytesMax = 262_144 + 65_536 + 4096;

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Mail of lines that differ, some of which look like commands. */
function mailOf(length: number): Buffer {
  const bytes = Buffer.alloc(length, 'a line of mail\r\n');
  for (let at = 0, n = 0; at + 80 < length; at += 7919, n++) {
    bytes.write(`\r\n${n}\r\nSTARTTLS\r\n..\r\nQUIT\r\nx\r\n`, at, 'latin1');
  }
  bytes.write('\r\n', length - 2, 'latin1');
  return bytes;
}

const mail = mailOf(size);
const whole = digest(mail);

async function exchange({ client, server }: Talk, said: string, answer: string): Promise<void> {
  client.send(said);
  await server.until(said);
  server.send(answer);
  await client.until(answer);
}

async function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}

/** Waits until `socket` has not read for a while. */
async function standstill(socket: Socket): Promise<void> {
  for (let quiet = 0, seen = -1; quiet < 20; quiet++) {
    if (socket.bytesRead !== seen) quiet = 0;
    seen = socket.bytesRead;
    await turn();
  }
}

async function sendMail(talk: Talk, by: 'DATA' | 'BDAT'): Promise<void> {
  const { client, server } = talk;
  const envelope = 'MAIL FROM:<a@c.test>\r\nRCPT TO:<b@c.test>\r\n';
  await exchange(talk, envelope, '250 ok\r\n250 ok\r\n');
  if (by === 'DATA') {
    await exchange(talk, 'DATA\r\n', '354 go on\r\n');
    client.send(mail);
    client.send('.\r\n');
  } else {
    client.send(`BDAT ${size} LAST\r\n`);
    client.send(mail);
    await server.until('LAST\r\n');
  }
  t.equal(digest(await server.take(size)), whole);
  if (by === 'DATA') await server.until('.\r\n');
  server.send('250 taken\r\n');
  await client.until('taken\r\n');
}

for (const by of ['DATA', 'BDAT'] as const) {
  t.test(`smtp: 20 MB by ${by} before and after STARTTLS`, async (t) => {
    const script = scripts.smtp;
    const site = await openMailSite(t, 'smtp');
    const offer = '250-ex1\r\n250-PIPELINING\r\n250 CHUNKING\r\n';
    const talk = await beginTalk(site, script);
    talk.client.send(script.ask);
    await talk.server.until(script.ask);
    talk.server.send(offer);
    await talk.client.until('STARTTLS\r\n');
    await sendMail(talk, by);
    const inTls = await upgrade(t, talk, script);
    await exchange(inTls, script.ask, offer);
    await sendMail(inTls, by);
    await end(inTls, site);
    t.ok(Number(site.lines[0]?.['bytesToServer']) > 2 * size);
  });
}

t.test('smtp: a server that takes its time stops the client', async (t) => {
  const site = await openMailSite(t, 'smtp');
  const talk = await beginTalk(site, scripts.smtp);
  const { client, server } = talk;
  await exchange(talk, 'HELO c.test\r\n', '250 ex1\r\n');
  await exchange(talk, 'MAIL FROM:<a@c.test>\r\n', '250 ok\r\n');
  await exchange(talk, 'RCPT TO:<b@c.test>\r\n', '250 ok\r\n');
  await exchange(talk, 'DATA\r\n', '354 go on\r\n');
  const [session] = site.traffic.sessions as Iterable<TcpSession>;
  if (session?.server === undefined) throw new Error('no session');
  server.socket.pause();
  client.send(mail);
  client.send('.\r\n');
  await standstill(session.client.socket);
  const { writableLength } = session.server.socket;
  t.ok(writableLength <= waitingBytesMax, `${writableLength} bytes wait`);
  t.ok(session.client.socket.bytesRead < size, 'the client waits');
  server.socket.resume();
  t.equal(digest(await server.take(size)), whole);
  await server.until('.\r\n');
  server.send('250 taken\r\n');
  t.equal(await client.until('\r\n'), '250 taken\r\n');
});

t.test('a client that takes no answers is not heard', async (t) => {
  const site = await openMailSite(t, 'smtp', { startTls: 'required' });
  const { client } = await beginTalk(site, scripts.smtp);
  const [session] = site.traffic.sessions as Iterable<TcpSession>;
  if (session === undefined) throw new Error('no session');
  client.socket.pause();
  // Each of them would be answered by Ballast itself, at length.
  client.send('RSET\r\n'.repeat(1_000_000));
  await standstill(session.client.socket);
  const { writableLength, bytesRead } = session.client.socket;
  t.ok(writableLength <= waitingBytesMax, `${writableLength} bytes wait`);
  t.ok(bytesRead < 6_000_000, `${bytesRead} bytes were read`);
  client.socket.resume();
  const answer = await client.until('\r\n');
  t.equal(answer, '530 5.7.0 Must issue a STARTTLS command first\r\n');
  const more = answer.repeat(10_000);
  t.equal((await client.take(more.length)).toString('latin1'), more, 'and heard again');
});

t.test('a client that must wait is not read without end', async (t) => {
  const site = await openMailSite(t, 'smtp');
  const { client, server } = await beginTalk(site, scripts.smtp);
  const [session] = site.traffic.sessions as Iterable<TcpSession>;
  if (session === undefined) throw new Error('no session');
  const rset = 'RSET\r\n';
  client.send('HELO c.test\r\n');
  client.send(rset.repeat(500_000));
  t.equal(await server.until('\r\n'), 'HELO c.test\r\n');
  await standstill(session.client.socket);
  t.ok(session.client.socket.bytesRead < 2 * waitingBytesMax, 'as many as fit are read');
  t.equal(server.received.length, 0, 'and none is sent');
  for (const [answer, n] of [
    ['250 ex1\r\n', 1000],
    ['250 ok\r\n'.repeat(900), 900]
  ] as const) {
    server.send(answer);
    t.equal((await server.take(rset.length * n)).toString('latin1'), rset.repeat(n));
    t.equal(await client.until(answer), answer);
  }
  t.equal(server.received.length, 0, 'no more than may be owed');
});

t.test('smtp: pipelined commands, byte by byte and at once', async (t) => {
  const site = await openMailSite(t, 'smtp');
  const envelope = 'MAIL FROM:<a@c.test>\r\nRCPT TO:<b@c.test>\r\nDATA\r\n';
  const content = 'Subject: x\r\n\r\nSTARTTLS\r\n..\r\nQUIT\r\n.\r\n';
  for (const step of [1, 7, 1000]) {
    const talk = await beginTalk(site, scripts.smtp);
    const { client, server } = talk;
    let read = 0;
    const say = async (text: string): Promise<void> => {
      for (let at = 0; at < text.length; at += step) {
        const piece = text.slice(at, at + step);
        client.send(piece);
        await heard(site, (read += piece.length));
      }
    };
    await say('HELO c.test\r\n');
    server.send('250 ex1\r\n');
    await say(envelope);
    t.equal(await server.until('DATA\r\n'), `HELO c.test\r\n${envelope}`);
    server.send('250 ok\r\n250 ok\r\n354 go on\r\n');
    t.equal(await client.until('on\r\n'), '250 ex1\r\n250 ok\r\n250 ok\r\n354 go on\r\n');
    await say(content);
    t.equal(await server.until('\r\n.\r\n'), content);
    server.send('250 taken\r\n');
    t.equal(await client.until('\r\n'), '250 taken\r\n');
    await say('RSET\r\nSTARTTLS\r\n');
    t.equal(await server.until('RSET\r\n'), 'RSET\r\n');
    t.equal(client.received.length, 0, 'our answer waits for the one before it');
    server.send('250 ok\r\n');
    t.equal(await client.until('TLS\r\n'), `250 ok\r\n${scripts.smtp.go}`);
    const encrypted = await encrypt(t, client);
    encrypted.send('STARTTLS\r\n');
    t.equal(await encrypted.until('\r\n'), '503 5.5.1 TLS is active already\r\n');
    await end({ client: encrypted, server }, site);
  }
});

t.test('imap: a login with literals, cut anywhere, and what comes behind it', async (t) => {
  const site = await openMailSite(t, 'imap', { clearLogin: true });
  const parts = ['a LOGIN {10}\r\n', 'b STARTTLS {5}\r\n', 'x\r\ny\0\r\n'] as const;
  const text = parts.join('');
  for (let at = 0; at < text.length; at++) {
    const { client, server } = await beginTalk(site, scripts.imap);
    client.send(text.slice(0, at));
    await heard(site, at);
    client.send(text.slice(at));
    t.equal(await server.until('{10}\r\n'), parts[0]);
    server.send('+ name\r\n');
    t.equal(await server.until('{5}\r\n'), parts[1], 'data that look like a command are none');
    server.send('+ word\r\n');
    t.equal((await server.take(7)).toString('latin1'), parts[2]);
    server.send('a OK signed in\r\n* 1 EXISTS\r\n* 2');
    t.match(await client.until('* 2'), /^(\+ \w+\r\n){2}a OK signed in\r\n\* 1 EXISTS\r\n\* 2$/);
    server.send(' EXPUNGE');
    t.equal(await client.until('EXPUNGE'), ' EXPUNGE', 'lines are read no more');
    await end({ client, server }, site);
  }
});

async function end({ client, server }: Talk, site: MailSite): Promise<void> {
  client.socket.destroy();
  server.socket.destroy();
  await site.empty();
}
