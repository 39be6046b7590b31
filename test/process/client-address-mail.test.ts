// What real mail servers log as the client's address: by the PROXY header, and by XCLIENT.

import { connect as connectTls } from 'node:tls';
import t, { type Test } from 'tap';
import { freePorts, startBallast } from '../fixture/ballast.ts';
import { dialPlain, endBallast, statusWhen } from '../fixture/exchange-site.ts';
import type { Daemon } from '../fixture/daemon.ts';
import { startMailServers } from '../fixture/mail-servers.ts';
import { mailDomain, missingForMail } from '../fixture/mail-store.ts';
import { Peer } from '../fixture/peer.ts';

t.setTimeout(60_000);

/** Who the client is, to be found in a log. */
const from = '127.0.0.77';

/** Says the lines, and waits for the answer to each. */
async function say(peer: Peer, ...talk: readonly (readonly [line: string, answer: RegExp])[]) {
  for (const [line, answer] of talk) {
    peer.send(`${line}\r\n`);
    for (let got = ''; !answer.test(got);) got = await peer.until('\r\n');
  }
}

/** Waits until the log has it; the test's time limit bounds that. */
async function logged(t: Test, server: Daemon, what: RegExp): Promise<void> {
  while (!what.test(server.log())) await new Promise((resolve) => setTimeout(resolve, 20));
  t.match(server.log(), what);
}

t.test('mail servers hear who the client is', { skip: missingForMail() }, async (t) => {
  const { addresses, ports, dovecots, postfixes } = await startMailServers(t);
  const [admin = 0, imap1 = 0, imap2 = 0, pop2 = 0, smtp1 = 0, smtp2 = 0, smtpX = 0, plain = 0] =
    await freePorts(8);
  const [smtpTls = 0, smtps = 0] = await freePorts(2);
  const service = (name: string, port: number, serverPort: number, settings: string): string =>
    `  - { name: ${name}, address: 127.0.0.1, port: ${port}, ${settings},
      realServers: ['${addresses[0]}:${serverPort}'] }\n`;
  const check = (type: string): string => `vsType: gen, serverInit: ${type}, checkType: ${type}`;
  const implicitTls = 'sslAcceleration: true';
  const startTls = `vsType: tls, startTLSMode: smtp, ${implicitTls}, checkType: smtp`;
  const ballast = await startBallast(`
global: { workers: 2, checkInterval: 3, checkTimeout: 1, checkRetries: 0 }
admin: { port: ${admin} }
virtualServices:
${service('imap1', imap1, ports.imapProxied, `${check('imap')}, proxyProtocol: v1`)}
${service('imap2', imap2, ports.imapProxied, `${check('imap')}, proxyProtocol: v2`)}
${service('pop2', pop2, ports.pop3Proxied, `${check('pop3')}, proxyProtocol: v2`)}
${service('smtp1', smtp1, ports.smtpProxied, `${check('smtp')}, proxyProtocol: v1`)}
${service('smtp2', smtp2, ports.smtpProxied, `${check('smtp')}, proxyProtocol: v2`)}
${service('smtpX', smtpX, ports.smtpXclient, `${check('smtp')}, xclient: true`)}
${service('smtpTls', smtpTls, ports.smtpXclient, `${startTls}, xclient: true`)}
${service('smtps', smtps, ports.smtpXclient, `${check('smtp')}, ${implicitTls}, xclient: true`)}
${service('plain', plain, ports.smtp, `${check('smtp')}, xclient: true`)}`);
  t.teardown(() => endBallast(ballast));
  const { virtualServices } = await statusWhen(admin, (now) => now.revision > 0);
  for (const { name, realServers } of virtualServices) {
    t.equal(realServers[0]?.status, 'Up', `${name}: checks have the header too`);
  }

  for (const [port, user] of [
    [imap1, 'u1'],
    [imap2, 'u2']
  ] as const) {
    const peer = await dialPlain(t, port, '127.0.0.1', from);
    await peer.until('ready\r\n');
    await say(peer, [`a LOGIN ${user} secret`, /^a OK/], ['b LOGOUT', /^b OK/]);
    const line = new RegExp(
      `imap-login: Info: Login: user=<${user}>,.* rip=${from}, lip=127.0.0.1`
    );
    await logged(t, dovecots[0], line);
  }
  const pop = await dialPlain(t, pop2, '127.0.0.1', from);
  await pop.until('\r\n');
  await say(pop, ['USER u3', /^\+OK/], ['PASS secret', /^\+OK/], ['QUIT', /^\+OK/]);
  await logged(t, dovecots[0], new RegExp(`pop3-login: .*user=<u3>,.* rip=${from},`));

  const greeting = '220 mx1.example.test ESMTP Postfix\r\n';
  const sender = async (port: number, id: string, tls?: 'begun' | 'implicit'): Promise<void> => {
    let peer = await dialPlain(t, port, '127.0.0.1', from);
    const { socket } = peer;
    if (tls === 'begun') {
      await peer.until(greeting);
      await say(peer, ['EHLO clear.test', /^250 /], ['STARTTLS', /^220 /]);
    }
    if (tls !== undefined) {
      socket.removeAllListeners('data');
      peer = new Peer(connectTls({ socket, rejectUnauthorized: false }));
    }
    if (tls !== 'begun') await peer.until(greeting);
    await say(
      peer,
      [`EHLO ${id}.test`, /^250 /],
      [`MAIL FROM:<${id}@b.test>`, /^250 /],
      [`RCPT TO:<u4@${mailDomain}>`, /^250 /],
      ['DATA', /^354 /],
      [`Subject: ${id}\r\n\r\nhello\r\n.`, /^250 /],
      ['XCLIENT ADDR=192.0.2.66', /^50[0-9] |^550 /],
      ['QUIT', /^221 /]
    );
    t.equal(await peer.ended(), 'end');
  };
  for (const [port, id] of [
    [smtp1, 'one'],
    [smtp2, 'two'],
    [smtpX, 'three']
  ] as const) {
    await sender(port, id);
  }
  await sender(smtpTls, 'four', 'begun');
  await sender(smtps, 'five', 'implicit');
  const clients = new RegExp(`(: client=unknown\\[${from}\\][^]*){5}`);
  await logged(t, postfixes[0], clients);
  t.notMatch(postfixes[0].log(), /192\.0\.2\.66/);

  await sender(plain, 'six');
  const warning = await ballast.waitFor(({ msg }) => msg.includes('does not offer XCLIENT'));
  t.match(warning, { level: 'warn', virtualService: 'plain' });

  t.notMatch(postfixes[0].log(), new RegExp(`lost connection .*${from}`));
  const session = ballast.lines.filter(({ msg }) => msg === 'session');
  t.ok(session.length > 0 && session.every(({ client }) => client === from));
});
