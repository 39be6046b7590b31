// CPU time to the nanosecond. The ticks of /proc/PID/stat are 10 ms, too coarse for slices of a tenth
// of a second; the scheduler's own account of each thread is exact while the thread sleeps.

import { readdirSync, readFileSync } from 'node:fs';

/** A process and all below it, now. */
export function familyOf(root: number): number[] {
  const children = readdirSync(`/proc/${root}/task`).flatMap((thread) =>
    readFileSync(`/proc/${root}/task/${thread}/children`, 'latin1').split(' ').filter(Boolean)
  );
  return [root, ...children.flatMap((child) => familyOf(Number(child)))];
}

/** Of all living threads of these processes; throws when one of them is gone. */
export function cpuNanoseconds(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const line = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      total += Number(line.slice(0, line.indexOf(' ')));
    }
  }
  return total;
}
