import type { Candidate, Scheduler } from './scheduler.ts';

/** In turn; weights are ignored, as on a LoadMaster. `start` spreads the first picks of workers. */
export function roundRobin(start = 0): Scheduler {
  let turn = start;
  return {
    pick<C extends Candidate>(available: readonly C[]): C | undefined {
      if (available.length === 0) return undefined;
      turn = (turn + 1) % available.length;
      return available[turn];
    }
  };
}
