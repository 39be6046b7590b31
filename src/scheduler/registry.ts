// The schedulers by the operator's word (LoadMaster parameter `Schedule`).

import { fixedWeighting } from './fixed-weighting.ts';
import { leastConnection } from './least-connection.ts';
import { roundRobin } from './round-robin.ts';
import type { Ramp, Scheduler } from './scheduler.ts';
import { sourceHash } from './source-hash.ts';
import { weightedLeastConnection } from './weighted-least-connection.ts';
import { weightedRoundRobin } from './weighted-round-robin.ts';

export const schedulers = {
  rr: roundRobin,
  wrr: weightedRoundRobin,
  lc: leastConnection,
  wlc: weightedLeastConnection,
  fixed: fixedWeighting,
  sh: sourceHash
} satisfies Record<string, (start?: number, ramp?: Ramp) => Scheduler>;

export type SchedulerName = keyof typeof schedulers;
