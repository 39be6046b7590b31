// The time, looked at once when something happens and not each time that somebody wants it: a look
// costs 50 ns, and a request wanted ten. What happens in one turn of the event loop has one time.

// The global of that name is a getter, which costs as much again.
import { performance } from 'node:perf_hooks';

export const clock = {
  /** Milliseconds as `performance.now()` counts them, at the latest event of a connection. */
  nowMs: performance.now()
};

/** Looks at the time anew. */
export function tick(): number {
  return (clock.nowMs = performance.now());
}
