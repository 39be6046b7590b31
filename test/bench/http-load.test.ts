// The loads of the HTTP scenarios must see what a proxy did wrong, else a figure means nothing.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import t from 'tap';
import { withLog } from '../../bench/access-log.ts';
import { Tally, type Load, type Target } from '../../bench/client.ts';
import { ecdsaCertificate } from '../../bench/ecdsa-certificate.ts';
import { Answer } from '../../bench/http/answer.ts';
import { loadBodies } from '../../bench/http/bulk.ts';
import { loadConnections } from '../../bench/http/connections.ts';
import { loadHandshakes } from '../../bench/http/handshakes.ts';
import { PacedClients, startPace } from '../../bench/http/latency.ts';
import { openPolls } from '../../bench/http/polls.ts';
import { loadUnderReload } from '../../bench/http/reload.ts';
import { plainServer } from '../../bench/stand-in.ts';
import { answerBody } from '../../bench/workload.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { faultyRelay, listenFor, type Fault } from '../fixture/faulty-relay.ts';

/** Lets `load` run until it has done `units`, or something went wrong. */
async function runUntil(units: number, tally: Tally, load: Load): Promise<void> {
  while (tally.units < units && tally.failures.size === 0 && tally.lost === 0) {
    await new Promise(setImmediate);
  }
  await load.stop();
}

async function pace(target: Target, tally: Tally): Promise<void> {
  const clients = new PacedClients(target, 3);
  const running = startPace(1000, [clients]);
  while (clients.tally.units < 20 && clients.tally.failures.size === 0) await delay(5);
  running.stop();
  await clients.close();
  tally.units = clients.tally.units;
  for (const kind of clients.tally.failures.keys()) tally.fail(kind);
}

const body = { connections: 2, bytes: 3 << 20 };
const works: Readonly<Record<string, (target: Target, tally: Tally) => Promise<void>>> = {
  connections: (target, tally) => runUntil(20, tally, loadConnections(target, 3, tally)),
  down: (target, tally) =>
    runUntil(9, tally, loadBodies(target, { ...body, direction: 'down' }, tally)),
  up: (target, tally) =>
    runUntil(30, tally, loadBodies(target, { ...body, direction: 'up' }, tally)),
  reload: (target, tally) => runUntil(50, tally, loadUnderReload(target, 4, tally)),
  polls: async (target, tally) => (await openPolls(target, 20, tally)).close(),
  pace
};

/** In the status line, in the body of the small answer, and the two ways to lose a connection. */
const faults: Readonly<Record<string, Fault>> = {
  'another status': { direction: 'down', at: 9, does: 'flip' },
  'a byte changed behind the head': { direction: 'down', at: 110, does: 'flip' },
  'a connection cut in an answer': { direction: 'down', at: 110, does: 'cut' },
  'a connection cut in a request': { direction: 'up', at: 4, does: 'cut' }
};

t.test('what goes through whole is counted and blamed on nobody', async (t) => {
  const server = await listenFor(t, plainServer());
  for (const [name, work] of Object.entries(works)) {
    const tally = new Tally();
    await work(server, tally);
    t.strictSame([...tally.failures], [], name);
    t.equal(tally.lost, 0, name);
    t.ok(tally.units >= 9, name);
  }
});

for (const [what, fault] of Object.entries(faults)) {
  t.test(`${what} is a failure`, async (t) => {
    for (const [name, work] of Object.entries(works)) {
      const tally = new Tally();
      await work(await faultyRelay(t, fault, await listenFor(t, plainServer())), tally);
      t.not(tally.failures.size + tally.lost, 0, name);
    }
  });
}

t.test(
  'a request that nobody answers while a proxy reloads is lost, a cut answer a failure',
  async (t) => {
    const server = await listenFor(t, plainServer());
    const lost = new Tally();
    const up: Fault = { direction: 'up', at: 4, does: 'cut' };
    await runUntil(50, lost, loadUnderReload(await faultyRelay(t, up, server), 4, lost));
    t.ok(lost.lost > 0);
    t.equal(lost.failures.size, 0);
    const cut = new Tally();
    const down: Fault = { direction: 'down', at: 110, does: 'cut' };
    await runUntil(50, cut, loadUnderReload(await faultyRelay(t, down, server), 4, cut));
    t.match([...cut.failures.keys()], ['answers cut off']);
  }
);

t.test('a byte changed deep in a body is a failure', async (t) => {
  for (const direction of ['down', 'up'] as const) {
    const fault: Fault = { direction, at: 2 << 20, does: 'flip' };
    const target = await faultyRelay(t, fault, await listenFor(t, plainServer()));
    const tally = new Tally();
    await works[direction]?.(target, tally);
    t.not(tally.failures.size, 0, direction);
  }
});

t.test('an answer is wrong in status, length, body, and by bytes behind it', async (t) => {
  const head = (status: string, bytes: number): string =>
    `HTTP/1.1 ${status}\r\nContent-Length: ${bytes}\r\n\r\n`;
  const whyOf = (text: string, pieces = 1): string | undefined => {
    const answer = Answer.small();
    const size = Math.ceil(text.length / pieces);
    for (let at = 0; at < text.length; at += size) {
      answer.take(Buffer.from(text.slice(at, at + size)));
    }
    t.equal(answer.isWhole, answer.wrong === undefined || /behind|503|bodies/.test(answer.wrong));
    return answer.wrong;
  };
  const right = head('200 OK', answerBody.length) + answerBody;
  t.equal(whyOf(right), undefined);
  t.equal(whyOf(right, right.length), undefined, 'byte by byte');
  t.equal(whyOf(right.replace('200', '503')), 'answers HTTP/1.1 503 OK');
  t.equal(whyOf(`${right}x`), 'bytes behind an answer');
  t.equal(whyOf(right.replace('small', 'SMALL')), 'wrong bodies');
  t.match(whyOf(head('200 OK', 5) + 'short'), 'answers of 5 bytes');
  t.match(whyOf(`HTTP/1.1 200 OK\r\n${'x'.repeat(20_000)}`), 'heads without end');
});

t.test('handshakes: whole ones count, each kind of wrong one is a failure', async (t) => {
  const rsa = await testCertificate('mail.example.com');
  const { chainPem, keyPem } = ecdsaCertificate('mail.example.com');
  const ecdsa = { cert: chainPem, key: keyPem };
  const shake = async (
    options: TlsOptions,
    job: { key: 'rsa' | 'ecdsa'; resumes: boolean },
    misbehaves?: 'cut' | 'talk'
  ): Promise<Tally> => {
    const server = createTlsServer(options, (socket) => {
      socket.on('error', () => {});
      socket.resume();
      if (misbehaves === 'talk') socket.end('words');
    });
    server.on('tlsClientError', () => {});
    const direct = await listenFor(t, server);
    const cut = { direction: 'down', at: 500, does: 'cut' } as const;
    const target = misbehaves === 'cut' ? await faultyRelay(t, cut, direct) : direct;
    const tally = new Tally();
    await runUntil(5, tally, loadHandshakes(target, { lanes: 2, ...job }, tally));
    return tally;
  };
  for (const key of ['rsa', 'ecdsa'] as const) {
    for (const resumes of [false, true]) {
      const tally = await shake({ rsa, ecdsa }[key], { key, resumes });
      t.strictSame([...tally.failures], [], `${key}, ${resumes}`);
    }
  }
  const kinds = async (...given: Parameters<typeof shake>): Promise<string[]> => [
    ...(await shake(...given)).failures.keys()
  ];
  t.match(await kinds(rsa, { key: 'ecdsa', resumes: false }), ['certificates of kind rsa']);
  t.match(await kinds(ecdsa, { key: 'rsa', resumes: false }), ['certificates of kind ec']);
  const noTickets = { ...rsa, secureOptions: 1 << 14 };
  t.match(await kinds(noTickets, { key: 'rsa', resumes: true }), [/not resumed|without an end/]);
  t.match(await kinds({ ...rsa, maxVersion: 'TLSv1.2' }, { key: 'rsa', resumes: false }), [
    /broken/
  ]);
  const full = { key: 'rsa', resumes: false } as const;
  t.match(await kinds(rsa, full, 'talk'), ['words that nobody asked for']);
  t.match(await kinds(rsa, full, 'cut'), [/broken/]);
});

t.test('requests that are missing in an access log are a failure', async (t) => {
  const logFile = join(t.testdir({ log: 'of an earlier round\n'.repeat(9) }), 'log');
  const sample = {
    units: 3,
    seconds: 1,
    cpuSeconds: 1,
    rssBytes: 1,
    cost: 1,
    p50Ms: 1,
    p99Ms: 1,
    failures: []
  };
  const writing = (lines: number) => () => {
    t.equal(readFileSync(logFile, 'utf8'), '', 'each round starts afresh');
    writeFileSync(logFile, 'line\n'.repeat(lines));
    return Promise.resolve(sample);
  };
  t.strictSame((await withLog(logFile, writing(3), 0)).failures, []);
  t.strictSame((await withLog(logFile, writing(2), 0)).failures, [
    '1 requests missing in the access log'
  ]);
});
