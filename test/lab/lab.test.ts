// The whole demonstration, as `npm run lab` starts it where there is no terminal.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Peer, type1, type3 } from './peer.ts';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const lab = spawn(process.execPath, [program, 'lab'], { stdio: ['ignore', 'pipe', 'inherit'] });
t.teardown(() => lab.kill('SIGKILL'));
const lines = createInterface({ input: lab.stdout });
const seen: string[] = [];
lines.on('line', (line) => seen.push(line));

/** The first line, past or to come, that matches. */
async function line(pattern: RegExp): Promise<RegExpExecArray> {
  for (let at = 0; ; at += 1) {
    while (at >= seen.length) {
      if (lab.exitCode !== null) throw new Error(`the lab ended without ${pattern}`);
      await Promise.race([once(lines, 'line'), once(lab, 'exit')]);
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

const health = 'GET /owa/healthcheck.htm HTTP/1.1\r\nHost: mail.lab.example\r\n\r\n';

t.test('both templates serve, a dead server is noticed, and nothing is left', async (t) => {
  const [, folder = ''] = await line(/^ +(\S+)\/ballast\.yaml$/);
  const [, offloaded] = await line(/^https:\/\/127\.0\.0\.1:(\d+) \(offloaded\)/);
  const [, reencrypted] = await line(/https:\/\/127\.0\.0\.1:(\d+) \(re-encrypted\)/);
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

  await line(/^EX01 Up for Offloaded /);
  process.kill(Number(ex01), 'SIGKILL');
  await line(/^EX01 died; it comes back in 10 s$/);
  await line(/^EX01 Down for Offloaded .*connection refused/);
  const peer = await dial(offloaded);
  peer.say(health);
  t.equal((await peer.answer()).body, '200 OK<br/>ex02.lab.example');

  lab.kill('SIGTERM');
  const [code] = await once(lab, 'exit');
  t.equal(code, 0);
  t.notOk(existsSync(folder));
  t.throws(() => process.kill(Number(ex02), 0), { code: 'ESRCH' });
});
