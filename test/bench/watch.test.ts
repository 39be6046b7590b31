import { spawn } from 'node:child_process';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { requestsFor } from '../../bench/slice-ballast.ts';
import { cpuNanoseconds, familyOf } from '../../bench/slice-clock.ts';
import { Lane } from '../../bench/slice-lane.ts';
import { costUs, Turns } from '../../bench/slice-turns.ts';
import { estimate, judge, judgeSessions } from '../../bench/watch-verdict.ts';
import { answerBody } from '../../bench/workload.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

const answer = (body: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

t.test('the interval of a median cuts off what the sign test allows', async (t) => {
  // Of 16 coins at most two heads: 0.2 %, at most three: 1.1 %; half of one per cent is allowed.
  t.strictSame(estimate(upTo(16).toReversed()), { median: 8.5, low: 3, high: 14 });
  t.strictSame(estimate(upTo(8)), { median: 4.5, low: 1, high: 8 });
  const few = estimate(upTo(7));
  t.strictSame(few, { median: 4, low: 0, high: Number.POSITIVE_INFINITY }, 'seven tell nothing');
  const many = estimate(upTo(1000));
  t.ok(many.low > 455 && many.low < 465, 'as the normal distribution has it: 500 - 2.58 * 15.8');
});

const around = (middle: number): number[] => upTo(20).map((n) => middle + (n - 10.5) / 200);

t.test('a verdict falls only where the whole interval is on one side', async (t) => {
  t.equal(judge(around(1), 1.15), 'clear');
  t.equal(judge(around(1.11), 1.15), 'within', 'but near');
  t.equal(judge(around(1.14), 1.15), 'undecided');
  t.equal(judge(around(1.19), 1.15), 'worse');
  t.equal(judge(around(1.19).slice(0, 15), 1.15), 'undecided', 'too few rounds');
});

t.test(
  'it takes two sessions to call it worse, and one that is clear to call it well',
  async (t) => {
    t.equal(judgeSessions([], 1.15), 'undecided');
    t.equal(judgeSessions([around(1.25)], 1.15), 'undecided');
    t.equal(judgeSessions([around(1.25), around(1.2)], 1.15), 'worse');
    t.equal(judgeSessions([around(1.3), around(1.14), around(1.14)], 1.15), 'undecided');
    const long = [...around(1.3), ...around(1.31), ...around(1.32), ...around(1.33)];
    t.equal(judge([...long, ...around(1.14)], 1.15), 'worse');
    t.equal(judgeSessions([long, around(1.14)], 1.15), 'undecided', 'one cannot outvote the other');
    t.equal(judgeSessions([around(1.11)], 1.15), 'undecided', 'near the bound');
    t.equal(judgeSessions([around(1.11), around(1.105)], 1.15), 'within');
    t.equal(judgeSessions([around(1)], 1.15), 'within');
  }
);

t.test('a lane works for its time, falls silent, and its requests are counted', async (t) => {
  let asked = 0;
  const lane = await laneTo(t, (socket) => {
    asked++;
    socket.write(answer(answerBody));
  });
  const first = await lane.work(50);
  t.ok(first.requests >= 4);
  t.equal(first.requests, asked);
  t.ok(first.cpuNs > 0 && first.cpuNs < first.ms * 8e6, 'no more than eight processors give');
  await delay(20);
  t.equal(first.requests, asked, 'silent');
});

t.test('wrong answers and lost connections are errors', async (t) => {
  const wrong = [
    answer(answerBody.replace('small', 'great')),
    answer(answerBody).replace('200', '503')
  ];
  for (const text of wrong) {
    let asked = 0;
    const lane = await laneTo(t, (socket) => {
      socket.write(asked++ < 6 ? answer(answerBody) : text);
    });
    await t.rejects(lane.work(500), /wrong answer/);
  }
  const cut = await laneTo(t, (socket) => socket.destroy());
  await t.rejects(cut.work(500), /closed/);
});

t.test('what a program uses while others work is no cost of a request', async (t) => {
  t.equal(costUs({ requests: 1000, cpuNs: 32e6, ms: 100 }, 20_000), 30);
  const lane = await laneTo(t, (socket) => socket.write(answer(answerBody)));
  // One lane and one process under two names: what one uses is idle time of the other.
  const turns = new Turns(
    ['one', 'other'].map((name) => ({ name, pids: [process.pid], lane })),
    20
  );
  await turns.round();
  await turns.round();
  t.equal(turns.costs('one').length, 2);
  t.ok(turns.housekeeping('one') > 0);
  t.throws(() => turns.costs('nobody'), /nobody/);
});

t.test('the account of processes', async (t) => {
  const burn = 'for (const end = Date.now() + 200; Date.now() < end; );';
  const script = `${burn} process.stdout.write('x'); process.stdin.resume()`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const family = familyOf(process.pid);
  t.ok(family.includes(process.pid) && family.includes(pid));
  // It may still run a little.
  const before = cpuNanoseconds([pid]);
  const twice = cpuNanoseconds([pid, pid]);
  const after = cpuNanoseconds([pid]);
  t.ok(before > 0);
  t.ok(twice >= 2 * before && twice <= 2 * after, `${before}, both ${twice}, ${after}`);
  child.stdin.end();
  await once(child, 'close');
  t.throws(() => cpuNanoseconds([pid]), { code: 'ENOENT' });
});

async function laneTo(t: Test, onRequest: (socket: Socket) => void): Promise<Lane> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => onRequest(socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const pids = [process.pid];
  const lane = await Lane.open({ ports: [port], pids, requests: requestsFor(), connections: 4 });
  t.teardown(() => {
    lane.close();
    server.close();
  });
  return lane;
}
