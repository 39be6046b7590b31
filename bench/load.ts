// One round of load on one proxy, from a process of its own so that its CPU time stays apart.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readAccount } from './measure.ts';
import type { Place } from './place.ts';
import type { Proxy } from './proxies.ts';
import { answerBody, connections, requestHeaders, requestPaths } from './workload.ts';

export interface Sample {
  readonly requests: number;
  readonly seconds: number;
  /** Of all the proxy's processes. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Empty when every request was answered as it should be. */
  readonly failures: readonly string[];
}

export type LoadTool = 'autocannon' | 'wrk';

const run = promisify(execFile);
const autocannonRound = fileURLToPath(new URL('autocannon-round.ts', import.meta.url));

export function runLoad(
  tool: LoadTool,
  proxy: Proxy,
  place: Place,
  seconds: number
): Promise<Sample> {
  return tool === 'wrk' ? withWrk(proxy, place, seconds) : withAutocannon(proxy, seconds);
}

async function withAutocannon(proxy: Proxy, seconds: number): Promise<Sample> {
  const args = [autocannonRound, proxy.url, String(seconds), String(proxy.program.pid)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 20 });
  return JSON.parse(stdout) as Sample;
}

/** wrk gives no hook to start counting late: the opening of its connections is measured with it. */
async function withWrk(proxy: Proxy, place: Place, seconds: number): Promise<Sample> {
  const script = place.write('wrk.lua', wrkScript());
  const args = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '-s', script, proxy.url];
  const before = readAccount(proxy.program.pid);
  const { stdout } = await run('wrk', args);
  const after = readAccount(proxy.program.pid);
  const result = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{') + 1)) as WrkResult;
  const failures = Object.entries(result.failures)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  return {
    requests: result.requests,
    seconds: result.us / 1e6,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
    rssBytes: after.rssBytes,
    p50Ms: result.p50us / 1000,
    p99Ms: result.p99us / 1000,
    failures
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
