import { readFileSync } from 'node:fs';

/** A proxy holds two sockets for each that is held. */
export function requireOpenFiles(held: number): void {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const most = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
  const needed = 2 * held + 500;
  if (most < needed) {
    throw new Error(`${held} held need ${needed} open files, ulimit -Hn is ${most}: --sessions N`);
  }
}
