// One round of a relay scenario, as a program of its own so that its CPU time stays apart.
// Argument: a RoundOrder as JSON. Prints a Sample as a line of JSON.

import { setTimeout as delay } from 'node:timers/promises';
import { readAccount, type Account } from '../measure.ts';
import { cpuUs, failuresOf, quantile, type Sample } from '../sample.ts';
import { loadBulk } from './bulk.ts';
import { Tally, type Load, type Target } from './client.ts';
import { openIdle } from './idle.ts';
import { loadLines } from './lines.ts';
import type { Job } from './scenarios.ts';
import { loadSessions } from './sessions.ts';

export interface RoundOrder {
  readonly target: Target;
  readonly job: Job;
  readonly seconds: number;
  /** Of the proxy. */
  readonly pid: number;
}

/** Kept connections open in it, and what was in flight from the start is through. */
const leadMs = 300;
const stopTimeMs = 10_000;
/** Opened and closed before memory is looked at: what the first sessions cost is not the rule. */
const firstSessions = 100;

async function runRound(order: RoundOrder): Promise<Sample> {
  const { job } = order;
  return job.kind === 'idle'
    ? measureMemory(order, job.sessions)
    : measureTime(order, (tally) => begin(order.target, job, tally));
}

function begin(target: Target, job: Exclude<Job, { kind: 'idle' }>, tally: Tally): Load {
  if (job.kind === 'lines') return loadLines(target, job.connections, tally);
  if (job.kind === 'bulk') return loadBulk(target, job, tally);
  return loadSessions(target, job.connections, tally);
}

async function measureTime(
  { seconds, pid }: RoundOrder,
  start: (tally: Tally) => Load
): Promise<Sample> {
  const tally = new Tally();
  const load = start(tally);
  await delay(leadMs);
  tally.restart();
  const before = readAccount(pid);
  const beganMs = performance.now();
  await delay(seconds * 1000);
  const { units, timesMs } = tally;
  const elapsedMs = performance.now() - beganMs;
  const after = readAccount(pid);
  const inTime = await Promise.race([load.stop().then(() => true), delay(stopTimeMs, false)]);
  if (!inTime) tally.fail('loads did not come to their end');
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return {
    ...describe(tally, units, timesMs, elapsedMs),
    cpuSeconds,
    cost: cpuUs(cpuSeconds, units),
    rssBytes: after.rssBytes
  };
}

async function measureMemory({ target, pid }: RoundOrder, sessions: number): Promise<Sample> {
  const tally = new Tally();
  const first = await openIdle(target, firstSessions, tally);
  await first.close();
  const before = await settle(pid);
  tally.restart();
  const beganMs = performance.now();
  const idle = await openIdle(target, sessions, tally);
  const { units, timesMs } = tally;
  const elapsedMs = performance.now() - beganMs;
  const after = await settle(pid);
  await idle.close();
  return {
    ...describe(tally, units, timesMs, elapsedMs),
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    cost: (after.rssBytes - before.rssBytes) / 1024 / units,
    rssBytes: after.rssBytes
  };
}

/** Waits until the memory of the proxy stands still. */
async function settle(pid: number): Promise<Account> {
  let account = readAccount(pid);
  for (let steady = 0, tries = 0; steady < 3 && tries < 20; tries++) {
    await delay(400);
    const now = readAccount(pid);
    steady = Math.abs(now.rssBytes - account.rssBytes) < now.rssBytes / 200 ? steady + 1 : 0;
    account = now;
  }
  return account;
}

function describe(
  tally: Tally,
  units: number,
  timesMs: readonly number[],
  elapsedMs: number
): Pick<Sample, 'units' | 'seconds' | 'p50Ms' | 'p99Ms' | 'failures'> {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return {
    units,
    seconds: elapsedMs / 1000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    failures: failuresOf(tally.failures)
  };
}

const sample = await runRound(JSON.parse(process.argv[2] ?? '') as RoundOrder);
process.stdout.write(`${JSON.stringify(sample)}\n`);
