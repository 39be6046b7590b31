import type { Ramp } from './scheduler.ts';

/** A server must get a first connection, or nobody would see that it serves. */
const leastShare = 0.01;

/**
 * LoadMaster's "Least Connection Slow Start": the weight of a server that came up grows from nothing
 * to the whole of it in `durationMs`. Undefined = all have theirs at once. `clock` gives
 * milliseconds since 1970, in which all workers agree.
 */
export function slowStart(durationMs: number, clock: () => number): Ramp | undefined {
  if (durationMs === 0) return undefined;
  return ({ upSinceMs }) => {
    if (upSinceMs === 0) return 1;
    const ageMs = clock() - upSinceMs;
    // Before it came up: the clock was set back. Nobody knows then how long it would take.
    if (ageMs < 0 || ageMs >= durationMs) return 1;
    return Math.max(ageMs / durationMs, leastShare);
  };
}
