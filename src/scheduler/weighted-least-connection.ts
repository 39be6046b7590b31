import type { Candidate, Ramp, Scheduler } from './scheduler.ts';
import { weightedRoundRobin } from './weighted-round-robin.ts';

/**
 * Fewest open connections in proportion to weight. Equals take turns by weight: where connections
 * are short all are equal, at none, and the weights must count there too.
 */
export function weightedLeastConnection(start = 0, ramp?: Ramp): Scheduler {
  const turns = weightedRoundRobin(start);
  const load = (server: Candidate): number =>
    server.active / (server.weight * (ramp?.(server) ?? 1));
  return {
    pick<C extends Candidate>(available: readonly C[], key: string): C | undefined {
      let least = Infinity;
      let equals: C[] = [];
      for (const candidate of available) {
        const its = load(candidate);
        if (its > least) continue;
        if (its < least) equals = [];
        least = its;
        equals.push(candidate);
      }
      return turns.pick(equals, key);
    }
  };
}
