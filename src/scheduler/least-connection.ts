import type { Candidate, Ramp, Scheduler } from './scheduler.ts';

/**
 * Fewest open connections; weights are ignored. Among equals in turn, or one would get a burst.
 * With a `ramp` a server that has just come up counts its connections as more than they are.
 */
export function leastConnection(start = 0, ramp?: Ramp): Scheduler {
  if (ramp === undefined) return leastOf((server) => server.active, start);
  return leastOf((server) => server.active / ramp(server), start);
}

/** The server whose `load` is least, of equals each in turn. */
export function leastOf(load: (server: Candidate) => number, start: number): Scheduler {
  let turn = start;
  return {
    pick<C extends Candidate>(available: readonly C[]): C | undefined {
      turn = available.length === 0 ? turn : (turn + 1) % available.length;
      let best: C | undefined;
      let least = Infinity;
      for (let i = 0; i < available.length; i++) {
        const candidate = available[(turn + i) % available.length];
        if (candidate === undefined) continue;
        const its = load(candidate);
        if (its >= least) continue;
        least = its;
        best = candidate;
      }
      return best;
    }
  };
}
