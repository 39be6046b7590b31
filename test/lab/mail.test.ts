// The mail stand-ins alone: as strict as they say, and true to every byte.

import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { startMail, type MailSession } from '../../src/lab/mail.ts';
import type { MailProtocol } from '../../src/lab/mail-connection.ts';
import { defaultUsers } from '../../src/lab/sign-in.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { Peer, type1, type3 } from './peer.ts';

const certificate = await selfSignedCertificate('mail.lab.example', []);
const mail = await startMail({
  name: 'ex01.lab.example',
  users: defaultUsers,
  tls: { key: certificate.keyPem, cert: certificate.chainPem },
  newsPeriodMs: 20,
  imap: {},
  imaps: {},
  pop3: {},
  pop3s: {},
  smtp: {},
  smtps: {}
});
t.teardown(() => mail.close());

const [alice, bob] = defaultUsers.map((user) => mail.store.inbox(user));
if (alice === undefined || bob === undefined) throw new Error('the lab has two users');
const noMore = '\r\n';

/** A client that was greeted, and what the server noted of it. */
async function dial(port: keyof typeof mail.ports): Promise<{ peer: Peer; session: MailSession }> {
  const target = { port: mail.ports[port], host: '127.0.0.1', rejectUnauthorized: false };
  const secure = port.endsWith('s');
  const socket = secure ? connectTls(target) : connect(target);
  t.teardown(() => socket.destroy());
  await once(socket, secure ? 'secureConnect' : 'connect');
  const peer = new Peer(socket);
  t.match(await peer.until(noMore), /^(\* OK EX01|\+OK EX01|220 ex01\.lab\.example) .*ready/);
  const session = mail.sessions.at(-1);
  if (session === undefined) throw new Error('no session');
  return { peer, session };
}

/** Says it, and returns what comes up to the line that begins with `last`. */
async function ask(peer: Peer, text: string, last: string): Promise<string> {
  peer.say(text);
  let answer = '';
  for (;;) {
    const line = await peer.until('\r\n');
    answer += line;
    if (line.startsWith(last)) return answer;
  }
}

const plain = (name: string, password: string): string =>
  Buffer.from(`\0${name}\0${password}`).toString('base64');

t.test('SMTP: what EHLO tells, and who may send to whom', async (t) => {
  const { peer, session } = await dial('smtp');
  t.equal(
    await ask(peer, 'EHLO me\r\n', '250 '),
    '250-ex01.lab.example Hello [127.0.0.1]\r\n250-SIZE 37748736\r\n250-PIPELINING\r\n250-DSN\r\n' +
      '250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250-X-ANONYMOUSTLS\r\n' +
      '250-AUTH NTLM LOGIN PLAIN\r\n250-X-EXPS GSSAPI NTLM\r\n250-8BITMIME\r\n' +
      '250-BINARYMIME\r\n250-CHUNKING\r\n250 XRDST\r\n'
  );
  const foreign = 'RCPT TO:<x@other.example>\r\n';
  t.match(await ask(peer, foreign, '5'), /^503 /, 'no sender yet');
  t.match(await ask(peer, 'MAIL FROM:<>\r\n', '2'), /^250 2\.1\.0 /);
  t.match(await ask(peer, foreign, '5'), /^550 5\.7\.54 /);
  t.match(await ask(peer, 'RCPT TO:<eve@lab.example>\r\n', '5'), /^550 5\.1\.10 /);
  t.match(await ask(peer, 'DATA\r\n', '5'), /^503 /, 'no recipient yet');
  t.match(await ask(peer, `AUTH PLAIN ${plain('alice', 'no')}\r\n`, '5'), /^535 /);
  t.match(await ask(peer, `AUTH PLAIN ${plain('alice', 'Ballast-1')}\r\n`, '2'), /^235 /);
  t.match(await ask(peer, foreign, '2'), /^250 /);
  t.equal(session.user, 'CORP\\alice');
  t.match(await ask(peer, 'MAIL FROM:<a@b> SIZE=99999999\r\nRSET\r\n', '250'), /^503 /);
  t.match(await ask(peer, 'MAIL FROM:<a@b> SIZE=99999999\r\n', '5'), /^552 /);
  t.match(await ask(peer, 'XCLIENT ADDR=1.2.3.4\r\n', '5'), /^500 /);
  t.match(await ask(peer, 'QUIT\r\n', '2'), /^221 /);
  t.equal(await peer.ended(), '');
  t.strictSame(session.violations, []);
});

t.test('the other log-ons', async (t) => {
  const b64 = (text: string): string => Buffer.from(text).toString('base64');
  const { peer, session } = await dial('smtp');
  await ask(peer, 'EHLO me\r\n', '250 ');
  t.equal(await ask(peer, 'AUTH LOGIN\r\n', '3'), `334 ${b64('Username:')}\r\n`);
  t.equal(await ask(peer, `${b64('CORP\\bob')}\r\n`, '3'), `334 ${b64('Password:')}\r\n`);
  t.match(await ask(peer, `${b64('Ballast-2')}\r\n`, '2'), /^235 /);
  t.equal(session.user, 'CORP\\bob');
  const imap = await dial('imap');
  t.match(await ask(imap.peer, 'a AUTHENTICATE NTLM\r\n', '+'), /^\+ \r\n$/);
  t.match(await ask(imap.peer, `${type1}\r\n`, '+'), /^\+ TlRMTVNTUAAC/);
  t.match(await ask(imap.peer, `${type3('CORP', 'alice')}\r\n`, 'a '), /^a OK /);
  const again = await dial('imap');
  t.match(await ask(again.peer, 'a AUTHENTICATE PLAIN\r\n', '+'), /^\+ \r\n$/);
  t.match(await ask(again.peer, '*\r\n', 'a '), /^a NO /, 'the client gives up');
  t.match(
    await ask(again.peer, `b AUTHENTICATE PLAIN ${plain('bob', 'Ballast-2')}\r\n`, 'b '),
    /OK/
  );
  const pop = await dial('pop3');
  t.match(await ask(pop.peer, `AUTH PLAIN ${plain('bob', 'Ballast-2')}\r\n`, '+'), /logged on/);
});

/** Lines that end nothing and mean nothing within mail. */
const tricky = '.\r\n..\r\n.a\r\nSTARTTLS\r\na1 STARTTLS\r\n{5}\r\nQUIT\r\n\r\n';

for (const chopped of [false, true]) {
  t.test(`mail in by DATA and BDAT${chopped ? ', in single bytes' : ', pipelined'}`, async (t) => {
    const { peer, session } = await dial('smtp');
    const say = async (text: string): Promise<void> => {
      if (!chopped) return peer.say(text);
      for (const byte of text) {
        peer.say(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await ask(peer, 'EHLO me\r\n', '250 ');
    const begin = 'MAIL FROM:<a@b>\r\nRCPT TO:<bob@lab.example>\r\n';
    await say(`${begin}DATA\r\n`);
    await ask(peer, '', '354 ');
    const text = `Subject: x\r\n\r\n${tricky}`;
    await say(`${text.replaceAll(/^\./gm, '..')}.\r\n`);
    t.match(await ask(peer, '', '250 2.6.0'), /\[Hostname=EX01\] Queued/);
    t.equal(bob.messages.at(-1)?.bytes.toString(), text);

    const binary = `a\n.\r\n\r\n.\r\n\0\xff${tricky}`;
    await say(`${begin}BDAT ${binary.length}\r\n${binary}BDAT 3\r\nabcBDAT 0 LAST\r\nNOOP\r\n`);
    await ask(peer, '', '250 2.0.0 OK');
    t.equal(bob.messages.at(-1)?.bytes.toString('latin1'), `${binary}abc`);
    t.strictSame(session.violations, []);
  });
}

t.test('SMTP: what smuggles is refused', async (t) => {
  const { peer, session } = await dial('smtp');
  const before = bob.messages.length;
  await ask(peer, 'EHLO me\r\n', '250 ');
  await ask(peer, 'MAIL FROM:<a@b>\r\nRCPT TO:<bob@lab.example>\r\nDATA\r\n', '354 ');
  const smuggled = 'a\r\n\n.\nMAIL FROM:<x@y>\r\n.\nRCPT TO:<bob@lab.example>\n.\r\n';
  t.match(await ask(peer, `${smuggled}\r\n.\r\n`, '5'), /^550 5\.6\.11 /);
  t.equal(bob.messages.length, before);
  await ask(
    peer,
    'MAIL FROM:<a@b>\r\nRCPT TO:<bob@lab.example>\r\nDATA\r\nearly\r\n.\r\n',
    '250 2.6'
  );
  t.strictSame(session.violations, ['bare CR or LF in the data', 'bytes behind DATA']);
  t.match(await ask(peer, 'BDAT x\r\n', '5'), /BDAT without a size/);
  await peer.ended();
});

t.test('IMAP: literals, a view of its own, and FETCH to the byte', async (t) => {
  const { peer, session } = await dial('imap');
  t.match(
    await ask(peer, '1 CAPABILITY\r\n', '1 '),
    /^\* CAPABILITY IMAP4 IMAP4rev1 AUTH=NTLM AUTH=PLAIN SASL-IR STARTTLS .* LITERAL\+\r\n1 OK /
  );
  t.match(await ask(peer, '2 SELECT INBOX\r\n', '2 '), /^2 BAD /, 'not logged on');
  t.match(await ask(peer, '3 LOGIN {5}\r\n', '+'), /^\+ /);
  t.match(await ask(peer, 'alice {9}\r\n', '+'), /^\+ /);
  t.match(await ask(peer, 'Ballast-1\r\n4 NOOP\r\n', '4 '), /^3 OK LOGIN completed\.\r\n4 OK /);
  t.match(await ask(peer, '5 STARTTLS\r\n', '5 '), /^5 BAD /);
  t.match(await ask(peer, '6 SELECT "INBOX"\r\n', '6 '), /^\* 3 EXISTS\r\n[^]*6 OK \[READ-WRITE\]/);
  const large = alice.messages[2]?.bytes ?? Buffer.alloc(0);
  peer.say('7 FETCH 3 (UID BODY.PEEK[])\r\n');
  t.equal(await peer.until('\r\n'), `* 3 FETCH (UID 3 BODY[] {${large.length}}\r\n`);
  await peer.atLeast(large.length);
  t.ok(peer.received.startsWith(large.toString('latin1')));
  peer.received = peer.received.slice(large.length);
  t.equal(await ask(peer, '', '7 '), ')\r\n7 OK FETCH completed.\r\n');
  t.match(
    await ask(peer, '8 UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)]<0.10>)\r\n', '8 '),
    /^\* 1 FETCH \(UID 1 BODY\[HEADER\.FIELDS \(SUBJECT\)\]<0> \{10\}\r\nSubject: W\)\r\n\* 2 /
  );

  const literal = `9 APPEND INBOX (\\Seen) {${tricky.length + 4}+}\r\n\r\n\r\n${tricky}\r\n`;
  t.match(await ask(peer, literal, '9 '), /^\* 4 EXISTS\r\n9 OK \[APPENDUID \d+ 4\]/);
  t.equal(alice.messages[3]?.bytes.toString(), `\r\n\r\n${tricky}`);
  alice.remove(new Set(alice.messages.slice(0, 1)));
  t.match(await ask(peer, 'a FETCH 1 FLAGS\r\n', 'a '), /^\* 1 FETCH \(FLAGS \(\)\)\r\na OK/);
  t.match(await ask(peer, 'b NOOP\r\n', 'b '), /^\* 1 EXPUNGE\r\nb OK /, 'told only now');
  t.match(await ask(peer, 'c SEARCH UID 3:4 UNSEEN\r\n', 'c '), /^\* SEARCH 2\r\n/);
  t.match(await ask(peer, 'd STORE 3 +FLAGS.SILENT (\\Deleted)\r\n', 'd '), /^d OK/);
  t.match(await ask(peer, 'e EXPUNGE\r\n', 'e '), /^\* 3 EXPUNGE\r\ne OK/);
  t.match(await ask(peer, 'f LIST "" "*"\r\n', 'f '), /"\/" INBOX\r\nf OK/);
  t.match(await ask(peer, 'g FETCH 1 (BODY[]\r\n', 'g '), /^g BAD/);
  t.match(await ask(peer, 'h LOGOUT\r\n', 'h '), /^\* BYE .*\r\nh OK/);
  t.equal(await peer.ended(), '');
  t.strictSame(session.violations, []);
});

t.test('IMAP: IDLE tells of mail that comes', async (t) => {
  const { peer, session } = await dial('imaps');
  t.equal(session.secure, true);
  t.notMatch(await ask(peer, '0 CAPABILITY\r\n', '0 '), 'STARTTLS');
  await ask(peer, '1 LOGIN bob Ballast-2\r\n2 SELECT inbox\r\n', '2 ');
  const count = bob.messages.length;
  t.match(await ask(peer, '3 IDLE\r\n', '+'), /^\+ IDLE accepted/);
  bob.deliver(Buffer.from('a\r\n'));
  t.equal(await ask(peer, '', '* '), `* ${count + 1} EXISTS\r\n`);
  t.equal(await ask(peer, '', '* '), `* ${count + 2} EXISTS\r\n`, 'by itself');
  t.match(await ask(peer, 'DONE\r\n', '3 '), /3 OK IDLE completed\.\r\n$/);
  t.match(await ask(peer, '4 IDLE\r\nDONE\r\n', '4 '), /4 OK/);
  t.strictSame(session.violations, ['bytes behind IDLE']);
});

t.test('POP3: a mailbox that stands still until QUIT', async (t) => {
  const { peer, session } = await dial('pop3s');
  t.equal(
    await ask(peer, 'CAPA\r\n', '.'),
    '+OK\r\nTOP\r\nUIDL\r\nSASL NTLM PLAIN LOGIN\r\nUSER\r\n.\r\n'
  );
  t.match(await ask(peer, 'USER bob\r\nPASS no\r\n', '-'), /Logon failure/);
  await ask(peer, 'USER bob\r\nPASS Ballast-2\r\n', '+OK User');
  const sizes = bob.messages.map(({ bytes }) => bytes.length);
  t.equal(
    await ask(peer, 'STAT\r\n', '+'),
    `+OK ${sizes.length} ${sizes.reduce((sum, size) => sum + size, 0)}\r\n`
  );
  const wanted = bob.messages.findIndex(({ bytes }) => bytes.includes(tricky)) + 1;
  peer.say(`RETR ${wanted}\r\n`);
  const retrieved = await peer.until('\r\n.\r\n');
  const text = retrieved.slice('+OK\r\n'.length, -'.\r\n'.length).replaceAll(/^\./gm, '');
  t.equal(text, bob.messages[wanted - 1]?.bytes.toString('latin1'));
  t.match(await ask(peer, 'LIST 1\r\nUIDL 1\r\nDELE 1\r\nRETR 1\r\n', '-'), /No such message/);
  t.match(await ask(peer, 'TOP 2 0\r\n', '.'), /Subject: [^\r]*\r\n[^]*\r\n\r\n\.\r\n$/);
  const gone = bob.messages[0];
  t.ok(gone !== undefined && bob.messages.includes(gone));
  t.match(await ask(peer, 'QUIT\r\n', '+'), /signing off/);
  t.equal(await peer.ended(), '');
  t.ok(gone !== undefined && !bob.messages.includes(gone));
  t.strictSame(session.violations, []);
});

const begins = {
  imap: { command: 'a STARTTLS\r\n', answer: 'a OK', ask: 'b CAPABILITY\r\n', last: 'b OK' },
  pop3: { command: 'STLS\r\n', answer: '+OK', ask: 'CAPA\r\n', last: '.' },
  smtp: { command: 'STARTTLS\r\n', answer: '220', ask: 'EHLO me\r\n', last: '250 ' }
} as const;

for (const [protocol, { command, answer, ask: question, last }] of Object.entries(begins)) {
  t.test(`${protocol}: TLS by command, and nothing behind it in clear`, async (t) => {
    const name = protocol as MailProtocol;
    const { peer, session } = await dial(name);
    t.match(await ask(peer, question, last), /STARTTLS|STLS/);
    t.ok((await ask(peer, command, answer)).startsWith(answer));
    t.equal(session.secure, false);
    const secure = connectTls({ socket: peer.socket, rejectUnauthorized: false });
    peer.socket.removeAllListeners('data');
    await once(secure, 'secureConnect');
    const inside = new Peer(secure);
    t.notMatch(await ask(inside, question, last), /STARTTLS|STLS/);
    t.equal(session.secure, true);
    t.match(await ask(inside, command, ''), /^(a BAD|-ERR|503)/, 'no second time');

    const injected = await dial(name);
    injected.peer.say(`${command}${question}`);
    t.match(await injected.peer.ended(), /^(\* BYE|-ERR|500 5\.5\.2) bytes behind STARTTLS\r\n$/);
    t.strictSame(injected.session.violations, ['bytes behind STARTTLS']);
  });

  t.test(`${protocol}: what no good client sends`, async (t) => {
    const cases: [bytes: string, violation: string][] = [
      ['NOOP\n', 'bare LF'],
      ['NO\rOP\r\n', 'CR or NUL in a line'],
      ['NO\0OP\r\n', 'CR or NUL in a line'],
      [`${'x'.repeat(12_287)}\r\n`, 'line too long']
    ];
    for (const [bytes, violation] of cases) {
      const { peer, session } = await dial(protocol as MailProtocol);
      peer.say(bytes);
      t.match(await peer.ended(), violation);
      t.strictSame(session.violations, [violation]);
    }
    const { peer, session } = await dial(protocol as MailProtocol);
    peer.say('NOO');
    peer.socket.end();
    t.equal(await peer.ended(), '');
    t.strictSame(session.violations, ['half a line at the end']);
  });
}

t.test('a service in maintenance refuses in its own words', async (t) => {
  const words = { imap: '* BYE', pop3: '-ERR', smtp: '421 4.3.2' } as const;
  for (const protocol of ['imap', 'pop3', 'smtp'] as const) {
    mail.setService(protocol, false);
    const peer = new Peer(connect({ port: mail.ports[protocol], host: '127.0.0.1' }));
    t.ok((await peer.ended()).startsWith(words[protocol]));
    mail.setService(protocol, true);
    await dial(protocol);
  }
});
