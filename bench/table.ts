// Rounds become one row a proxy: medians, and the ratios of rounds that stood side by side.

import type { Sample } from './load.ts';
import type { ProxyName } from './proxies.ts';

/** The samples of one proxy, in the order of the rounds. */
export type Rounds = ReadonlyMap<ProxyName, readonly Sample[]>;

export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Row {
  readonly proxy: ProxyName;
  readonly cpuUsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rssMb: number;
  /** CPU time per request divided by that of each other proxy, round by round. */
  readonly ratios: Readonly<Record<string, Ratio>>;
}

export function rowsOf(rounds: Rounds): Row[] {
  return [...rounds].map(([proxy, samples]) => ({
    proxy,
    cpuUsPerRequest: median(samples.map(cpuUs)),
    requestsPerSecond: median(samples.map((sample) => sample.requests / sample.seconds)),
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
    return other === undefined ? [] : [cpuUs(sample) / cpuUs(other)];
  });
  return { median: median(each), least: Math.min(...each), most: Math.max(...each) };
}

function cpuUs(sample: Sample): number {
  return (sample.cpuSeconds / sample.requests) * 1e6;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** A Markdown table, so that it can stand in a commit or in bench/README.md as it is. */
export function printTable(rows: readonly Row[]): string {
  const compared = (['haproxy', 'nginx'] as const).filter((name) =>
    rows.some((row) => row.proxy === name)
  );
  const head = [
    'proxy',
    'CPU us/request',
    ...compared.map((name) => `x ${name}`),
    'requests/s',
    'p50 ms',
    'p99 ms',
    'RSS MB'
  ];
  const cells = rows.map((row) => [
    row.proxy,
    row.cpuUsPerRequest.toFixed(1),
    ...compared.map((name) => printRatio(row.ratios[name])),
    row.requestsPerSecond.toFixed(0),
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
