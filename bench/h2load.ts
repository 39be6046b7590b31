// h2load (of nghttp2) as the one who sends small requests, by HTTP/1.1. It looks at statuses and counts
// bytes, but does not compare them; and as with wrk, the opening of its connections is measured too.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { LoadTarget } from './load.ts';
import { readAccount } from './measure.ts';
import type { Place } from './place.ts';
import { cpuUs, failuresOf, quantile, type Sample } from './sample.ts';
import { answerBody, connections, headers, requestPaths } from './workload.ts';

const run = promisify(execFile);

export async function withH2load(
  { url, pid, heads }: LoadTarget,
  place: Place,
  seconds: number
): Promise<Sample> {
  const log = place.write('h2load.log', '');
  const wholeSeconds = Math.ceil(seconds);
  // A Host of its own stands in each request already, that of the URL.
  const { Host: _, ...given } = headers[heads];
  const fields = Object.entries(given).flatMap(([k, v]) => ['-H', `${k}: ${v}`]);
  const timing = ['-t1', `-c${connections}`, `-D${wholeSeconds}`, `--log-file=${log}`];
  const urls = requestPaths.map((path) => new URL(path, url).href);
  const before = readAccount(pid);
  const { stdout } = await run('h2load', ['--h1', ...timing, ...fields, ...urls]);
  const after = readAccount(pid);
  const { units, failures } = readReport(stdout);
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  const timesMs = readTimes(readFileSync(log, 'latin1'));
  return {
    units,
    seconds: wholeSeconds,
    cpuSeconds,
    cost: cpuUs(cpuSeconds, units),
    rssBytes: after.rssBytes,
    p50Ms: quantile(timesMs, 0.5),
    p99Ms: quantile(timesMs, 0.99),
    failures
  };
}

/** What h2load prints at its end. */
export function readReport(text: string): Pick<Sample, 'units' | 'failures'> {
  const number = (pattern: RegExp): number => {
    const found = pattern.exec(text)?.[1];
    if (found === undefined) throw new Error(`h2load said:\n${text}`);
    return Number(found);
  };
  const units = number(/^requests: .* (\d+) done/m);
  // Requests in flight at the end are no failures, and part of their answers is counted.
  const [least, most] = [units, units + connections].map((n) => n * answerBody.length) as [
    number,
    number
  ];
  const bytes = number(/\((\d+)\) data$/m);
  const counts = {
    failed: number(/^requests: .* (\d+) failed/m),
    timeouts: number(/^requests: .* (\d+) timeout/m),
    'answers that are not 2xx': units - number(/^status codes: (\d+) 2xx/m),
    'bytes too few or too many': bytes < least || bytes > most ? Math.abs(bytes - least) : 0
  };
  return { units, failures: failuresOf(Object.entries(counts)) };
}

/** Milliseconds, sorted: the third column of the log is the time of an answer in microseconds. */
function readTimes(log: string): number[] {
  const times = log.split('\n').flatMap((line) => {
    const us = line.split('\t')[2];
    return us === undefined ? [] : [Number(us) / 1000];
  });
  return times.sort((a, b) => a - b);
}
