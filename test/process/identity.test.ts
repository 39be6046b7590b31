// Who is who: two users with NTLM on many connections at the same time, broken off at random, and
// nobody ever gets what is another's. And what none of them said may stand in a log.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import type { Exchange } from '../../src/lab/exchange.ts';
import { fieldLines } from '../../src/lab/request.ts';
import { basic, dialPlain, startSite, type ExchangeSite } from '../fixture/exchange-site.ts';
import { missing } from '../fixture/programs.ts';
import { seeded } from '../fixture/random.ts';
import { Peer as TextPeer, type1, type3 } from '../lab/peer.ts';
import { runCrowd, total } from '../soak/crowd.ts';

t.setTimeout(60_000);

const seed = Number(process.env['SEED'] ?? 20161);
const loadMs = 5000;
const users = ['alice', 'bob'] as const;
type User = (typeof users)[number];

const paths = [
  '/owa/',
  '/ecp/',
  '/EWS/Exchange.asmx',
  '/OAB/oab.xml',
  '/autodiscover/a.xml'
].concat('/owa/download?bytes=300000', '/owa/download?bytes=200000&chunked');

/** How many answers each user got, and all that were not his. */
interface Tally {
  readonly answers: Record<User, number>;
  readonly wrong: string[];
  aborted: number;
}

t.test('alice and bob at the same time', { skip: missing('curl') }, async (t) => {
  const site = await startSite(t, { exchange: { recordsMax: 1_000_000 } });
  const tally: Tally = { answers: { alice: 0, bob: 0 }, wrong: [], aborted: 0 };
  const end = performance.now() + loadMs;
  const loops = Array.from({ length: 16 }, async (_, n) => {
    const user = users[n % 2] ?? 'alice';
    const random = seeded(seed + n);
    while (performance.now() < end) {
      if (n < 6) await curlVisit(site, user, random, tally);
      else await rawVisit(site, user, random, tally);
    }
  });
  await Promise.all(loops);
  const { answers, wrong, aborted } = tally;
  t.comment(`seed ${seed}: ${answers.alice} for alice, ${answers.bob} for bob, ${aborted} aborted`);
  t.strictSame(wrong, [], 'every answer belongs to who asked');
  t.ok(answers.alice > 50 && answers.bob > 50, 'both were there');
  t.ok(aborted > 5, `${aborted} connections broken off`);
  for (const server of site.servers) checkConnections(t, server);
  t.equal((await site.status()).state, 'ready');
  t.strictSame(
    site.ballast.lines.filter(({ level }) => level === 'error' || level === 'fatal'),
    []
  );
});

t.test('while servers die and come back and workers are killed', async (t) => {
  const requests = 5000;
  const deeds = { serverRestarts: 1, workerKills: 2, reloads: 1 };
  const size = { requests, seed, workers: 2, clients: 32, timeMaxMs: 30_000 };
  const figures = await runCrowd({ ...size, ...deeds });
  const { answers, wrong, shared, errors, connections, aborted, lost } = figures;
  t.comment(`seed ${seed}: ${connections} connections, ${aborted} aborted, ${lost} lost`);
  t.ok(total(figures) >= requests, `${total(figures)} answers in ${figures.seconds} s`);
  t.ok(answers.alice > requests / 4 && answers.bob > requests / 4, 'both were there');
  t.match(figures, deeds, 'and so was the trouble');
  t.ok(aborted > 5 && lost > 0, 'which was felt');
  t.strictSame(wrong, [], 'every answer belongs to who asked');
  t.strictSame(shared, [], 'no connection to a server was two users');
  t.strictSame(errors, []);
});

/** NTLM signs in a connection to the server: it must never have been two users. */
function checkConnections(t: Test, server: Exchange): void {
  const usersOf = new Map<number, Set<string>>();
  for (const { connection, user } of server.records) {
    if (user === '') continue;
    usersOf.set(connection, (usersOf.get(connection) ?? new Set()).add(user));
  }
  t.ok(usersOf.size > 5, `${server.name}: ${usersOf.size} connections signed in`);
  const shared = [...usersOf].filter(([, names]) => names.size > 1);
  t.strictSame(shared, [], `${server.name}: each of them as one user`);
}

/** curl's own handshake, several requests on the connection, sometimes killed in between. */
async function curlVisit(
  site: ExchangeSite,
  user: User,
  random: () => number,
  tally: Tally
): Promise<void> {
  const password = user === 'alice' ? 'Ballast-1' : 'Ballast-2';
  const urls = Array.from({ length: 8 }).flatMap(() => {
    return ['-o', '/dev/null', `https://127.0.0.1:${site.https}${pick(paths, random)}`];
  });
  const shown = '%{http_code} %header{x-user}\n';
  const child = spawn(
    'curl',
    ['-sk', '--ntlm', '-u', `${user}:${password}`, '-w', shown, ...urls],
    {
      stdio: ['ignore', 'pipe', 'ignore']
    }
  );
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  const closed = once(child, 'close');
  const killMs = 20 + random() * 150;
  const timer = random() < 0.4 ? setTimeout(() => child.kill('SIGKILL'), killMs) : undefined;
  await closed;
  clearTimeout(timer);
  if (child.signalCode === 'SIGKILL') tally.aborted++;
  for (const line of output.split('\n').slice(0, -1)) {
    if (line === `200 CORP\\${user}`) tally.answers[user]++;
    else tally.wrong.push(`curl as ${user}: ${line}`);
  }
}

/** A handshake, then requests without any proof: the connection stands for its user. */
async function rawVisit(
  site: ExchangeSite,
  user: User,
  random: () => number,
  tally: Tally
): Promise<void> {
  const { socket } = await site.client();
  socket.removeAllListeners('data');
  const peer = new TextPeer(socket);
  const ask = (path: string, field = ''): void => {
    peer.say(`GET ${path} HTTP/1.1\r\nHost: mail.example.com\r\n${field}\r\n`);
  };
  ask('/owa/', `Authorization: NTLM ${type1}\r\n`);
  await peer.answer();
  ask('/owa/', `Authorization: NTLM ${type3('CORP', user)}\r\n`);
  const requests = 1 + Math.floor(random() * 12);
  for (let n = 0; n <= requests; n++) {
    const { head } = await peer.answer();
    if (head.includes(`\r\nX-User: CORP\\${user}\r\n`)) tally.answers[user]++;
    else tally.wrong.push(`connection of ${user}: ${head}`);
    if (n === requests) break;
    // The chunked download has no length for this reader, so it is left to curl.
    ask(pick(paths.slice(0, -1), random));
    if (random() < 0.05) break;
  }
  if (random() < 0.5) socket.end();
  else {
    ask('/owa/download?bytes=5000000');
    tally.aborted++;
    if (random() < 0.5) await peer.atLeast(1);
    socket.destroy();
  }
}

function pick<T>(all: readonly T[], random: () => number): T {
  return all[Math.floor(random() * all.length)] as T; // the index is within
}

t.test('no secret in any log line', { skip: missing('curl') }, async (t) => {
  const site = await startSite(t, { global: 'logLevel: trace' });
  const tally: Tally = { answers: { alice: 0, bob: 0 }, wrong: [], aborted: 0 };
  await curlVisit(site, 'bob', () => 0.5, tally);
  t.ok(tally.answers.bob > 0);

  const host = 'Host: mail.example.com\r\n';
  const client = await site.client();
  client.send(
    `GET /owa/?access_token=query-token-1 HTTP/1.1\r\n${host}${basic.alice}` +
      'Cookie: X-OWA-CANARY=canary-value-1; cadata=cookie-value-1\r\nX-Api-Key: api-key-1\r\n\r\n'
  );
  const page = await client.message();
  t.match(page.head, /^HTTP\/1\.1 200 /);
  const form = 'username=alice&password=Ballast-1';
  client.send(
    `POST /owa/auth.owa HTTP/1.1\r\n${host}Content-Length: ${form.length}\r\n\r\n${form}`
  );
  const loggedOn = await client.message();
  const cookies = [...loggedOn.head.matchAll(/Set-Cookie: (cadata\w*)=([^;]+)/g)];
  t.equal(cookies.length, 5, 'logged on');
  const cookie = cookies.map(([, name, value]) => `${name}=${value}`).join('; ');
  client.send(`GET /owa/ HTTP/1.1\r\n${host}Cookie: ${cookie}\r\n\r\n`);
  t.match((await client.message()).head, /X-User: CORP\\alice/);
  // Ballast's own answers and refusals are told with a reason: that must not quote the request.
  for (const bytes of [
    `GET /none?code=query-token-2 HTTP/1.1\r\n${host}${basic.alice}\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}Authorization: Basic secret\0value-1\r\n\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}Cookie : sid=cookie-value-2\r\n\r\n`,
    `GET /owa/?t=query-token-3 junk HTTP/1.1\r\n${host}\r\n`,
    `GET /owa/ HTTP/1.1\r\nHost: user:password-in-host@x\r\n\r\n`,
    `GET /owa/?t=query-token-4 HTTP/3.7\r\n${host}\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}Authorization: Bearer ${'long-token-'.repeat(7000)}\r\n\r\n`,
    `POST /owa/ HTTP/1.1\r\n${host}${basic.alice}Content-Length: cookie-value-3\r\n\r\n`,
    `POST /owa/upload HTTP/1.1\r\n${host}${basic.alice}Transfer-Encoding: chunked\r\n\r\n` +
      'body-secret-1\r\n'
  ]) {
    const one = await site.client();
    one.send(bytes);
    t.match(await one.until('\r\n'), /^HTTP\/1\.1 4\d\d |^HTTP\/1\.1 505 /);
    one.socket.destroy();
  }
  const redirected = await dialPlain(t, site.http);
  redirected.send(`GET /owa/?t=query-token-5 HTTP/1.1\r\n${host}\r\n`);
  t.match(await redirected.until('\r\n\r\n'), /Location: .*query-token-5/);

  const secrets = ['Ballast-1', 'Ballast-2', 'secret', 'value-1', 'canary', 'api-key-1'];
  secrets.push(...cookies.map(([, , value = '']) => value));
  secrets.push('query-token', 'cookie-value', 'password-in-host', 'long-token-', 'alice&');
  for (const { records } of site.servers) {
    for (const { request } of records) {
      const values = [request.query, ...fieldLines(request, 'cookie')].filter((v) => v.length > 9);
      const proofs = fieldLines(request, 'authorization').map((v) => v.split(' ')[1] ?? v);
      secrets.push(...values, ...proofs);
    }
  }
  for (const [, value = ''] of `${page.head}${loggedOn.head}`.matchAll(
    /Set-Cookie: [^=]+=([^;]+)/g
  )) {
    secrets.push(value);
  }
  const ended = await site.ballast.stop();
  t.equal(ended, 0);
  const log = site.ballast.lines.map((line) => JSON.stringify(line));
  t.ok(site.ballast.lines.filter(({ msg }) => msg === 'request').length > 10, 'all was logged');
  const told = secrets.filter((secret) => log.some((line) => line.includes(secret)));
  t.strictSame(told, [], `none of ${secrets.length} secrets`);
});
