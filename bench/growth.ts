// npm run bench:growth: what a request costs as services, content rules, held connections and workers
// grow. The steps of a growth run side by side, each in its own Ballast, and take turns.
// --only NAME, may be repeated; --rounds N.

import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { growths, type Growth, type Step } from './growth-steps.ts';
import { readAccount } from './measure.ts';
import { makePlace, type Place } from './place.ts';
import { freePort, startProgram, type Program } from './program.ts';
import { requestsFor, startBallast } from './slice-ballast.ts';
import { Lane } from './slice-lane.ts';
import { heldPath } from './slice-server.ts';
import { Turns, type Contender } from './slice-turns.ts';
import { median } from './table.ts';
import { verifyAnswers } from './verify.ts';
import { estimate } from './watch-verdict.ts';
import { connections, serverAddresses } from './workload.ts';

const sliceMs = 100;
const holdTimeMs = 120_000;

interface Running extends Contender {
  readonly step: Step;
  readonly ballast: Program;
  readonly others: readonly Program[];
}

async function measure(growth: Growth, rounds: number, place: Place): Promise<void> {
  const running: Running[] = [];
  try {
    for (const step of growth.steps) {
      running.push(await start(`${growth.name}-${step.name}`, step, place));
    }
    const turns = new Turns(running, sliceMs);
    await turns.warmUp();
    for (let n = 0; n < rounds; n++) await turns.round();
    print(growth, running, turns);
  } finally {
    for (const { lane } of running) lane.close();
    const programs = running.flatMap(({ ballast, others }) => [...others, ballast]);
    for (const program of programs) await program.stop();
  }
}

async function start(name: string, step: Step, place: Place): Promise<Running> {
  const serverPort = await freePort();
  const ports: number[] = [];
  while (ports.length < step.services) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  const serverCommand = [process.execPath, pathOf('slice-server.ts'), `${serverPort}`] as const;
  const lastAddress = serverAddresses.at(-1) ?? '';
  const server = await startProgram('server', serverCommand, lastAddress, serverPort);
  const configuration = step.configuration(ports, serverPort);
  const last = ports.at(-1) ?? 0;
  const { program: ballast, pids } = await startBallast(place, name, configuration, last);
  for (const port of [ports[0], last]) await verifyAnswers(name, `http://127.0.0.1:${port}`);
  const others = [server];
  if (step.held > 0) others.unshift(await hold(last, step.held, pids));
  const lane = await Lane.open({ ports, pids, requests: requestsFor(), connections });
  return { name, step, pids, lane, ballast, others };
}

/** Resolves when Ballast has a connection to the client and one to a server for each poll. */
async function hold(port: number, count: number, pids: readonly number[]): Promise<Program> {
  const command = [
    process.execPath,
    pathOf('growth-hold.ts'),
    `${port}`,
    `${count}`,
    heldPath
  ] as const;
  const holder = await startProgram('long polls', command, '127.0.0.1', port);
  const over = performance.now() + holdTimeMs;
  while (openFiles(pids) < 2 * count) {
    if (performance.now() > over)
      throw new Error(`${count} polls cannot be held: ${holder.said()}`);
    await delay(200);
  }
  return holder;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

const openFiles = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);

function print(growth: Growth, running: readonly Running[], turns: Turns): void {
  const [first] = running;
  if (first === undefined) return;
  const base = turns.costs(first.name);
  const baseBytes = readAccount(first.ballast.pid).rssBytes;
  for (const { name, step, ballast } of running) {
    const costs = turns.costs(name);
    const { median: ratio, low, high } = estimate(costs.map((cost, i) => cost / (base[i] ?? 0)));
    const { rssBytes } = readAccount(ballast.pid);
    const more = Number(step.name) - Number(first.step.name);
    const cells = [
      growth.name,
      step.name,
      median(costs).toFixed(1),
      more === 0 ? '' : `${ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`,
      turns.housekeeping(name).toFixed(1),
      (rssBytes / 1e6).toFixed(0),
      more === 0 ? '' : ((rssBytes - baseBytes) / 1024 / more).toFixed(1)
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true }, rounds: { type: 'string', default: '24' } }
});
const chosen = growths.filter(({ name }) => values.only?.includes(name) ?? true);
for (const { name, says } of chosen) console.log(`${name}: ${says}`);
console.log('\n| growth | step | CPU us/request | x first | idle ms/s | RSS MB | KB each |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
const place = await makePlace();
try {
  for (const growth of chosen) await measure(growth, Number(values.rounds), place);
} finally {
  place.remove();
}
process.exit();
