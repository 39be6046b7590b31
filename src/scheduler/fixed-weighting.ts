import type { Candidate, Scheduler } from './scheduler.ts';

/** All to the server of the highest weight, of equals to the first; the next ones stand by. */
export function fixedWeighting(): Scheduler {
  return {
    pick<C extends Candidate>(available: readonly C[]): C | undefined {
      let best = available[0];
      for (const candidate of available) {
        if (best !== undefined && candidate.weight > best.weight) best = candidate;
      }
      return best;
    }
  };
}
