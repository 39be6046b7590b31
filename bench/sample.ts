// What one round of one proxy gives, whatever the work was.

export interface Sample {
  /** How much was done, in the scenario's unit: requests, messages, MB, sessions. */
  readonly units: number;
  readonly seconds: number;
  /** Of all the proxy's processes. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** What proxies are compared by, per unit: microseconds of CPU time, or KB of memory. */
  readonly cost: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Figures of this scenario alone, by the heads of their columns. */
  readonly more?: Readonly<Record<string, number>>;
  /** Empty when every answer was as it should be. */
  readonly failures: readonly string[];
}

export function cpuUs(cpuSeconds: number, units: number): number {
  return (cpuSeconds / units) * 1e6;
}

/** `sorted` ascending; 0 where there is nothing. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(sorted.length * share)] ?? 0;
}

/** The kinds that did happen, as words. */
export function failuresOf(counts: Iterable<readonly [kind: string, count: number]>): string[] {
  return [...counts].filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`);
}
