// The schedulers by the operator's word (LoadMaster parameter `Schedule`).

import { leastConnection } from './least-connection.ts';
import { roundRobin } from './round-robin.ts';
import type { Scheduler } from './scheduler.ts';

export const schedulers = { rr: roundRobin, lc: leastConnection } satisfies Record<
  string,
  (start?: number) => Scheduler
>;

export type SchedulerName = keyof typeof schedulers;
