// The whole demonstration, as `npm run lab` starts it where there is no terminal.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Peer, type1, type3 } from './peer.ts';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const lab = spawn(process.execPath, [program, 'lab'], { stdio: ['ignore', 'pipe', 'inherit'] });

const exited = once(lab, 'exit');
// A lab that is killed could not end its Ballast.
t.teardown(async () => {
  lab.kill('SIGTERM');
  await exited;
});
const lines = createInterface({ input: lab.stdout });
const seen: string[] = [];
lines.on('line', (line) => seen.push(line));

/** The first line, past or to come, that matches. */
async function line(pattern: RegExp): Promise<RegExpExecArray> {
  for (let at = 0; ; at += 1) {
    while (at >= seen.length) {
      if (lab.exitCode !== null) throw new Error(`the lab ended without ${pattern}`);
      await Promise.race([once(lines, 'line'), exited]);
    }
    const match = pattern.exec(seen[at] ?? '');
    if (match !== null) return match;
  }
}

async function dial(port: string | undefined): Promise<Peer> {
  const socket = connect({ port: Number(port), host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  t.teardown(() => socket.destroy());
  return new Peer(socket);
}

/** A client of SMTP, in TLS and not greeted again. */
async function dialStartTls(port: string | undefined): Promise<Peer> {
  const socket = connectTcp({ port: Number(port), host: '127.0.0.1' });
  const clear = new Peer(socket);
  await clear.until('220 ');
  clear.say('EHLO me\r\n');
  await clear.until('250 STARTTLS\r\n');
  clear.say('STARTTLS\r\n');
  await clear.until('start TLS\r\n');
  socket.removeAllListeners('data');
  const secure = connect({ socket, rejectUnauthorized: false });
  await once(secure, 'secureConnect');
  t.teardown(() => secure.destroy());
  return new Peer(secure);
}

const health = 'GET /owa/healthcheck.htm HTTP/1.1\r\nHost: mail.lab.example\r\n\r\n';

t.test('all templates serve, a dead server is noticed, and nothing is left', async (t) => {
  const [, folder = ''] = await line(/^ +(\S+)\/ballast\.yaml$/);
  const [, offloaded] = await line(/^https:\/\/127\.0\.0\.1:(\d+) \(offloaded\)/);
  const [, reencrypted] = await line(/https:\/\/127\.0\.0\.1:(\d+) \(re-encrypted\)/);
  const [, guarded] = await line(/^ +https:\/\/127\.0\.0\.1:(\d+)\/owa\/ +CORP/);
  const [, imap] = await line(/^ {2}IMAP \d+ (\d+) \d+ /);
  const [, smtpStartTls, smtp, smtpThrough] = await line(/SMTP (\d+) (\d+) (\d+)$/);
  const [, ex01, ex02] = await line(/kill -9 (\d+) .* kill -9 (\d+) is EX02/);
  t.ok(existsSync(`${folder}/ballast.yaml`));

  for (const port of [offloaded, reencrypted]) {
    const peer = await dial(port);
    peer.say(health);
    t.match((await peer.answer()).body, /^200 OK<br\/>ex0[12]\.lab\.example$/);
    const ews =
      'POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: mail.lab.example\r\nContent-Length: 0\r\n';
    peer.say(`${ews}Authorization: NTLM ${type1}\r\n\r\n`);
    t.match((await peer.answer()).head, /\r\nWWW-Authenticate: NTLM TlRMTVNTUAAC/);
    peer.say(`${ews}Authorization: NTLM ${type3('CORP', 'bob')}\r\n\r\n`);
    t.match((await peer.answer()).body, /<m:User>CORP\\bob<\/m:User>/);
    peer.say(`${ews}\r\n`);
    t.match((await peer.answer()).head, /\r\nX-User: CORP\\bob\r\n/, 'the connection is his');
  }

  const stranger = await dial(guarded);
  stranger.say('GET /owa/ HTTP/1.1\r\nHost: mail.lab.example\r\nAccept: text/html\r\n\r\n');
  t.match((await stranger.answer()).head, /\r\nLocation: \/lm_auth_proxy\?DoLMLogin/);
  const phone = 'POST /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: mail.lab.example\r\n';
  stranger.say(
    `${phone}Authorization: Basic ${btoa('CORP\\bob:Ballast-2')}\r\nContent-Length: 0\r\n\r\n`
  );
  t.match((await stranger.answer()).head, /^HTTP\/1.1 200 [^]*\r\nX-User: CORP\\bob\r\n/);

  const letter = 'MAIL FROM:<>\r\nRCPT TO:<bob@lab.example>\r\nDATA\r\n';
  for (const port of [smtpStartTls, smtp, smtpThrough]) {
    const peer = port === smtpStartTls ? await dialStartTls(port) : await dial(port);
    if (port !== smtpStartTls) await peer.until('220 ');
    peer.say('EHLO me\r\n');
    await peer.until('250 XRDST\r\n');
    peer.say(letter);
    await peer.until('\r\n354 ');
    peer.say(`Subject: ${port}\r\n\r\n.\r\n`);
    t.match(await peer.until('delivery\r\n'), /\[Hostname=EX0[12]\] Queued mail for delivery/);
  }
  const reader = await dial(imap);
  // The other server may have it a moment later, and says so then.
  reader.say('1 LOGIN bob Ballast-2\r\n2 SELECT INBOX\r\n3 IDLE\r\n');
  t.ok(await reader.until('* 6 EXISTS\r\n'), 'whichever server took them');
  reader.socket.destroy();

  await line(/^EX01 Up for Offloaded /);
  await line(/^EX01 Up for TLS .*SMTP$/);
  process.kill(Number(ex01), 'SIGKILL');
  await line(/^EX01 died; it comes back in 10 s$/);
  await line(/^EX01 Down for Offloaded .*connection refused/);
  await line(/^EX01 Down for TLS .*SMTP: .*connection refused/);
  const peer = await dial(offloaded);
  peer.say(health);
  t.equal((await peer.answer()).body, '200 OK<br/>ex02.lab.example');

  lab.kill('SIGTERM');
  const [code] = await exited;
  t.equal(code, 0);
  t.notOk(existsSync(folder));
  t.throws(() => process.kill(Number(ex02), 0), { code: 'ESRCH' });
});
