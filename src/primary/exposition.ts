// The text format of Prometheus, version 0.0.4.

import { latencyBoundsMs, type Latency } from '../counters.ts';

export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

export interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
}

/** Labels as `labelText` makes them, and the value. */
export type Sample = readonly [labels: string, value: number];

/** Names are the program's own, values are an administrator's and may hold anything. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escapeChar)}"`)
    .join(',');
}

export function writeFamily(
  name: string,
  { type, help }: Family,
  samples: readonly Sample[]
): string {
  if (samples.length === 0) return '';
  const lines = samples.map(([labels, value]) => sample(name, labels, value));
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

export function writeHistogram(
  name: string,
  { type, help }: Family,
  samples: readonly (readonly [labels: string, latency: Latency])[]
): string {
  if (samples.length === 0) return '';
  const lines = samples.map(([labels, latency]) => histogram(name, labels, latency));
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** Buckets of the format are cumulative, and times are in seconds. */
function histogram(name: string, labels: string, { buckets, sumMs }: Latency): string {
  let lines = '';
  let count = 0;
  buckets.forEach((inBucket, n) => {
    count += inBucket;
    const boundMs = latencyBoundsMs[n];
    const bound = boundMs === undefined ? '+Inf' : String(boundMs / 1000);
    lines += sample(`${name}_bucket`, `${labels},le="${bound}"`, count);
  });
  return `${lines}${sample(`${name}_sum`, labels, sumMs / 1000)}${sample(`${name}_count`, labels, count)}`;
}

function sample(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${value}\n` : `${name}{${labels}} ${value}\n`;
}

function escapeChar(char: string): string {
  return char === '\n' ? '\\n' : `\\${char}`;
}
