import type { Candidate, Scheduler } from './scheduler.ts';

/**
 * In turn, in proportion to weight. Each pick adds to every server's credit its weight and takes
 * the sum from the richest, who is picked: heavy servers come often and not in one long row. The
 * heavier begin with a little more, so that 100 and 50 give "two in a row before the other".
 * `start` skips the first picks, to spread those of workers.
 */
export function weightedRoundRobin(start = 0): Scheduler {
  // A server that is out keeps its credit: it stays within the sum of the weights.
  const credits = new Map<Candidate, number>();
  let started = false;

  function next<C extends Candidate>(available: readonly C[]): C | undefined {
    let sum = 0;
    for (const { weight } of available) sum += weight;
    const mean = Math.floor(sum / available.length);
    let best: C | undefined;
    let most = -Infinity;
    for (const candidate of available) {
      const { weight } = candidate;
      const credit = (credits.get(candidate) ?? weight - mean) + weight;
      credits.set(candidate, credit);
      if (credit < most || (credit === most && weight <= (best?.weight ?? 0))) continue;
      most = credit;
      best = candidate;
    }
    if (best !== undefined) credits.set(best, most - sum);
    return best;
  }

  return {
    pick<C extends Candidate>(available: readonly C[]): C | undefined {
      if (!started && available.length > 0) {
        started = true;
        for (let skip = start % available.length; skip > 0; skip--) next(available);
      }
      return next(available);
    }
  };
}
