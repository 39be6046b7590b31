// One round of a relay scenario, as a program of its own so that its CPU time stays apart.
// Argument: a RelayOrder as JSON. Prints a Sample as a line of JSON.

import { Tally, type Load, type Target } from '../client.ts';
import { measureMemory, measureTime, type Round } from '../rounds.ts';
import type { Sample } from '../sample.ts';
import { loadBulk } from './bulk.ts';
import { openIdle } from './idle.ts';
import { loadLines } from './lines.ts';
import type { RelayJob } from './scenarios.ts';
import { loadSessions } from './sessions.ts';

export interface RelayOrder extends Round {
  readonly job: RelayJob;
}

async function runRound(order: RelayOrder): Promise<Sample> {
  const { job, target } = order;
  if (job.kind === 'idle') return measureMemory(order, job.sessions, openIdle);
  const tally = new Tally();
  return measureTime(order, tally, begin(target, job, tally));
}

function begin(target: Target, job: Exclude<RelayJob, { kind: 'idle' }>, tally: Tally): Load {
  if (job.kind === 'lines') return loadLines(target, job.connections, tally);
  if (job.kind === 'bulk') return loadBulk(target, job, tally);
  return loadSessions(target, job.connections, tally);
}

const sample = await runRound(JSON.parse(process.argv[2] ?? '') as RelayOrder);
process.stdout.write(`${JSON.stringify(sample)}\n`);
