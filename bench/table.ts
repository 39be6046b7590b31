// Rounds become one row a proxy: medians, and the ratios of rounds that stood side by side.

import { proxyNames, type ProxyName, type Scenario } from './contest.ts';
import type { Sample } from './sample.ts';

/** The samples of one proxy, in the order of the rounds. */
export type Rounds = ReadonlyMap<ProxyName, readonly Sample[]>;

export interface Ratio {
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
  /** The cost divided by that of each other proxy, round by round. */
  readonly ratios: Readonly<Record<string, Ratio>>;
}

export function rowsOf(rounds: Rounds): Row[] {
  return [...rounds].map(([proxy, samples]) => ({
    proxy,
    cost: median(samples.map((sample) => sample.cost)),
    unitsPerSecond: median(samples.map((sample) => sample.units / sample.seconds)),
    p50Ms: median(samples.map((sample) => sample.p50Ms)),
    p99Ms: median(samples.map((sample) => sample.p99Ms)),
    rssMb: median(samples.map((sample) => sample.rssBytes / 1e6)),
    ratios: Object.fromEntries(
      [...rounds]
        .filter(([other]) => other !== proxy)
        .map(([other, others]) => [other, ratioOf(samples, others)])
    )
  }));
}

function ratioOf(samples: readonly Sample[], others: readonly Sample[]): Ratio {
  const each = samples.flatMap((sample, i) => {
    const other = others[i];
    return other === undefined ? [] : [sample.cost / other.cost];
  });
  return { median: median(each), least: Math.min(...each), most: Math.max(...each) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** A Markdown table, so that it can stand in a commit or in bench/README.md as it is. */
export function printTable(
  { unit, cost }: Pick<Scenario, 'unit' | 'cost'>,
  rows: readonly Row[]
): string {
  const compared = proxyNames.filter(
    (name) => name !== 'ballast' && rows.some((row) => row.proxy === name)
  );
  const head = [
    'proxy',
    cost,
    ...compared.map((name) => `x ${name}`),
    `${unit === 'MB' ? unit : `${unit}s`}/s`,
    'p50 ms',
    'p99 ms',
    'RSS MB'
  ];
  const cells = rows.map((row) => [
    row.proxy,
    row.cost.toFixed(1),
    ...compared.map((name) => printRatio(row.ratios[name])),
    row.unitsPerSecond.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.rssMb.toFixed(0)
  ]);
  const widths = head.map((name, i) =>
    Math.max(name.length, ...cells.map((row) => row[i]?.length ?? 0))
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...cells.map(line)].join('\n');
}

function printRatio(ratio: Ratio | undefined): string {
  if (ratio === undefined) return '';
  const [median, least, most] = [ratio.median, ratio.least, ratio.most].map((n) => n.toFixed(2));
  return `${median} (${least}-${most})`;
}
