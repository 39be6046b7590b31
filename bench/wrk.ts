// wrk as the one who sends small requests.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { LoadTarget } from './load.ts';
import { readAccount } from './measure.ts';
import type { Place } from './place.ts';
import { cpuUs, failuresOf, type Sample } from './sample.ts';
import { answerBody, connections, headers, requestPaths, type Heads } from './workload.ts';

const run = promisify(execFile);

/** wrk gives no hook to start counting late: the opening of its connections is measured with it. */
export async function withWrk(
  { url, pid, heads }: LoadTarget,
  place: Place,
  seconds: number
): Promise<Sample> {
  const script = place.write('wrk.lua', wrkScript(heads));
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
function wrkScript(heads: Heads): string {
  const fields = Object.entries(headers[heads]).map(([name, value]) => `["${name}"]="${value}"`);
  return `local paths = { ${requestPaths.map((path) => `"${path}"`).join(', ')} }
local headers = { ${fields.join(', ')} }
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
