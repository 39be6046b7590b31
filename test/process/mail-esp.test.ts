// SMTP with ESP before real Postfix: what swaks and others get through, and what they do not.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { dialPlain, endBallast } from '../fixture/exchange-site.ts';
import { say } from '../fixture/mail-client.ts';
import { startMailServers, type MailServers } from '../fixture/mail-servers.ts';
import { delivered, messagesOf } from '../fixture/mail-site.ts';
import { missingForMail } from '../fixture/mail-store.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(100_000);

const largeBytes = 20 * 1024 * 1024;

interface Site extends MailServers {
  readonly ballast: Ballast;
  readonly port: number;
  readonly tlsPort: number;
}

async function startSite(t: Test): Promise<Site> {
  const servers = await startMailServers(t);
  const [admin = 0, port = 0, tlsPort = 0] = await freePorts(3);
  const { addresses, ports } = servers;
  const filter = `checkType: smtp, checkPort: ${ports.smtp}, address: 127.0.0.1,
      espEnabled: true, espLogs: 4, smtpAllowedDomains: 'Example.TEST *.example.org',
      realServers: ['${addresses[0]}:${ports.smtp}']`;
  const ballast = await startBallast(`
global: { workers: 1, checkInterval: 3, checkTimeout: 1, checkRetries: 0 }
admin: { port: ${admin} }
virtualServices:
  - { name: esp, vsType: gen, serverInit: smtp, port: ${port}, ${filter} }
  - { name: espTls, vsType: tls, startTLSMode: smtp, sslAcceleration: true, port: ${tlsPort},
      ${filter} }
`);
  t.teardown(() => endBallast(ballast));
  return { ...servers, ballast, port, tlsPort };
}

/** Standard output of swaks, whatever becomes of the mail. */
function swaks(port: number, to: string, ...more: string[]): Promise<string> {
  const mail = ['--from', 'a@client.test', '--to', to, '--ehlo', 'client.test'];
  const args = ['--server', '127.0.0.1', '--port', String(port), ...mail, ...more];
  return new Promise((resolve) => {
    execFile('swaks', args, (_, stdout, stderr) => resolve(stdout + stderr));
  });
}

async function greeted(t: Test, port: number): Promise<Peer> {
  const peer = await dialPlain(t, port, '127.0.0.1');
  await peer.until('220 mx1.example.test ESMTP Postfix\r\n');
  return peer;
}

const envelope = (user: string) =>
  [
    ['EHLO client.test', /^250 /],
    ['MAIL FROM:<a@client.test>', /^250 /],
    [`RCPT TO:<${user}@example.test>`, /^250 /],
    ['DATA', /^354 /]
  ] as const;

t.test('SMTP with ESP before Postfix', { skip: missingForMail('swaks') }, async (t) => {
  const site = await startSite(t);
  const { port, ballast } = site;
  const [postfix] = site.postfixes;

  await t.test('swaks', async (t) => {
    const good = await swaks(port, 'u1@example.test');
    t.match(good, /-> QUIT\r?\n<- +221 /);
    t.notMatch(good, /STARTTLS|AUTH|CHUNKING|XCLIENT|SMTPUTF8|ETRN/);
    t.match(good, /250-PIPELINING/);
    await delivered(site, 'u1', 1);

    t.match(await swaks(port, 'x@other.test'), /<\*\* 550 5\.7\.1 Relaying denied/);
    t.match(await swaks(port, 'u1%other.test@example.test'), /<\*\* 550 5\.7\.1 /);
    t.match(await swaks(port, 'nobody@example.test'), /<\*\* 550 5\.1\.1 /, 'the word of Postfix');
    const mixed = await swaks(port, 'x@other.test,u2@example.test', '--pipeline');
    t.match(mixed, /<\*\* 550 5\.7\.1 [^]*250 2\.1\.5 Ok[^]*354 [^]*queued as/);
    await delivered(site, 'u2', 1);
    const none = await swaks(port, 'x@other.test,y@other.test', '--pipeline');
    t.match(none, /(550 5\.7\.1 Relaying denied[^]*){2}554 5\.5\.1 No valid recipients/);
    t.match(await swaks(port, 'u1@example.test', '--tls'), /Host did not advertise STARTTLS/);
    const auth = ['--auth', 'PLAIN', '-au', 'u1', '-ap', 'secret'];
    t.match(await swaks(port, 'u1@example.test', ...auth), /Host did not advertise auth/i);
    t.notMatch(postfix.log(), /other\.test/, 'Postfix has heard of none of them');

    const tls = await swaks(site.tlsPort, 'u1@example.test', '--tls');
    t.match(tls, /~> QUIT\r?\n<~ +221 /);
    await delivered(site, 'u1', 2);
    t.match(await swaks(site.tlsPort, 'x@other.test', '--tls'), /<~\* 550 5\.7\.1 /);

    const event = await ballast.waitFor(
      (line) => line.msg === 'esp' && line['recipient'] === 'x@other.test'
    );
    const about = { kind: 'security', client: '127.0.0.1', service: 'esp', reason: 'domain' };
    t.match(event, { ...about, level: 'warn', outcome: 'recipient-refused' });
    t.match(await ballast.waitFor((line) => line.msg === 'esp' && line['kind'] === 'connection'), {
      service: 'esp',
      client: '127.0.0.1',
      outcome: /-ended$/
    });
  });

  await t.test('BDAT that was not offered', async (t) => {
    const peer = await greeted(t, port);
    await say(t, peer, envelope('u3').slice(0, 3));
    peer.send('BDAT 27 LAST\r\nRCPT TO:<u4@example.test>\r\nDATA\r\n');
    t.match(await peer.until('\r\n'), /^502 5\.5\.1 /, 'its data are no command');
    t.match(await peer.until('\r\n'), /^354 /);
    await say(t, peer, [
      ['Subject: by DATA\r\n\r\nhello\r\n.', /^250 2\.0\.0 Ok: queued/],
      ['QUIT', /^221 /]
    ]);
    await delivered(site, 'u3', 1);
    t.strictSame(messagesOf(site, 'u4'), []);
  });

  await t.test('smuggled mail', async (t) => {
    const before = postfix.log().length;
    for (const end of ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r\r\n', '\r\n\0.\r\n']) {
      const peer = await greeted(t, port);
      await say(t, peer, envelope('u5'));
      peer.send(
        `one${end}MAIL FROM:<e@e.test>\r\nRCPT TO:<u6@example.test>\r\nDATA\r\ntwo\r\n.\r\n`
      );
      t.match(await peer.rest(), /^550 5\.6\.11 /, JSON.stringify(end));
    }
    const peer = await greeted(t, port);
    await say(t, peer, [...envelope('u5'), ['the only one\r\n.', /^250 /], ['QUIT', /^221 /]]);
    await delivered(site, 'u5', 1);
    t.equal(messagesOf(site, 'u5').length, 1);
    t.strictSame(messagesOf(site, 'u6'), []);
    t.notMatch(postfix.log().slice(before), /@e\.test>|u6@/);
  });

  await t.test('20 MB, dots and all', async (t) => {
    const lines = randomBytes((largeBytes / 4) * 3)
      .toString('base64')
      .replace(/.{1,75}/g, (line, at: number) => (at % 7 === 0 ? `..${line}\r\n` : `${line}\r\n`));
    const peer = await greeted(t, port);
    await say(t, peer, envelope('u7'));
    peer.send(`Subject: large\r\n\r\n${lines}.\r\n`);
    t.match(await peer.until('\r\n'), /^250 2\.0\.0 Ok: queued/);
    await delivered(site, 'u7', 1);
    const [file = ''] = messagesOf(site, 'u7');
    const stored = readFileSync(file, 'latin1');
    const body = stored.slice(stored.indexOf('\n\n') + 2);
    const sent = lines.replaceAll('\r\n', '\n').replace(/^\.\./gm, '.');
    t.ok(sent.length > largeBytes);
    t.equal(body.length, sent.length);
    t.ok(body === sent, 'not a byte differs');
  });
});
