// node bench/accept.ts: three ways in which workers can share a port, compared in CPU time, fairness
// and in what becomes of the connections that wait when a worker is busy or dies.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, startProgram } from './program.ts';
import { requestsFor } from './slice-ballast.ts';
import { cpuNanoseconds, familyOf } from './slice-clock.ts';
import { Lane } from './slice-lane.ts';
import { median } from './table.ts';

const ways = ['shared handle', 'round robin', 'reusePort'] as const;
const rounds = 15;
const sliceMs = 200;
const atOnce = 32;
const queued = 200;
const answerTimeMs = 4000;

type Contender = Awaited<ReturnType<typeof start>>;

async function start(way: string) {
  const port = await freePort();
  const file = fileURLToPath(new URL('accept-server.ts', import.meta.url));
  const command = [process.execPath, file, way, `${port}`] as const;
  const program = await startProgram(way, command, '127.0.0.1', port);
  await delay(1000); // the other worker
  const pids = familyOf(program.pid);
  const requests = requestsFor();
  const lane = await Lane.open({ ports: [port], pids, requests, connections: atOnce });
  const [kept, short]: [number[], number[]] = [[], []];
  return { way, port, program, pids, lane, kept, short, served: new Map<string, number>() };
}

/** One request on a connection of its own; the body of the answer, or undefined where none came. */
async function ask(port: number, path: string): Promise<string | undefined> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: mail.example.com\r\nConnection: close\r\n\r\n`);
  const late = setTimeout(() => socket.destroy(), answerTimeMs);
  await once(socket, 'close').catch(() => {});
  clearTimeout(late);
  return answer.split('\r\n\r\n')[1];
}

async function askInTurns({ port, pids, short, served }: Contender): Promise<void> {
  const before = cpuNanoseconds(pids);
  const over = performance.now() + sliceMs;
  let requests = 0;
  const clients = Array.from({ length: atOnce }, async () => {
    while (performance.now() < over) {
      const pid = await ask(port, '/who');
      if (pid === undefined) throw new Error('a request without an answer');
      served.set(pid, (served.get(pid) ?? 0) + 1);
      requests++;
    }
  });
  await Promise.all(clients);
  short.push((cpuNanoseconds(pids) - before) / requests / 1000);
}

/** Both workers are kept busy, connections come to wait, and one of the workers dies. */
async function answeredAfterDeath({ port, pids }: Contender): Promise<number> {
  const workers = pids.slice(1);
  await blockAll(port, workers);
  const waiting = Array.from({ length: queued }, () => ask(port, '/who'));
  await delay(300);
  process.kill(workers[0] ?? 0, 'SIGKILL');
  const answers = await Promise.all(waiting);
  return answers.filter((answer) => answer !== undefined).length;
}

/** Asks on new connections until each worker has one of ours, then blocks them all at once. */
async function blockAll(port: number, workers: readonly number[]): Promise<void> {
  const found = new Map<string, ReturnType<typeof connect>>();
  while (found.size < workers.length) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => {});
    socket.write('GET /who HTTP/1.1\r\n\r\n');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    found.set(chunk.toString('latin1').split('\r\n\r\n')[1] ?? '', socket);
  }
  for (const socket of found.values()) socket.write('GET /block HTTP/1.1\r\n\r\n');
  await delay(100);
}

const contenders: Contender[] = [];
for (const way of ways) contenders.push(await start(way));
for (const { lane } of contenders) await lane.work(1000);
for (let n = 0; n < rounds; n++) {
  for (const contender of contenders) {
    const { cpuNs, requests } = await contender.lane.work(sliceMs);
    contender.kept.push(cpuNs / requests / 1000);
    await askInTurns(contender);
  }
}
console.log(
  '| way | kept us | short us | share of the busier worker | answered of 200 after a death |'
);
console.log('| --- | --- | --- | --- | --- |');
for (const contender of contenders) {
  const { way, kept, short, served, lane, program } = contender;
  const all = [...served.values()];
  const share = Math.max(...all) / all.reduce((sum, one) => sum + one, 0);
  lane.close();
  const answered = await answeredAfterDeath(contender);
  const cells = [
    way,
    median(kept).toFixed(1),
    median(short).toFixed(1),
    share.toFixed(2),
    answered
  ];
  console.log(`| ${cells.join(' | ')} |`);
  await program.stop();
}
process.exit();
