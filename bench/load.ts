// One round of load on one proxy, from a process of its own so that its CPU time stays apart.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readAccount } from './measure.ts';
import type { Place } from './place.ts';
import { lastLine } from './program.ts';
import { cpuUs, failuresOf, type Sample } from './sample.ts';
import { answerBody, connections, requestHeaders, requestPaths } from './workload.ts';

export type LoadTool = 'autocannon' | 'wrk';

const run = promisify(execFile);
const autocannonRound = fileURLToPath(new URL('autocannon-round.ts', import.meta.url));

/** What is loaded: a URL, and the process whose time counts. */
export interface LoadTarget {
  readonly url: string;
  readonly pid: number;
}

export function runLoad(
  tool: LoadTool,
  target: LoadTarget,
  place: Place,
  seconds: number
): Promise<Sample> {
  return tool === 'wrk' ? withWrk(target, place, seconds) : withAutocannon(target, seconds);
}

async function withAutocannon({ url, pid }: LoadTarget, seconds: number): Promise<Sample> {
  const args = [url, String(seconds), String(pid)];
  return JSON.parse(await lastLine(autocannonRound, args)) as Sample;
}

/** wrk gives no hook to start counting late: the opening of its connections is measured with it. */
async function withWrk({ url, pid }: LoadTarget, place: Place, seconds: number): Promise<Sample> {
  const script = place.write('wrk.lua', wrkScript());
  const args = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', script, url];
  const before = readAccount(pid);
  const { stdout } = await run('wrk', args);
  const after = readAccount(pid);
  const result = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as WrkResult;
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  return {
    units: result.requests,
    seconds: result.us / 1e6,
    cpuSeconds,
    cost: cpuUs(cpuSeconds, result.requests),
    rssBytes: after.rssBytes,
    p50Ms: result.p50us / 1000,
    p99Ms: result.p99us / 1000,
    failures: failuresOf(Object.entries(result.failures))
  };
}

interface WrkResult {
  readonly requests: number;
  readonly us: number;
  readonly p50us: number;
  readonly p99us: number;
  readonly failures: Readonly<Record<string, number>>;
}

/** One thread, so globals of the script's thread can be read when all is done. */
function wrkScript(): string {
  const headers = Object.entries(requestHeaders).map(([name, value]) => `["${name}"]="${value}"`);
  return `local paths = { ${requestPaths.map((path) => `"${path}"`).join(', ')} }
local headers = { ${headers.join(', ')} }
local requests, turn, thread = {}, 0, nil
wrong = 0
function setup(t) thread = t end
function init()
  for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path, headers) end
end
function request() turn = turn % #requests + 1; return requests[turn] end
function response(status, _, body)
  if status ~= 200 or body ~= ${JSON.stringify(answerBody)} then wrong = wrong + 1 end
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"us":%d,"p50us":%d,"p99us":%d,"failures":{"wrong answers":%d,' ..
    '"connect errors":%d,"read errors":%d,"write errors":%d,"timeouts":%d}}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    thread:get("wrong"), e.connect, e.read, e.write, e.timeout))
end
`;
}
