// An access log that misses requests would have cost less, so its lines are counted.

import { readFileSync, truncateSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sample } from './sample.ts';

/** What a proxy still holds back when the load is over is waited for as long as this. */
const logTimeMs = 3000;

export async function withLog(
  logFile: string,
  load: () => Promise<Sample>,
  timeMs = logTimeMs
): Promise<Sample> {
  truncateSync(logFile);
  const sample = await load();
  const over = performance.now() + timeMs;
  let lines = countLines(logFile);
  while (lines < sample.units && performance.now() < over) {
    await delay(100);
    lines = countLines(logFile);
  }
  if (lines >= sample.units) return sample;
  const missing = `${sample.units - lines} requests missing in the access log`;
  return { ...sample, failures: [...sample.failures, missing] };
}

function countLines(file: string): number {
  const bytes = readFileSync(file);
  let lines = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}
