// What is kept of a run: every round as JSON, and a chart beside it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { chart } from './chart.ts';
import type { Sample } from './sample.ts';
import type { Settings } from './settings.ts';
import { summaryOf } from './summary.ts';
import type { Row } from './table.ts';

export interface Result {
  readonly scenario: string;
  readonly unit: string;
  /** What is compared, with its unit. */
  readonly cost: string;
  readonly rows: readonly Row[];
  readonly rounds: Readonly<Record<string, readonly Sample[]>>;
}

/** Returns the path of the JSON file; the chart is beside it. */
export function saveResults(
  { rounds, seconds, load }: Pick<Settings, 'rounds' | 'seconds' | 'load'>,
  results: readonly Result[]
): string {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const now = new Date().toISOString();
  const file = new URL(`${now.replaceAll(':', '-')}.json`, folder);
  const processors = cpus();
  const machine = {
    node: process.version,
    kernel: release(),
    processors: processors.length,
    model: processors[0]?.model
  };
  const summary = summaryOf(results);
  const whole = { machine, settings: { rounds, seconds, load }, summary, results };
  writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`);
  const title = `CPU time or memory, ratio to HAProxy; ${now.slice(0, 10)}, Node ${process.version}, ${rounds} rounds of ${seconds} s`;
  writeFileSync(new URL(file.href.replace(/json$/, 'svg')), chart(title, summary));
  return file.pathname;
}
