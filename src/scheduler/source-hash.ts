import { hashOf, mix } from './hash.ts';
import type { Candidate, Scheduler } from './scheduler.ts';

/**
 * A client's address decides (rendezvous hashing): client and server together give a score, and the
 * highest wins. So a server that goes takes only its own clients along, one that comes takes only
 * those that are its own, and all workers and all installations choose alike.
 */
export function sourceHash(): Scheduler {
  return {
    pick<C extends Candidate>(available: readonly C[], key: string): C | undefined {
      const client = hashOf(key);
      let best: C | undefined;
      let most = -1;
      for (const candidate of available) {
        const score = mix(client ^ candidate.hash);
        if (score <= most) continue;
        most = score;
        best = candidate;
      }
      return best;
    }
  };
}
