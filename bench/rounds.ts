// How a round is measured, whatever the work is: CPU time of work without pause, or memory of what is
// held. Runs in a process of its own, so that the CPU time of the load stays apart.

import { setTimeout as delay } from 'node:timers/promises';
import { Tally, type Load, type Target } from './client.ts';
import { readAccount, type Account } from './measure.ts';
import { cpuUs, failuresOf, quantile, type Sample } from './sample.ts';

export interface Round {
  readonly target: Target;
  readonly seconds: number;
  /** Of the proxy. */
  readonly pid: number;
}

/** Connections, sessions or polls that do nothing but stay. */
export interface Held {
  /** Ends all of them; resolves when they are gone. */
  close(): Promise<void>;
}

/** Kept connections open in it, and what was in flight from the start is through. */
const leadMs = 300;
/** 35 MB on each of eight connections may take its time. */
const stopTimeMs = 30_000;
/** Opened and closed before memory is looked at: what the first ones cost is not the rule. */
const firstHeld = 100;

export async function measureTime(
  { seconds, pid }: Pick<Round, 'seconds' | 'pid'>,
  tally: Tally,
  load: Load
): Promise<Sample> {
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

/** KB that the proxy grows by for each of `count` that `hold` opens. */
export async function measureMemory(
  { target, pid }: Pick<Round, 'target' | 'pid'>,
  count: number,
  hold: (target: Target, count: number, tally: Tally) => Promise<Held>
): Promise<Sample> {
  const tally = new Tally();
  const first = await hold(target, firstHeld, tally);
  await first.close();
  const before = await settle(pid);
  tally.restart();
  const beganMs = performance.now();
  const held = await hold(target, count, tally);
  const { units, timesMs } = tally;
  const elapsedMs = performance.now() - beganMs;
  const after = await settle(pid);
  await held.close();
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
