// The table of metrics in config/README.md. Run this file to write it anew; a test compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { families } from '../../src/primary/metric-families.ts';

export const readmeFile = new URL('../../config/README.md', import.meta.url);
const begin = '<!-- metrics: begin; made by node test/primary/metrics-table.ts -->\n';
const end = '<!-- metrics: end -->\n';

/** The README with its table made anew. */
export function withMetrics(readme: string): string {
  const [at, until] = [readme.indexOf(begin), readme.indexOf(end)];
  if (at === -1 || until === -1) throw new Error('the marks of the table are gone');
  const rows = Object.entries(families).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ') || '-'} | ${help} |`
  );
  const head = ['| metric | type | labels | meaning |', '| --- | --- | --- | --- |'];
  const table = [...head, ...rows].join('\n');
  return `${readme.slice(0, at + begin.length)}\n${table}\n\n${readme.slice(until)}`;
}

if (import.meta.main) writeFileSync(readmeFile, withMetrics(readFileSync(readmeFile, 'utf8')));
