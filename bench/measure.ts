// What the kernel has charged to a process and to all its descendants.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface Account {
  /** User and system time, reaped children included. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly processes: number;
}

interface Stat {
  readonly parent: number;
  readonly ticks: number;
  readonly rssPages: number;
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }));

/** The sum over `root` and every process below it; throws when `root` is gone. */
export function readAccount(root: number): Account {
  const stats = readAllStats();
  if (!stats.has(root)) throw new Error(`process ${root} is gone`);
  let ticks = 0;
  let rssPages = 0;
  let processes = 0;
  for (const [pid, stat] of stats) {
    if (!descendsFrom(pid, root, stats)) continue;
    ticks += stat.ticks;
    rssPages += stat.rssPages;
    processes++;
  }
  return { cpuSeconds: ticks / ticksPerSecond, rssBytes: rssPages * pageBytes, processes };
}

function readAllStats(): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined;
    if (stat !== undefined) stats.set(pid, stat);
  }
  return stats;
}

function readStat(pid: number): Stat | undefined {
  let line;
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // it ended between the listing and the reading
  }
  return parseStat(line);
}

/** proc(5): the name stands in parentheses and may hold anything, so count from the last one. */
export function parseStat(line: string): Stat {
  const fields = line
    .slice(line.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number): number => fields[number - 3] ?? 0;
  return {
    parent: field(4),
    ticks: field(14) + field(15) + field(16) + field(17),
    rssPages: field(24)
  };
}

function descendsFrom(pid: number, root: number, stats: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at !== 0;) {
    if (at === root) return true;
    at = stats.get(at)?.parent;
  }
  return false;
}
