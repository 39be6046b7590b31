// Rounds become one row a proxy: medians, and the ratios of rounds that stood side by side.

import { proxyNames, type ProxyName, type Scenario } from './contest.ts';
import type { Sample } from './sample.ts';

/** The samples of one proxy, in the order of the rounds. */
export type Rounds = ReadonlyMap<ProxyName, readonly Sample[]>;

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Row {
  readonly proxy: ProxyName;
  readonly cost: number;
  readonly unitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  /** Figures of the scenario alone, by the heads of their columns. */
  readonly more: Readonly<Record<string, Spread>>;
  /** The cost divided by that of each other proxy, round by round. */
  readonly ratios: Readonly<Record<string, Spread>>;
}

export function rowsOf(rounds: Rounds): Row[] {
  return [...rounds].map(([proxy, samples]) => ({
    proxy,
    cost: median(samples.map((sample) => sample.cost)),
    unitsPerSecond: median(samples.map((sample) => sample.units / sample.seconds)),
    p50Ms: median(samples.map((sample) => sample.p50Ms)),
    p99Ms: median(samples.map((sample) => sample.p99Ms)),
    rssMb: median(samples.map((sample) => sample.rssBytes / 1e6)),
    more: Object.fromEntries(
      Object.keys(samples[0]?.more ?? {}).map((name) => [
        name,
        spreadOf(samples.map((sample) => sample.more?.[name] ?? Number.NaN))
      ])
    ),
    ratios: Object.fromEntries(
      [...rounds]
        .filter(([other]) => other !== proxy)
        .map(([other, others]) => [other, ratioOf(samples, others)])
    )
  }));
}

function ratioOf(samples: readonly Sample[], others: readonly Sample[]): Spread {
  const each = samples.flatMap((sample, i) => {
    const other = others[i];
    return other === undefined ? [] : [sample.cost / other.cost];
  });
  return spreadOf(each);
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

export function printTable(
  { unit, cost }: Pick<Scenario, 'unit' | 'cost'>,
  rows: readonly Row[]
): string {
  const compared = proxyNames.filter(
    (name) => name !== 'ballast' && rows.some((row) => row.proxy === name)
  );
  const more = Object.keys(rows[0]?.more ?? {});
  const head = [
    'proxy',
    cost,
    ...compared.map((name) => `x ${name}`),
    ...more,
    `${unit === 'MB' ? unit : `${unit}s`}/s`,
    'p50 ms',
    'p99 ms',
    'RSS MB'
  ];
  const cells = rows.map((row) => [
    row.proxy,
    row.cost.toFixed(1),
    ...compared.map((name) => printSpread(row.ratios[name], 2)),
    ...more.map((name) => printSpread(row.more[name], 0)),
    row.unitsPerSecond.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.rssMb.toFixed(0)
  ]);
  return markdown(head, cells);
}

/** Aligned, so that it can be read in a terminal and stand in a commit as it is. */
export function markdown(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const widths = head.map((name, i) =>
    Math.max(name.length, 3, ...cells.map((row) => row[i]?.length ?? 0))
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...cells.map(line)].join('\n');
}

/** The median, and in brackets the least and the most. */
export function printSpread(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '';
  const { median, least, most } = spread;
  const [middle, low, high] = [median, least, most].map((n) => n.toFixed(digits));
  return `${middle} (${low}-${high})`;
}
