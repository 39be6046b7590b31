import type { Candidate, Scheduler } from './scheduler.ts';

/** Fewest open connections; weights are ignored. Among equals in turn, or one would get a burst. */
export function leastConnection(start = 0): Scheduler {
  let turn = start;
  return {
    pick<C extends Candidate>(available: readonly C[]): C | undefined {
      turn = available.length === 0 ? turn : (turn + 1) % available.length;
      let best: C | undefined;
      for (let i = 0; i < available.length; i++) {
        const candidate = available[(turn + i) % available.length];
        if (candidate !== undefined && (best === undefined || candidate.active < best.active)) {
          best = candidate;
        }
      }
      return best;
    }
  };
}
