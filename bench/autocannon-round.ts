// One round of autocannon. Arguments: URL, seconds, pid of the proxy, kind of heads. Prints a Sample as a line of JSON.
// The first moments open the connections and do not count: the subject is keep-alive requests.

import autocannon, { type Result } from 'autocannon';
import { readAccount, type Account } from './measure.ts';
import { cpuUs, failuresOf, quantile, type Sample } from './sample.ts';
import { answerBody, connections, headers, requestPaths, type Heads } from './workload.ts';

const leadSeconds = 0.5;
const [url = '', seconds = '', pid = '', heads = ''] = process.argv.slice(2);
const proxy = Number(pid);
const times: number[] = [];
let begun: { readonly account: Account; readonly atMs: number } | undefined;

const load = autocannon(
  {
    url,
    connections,
    // Longer than needed: it is stopped by hand when the time is up.
    duration: Number(seconds) + leadSeconds + 5,
    timeout: 5,
    // How often it looks whether it was stopped.
    sampleInt: 50,
    headers: headers[heads as Heads],
    requests: requestPaths.map((path) => ({ method: 'GET', path })),
    servername: 'mail.example.com',
    verifyBody: (body) => body === answerBody
  },
  report
);
load.on('response', (_client, _status, _bytes, ms: number) => {
  if (begun !== undefined) times.push(ms);
});

let sample: Omit<Sample, 'failures'> | undefined;

setTimeout(() => {
  begun = { account: readAccount(proxy), atMs: performance.now() };
  setTimeout(finish, Number(seconds) * 1000);
}, leadSeconds * 1000);

function finish(): void {
  if (begun === undefined) throw new Error('the round ended before it began');
  const after = readAccount(proxy);
  const elapsedMs = performance.now() - begun.atMs;
  const sorted = times.toSorted((a, b) => a - b);
  const cpuSeconds = after.cpuSeconds - begun.account.cpuSeconds;
  sample = {
    units: times.length,
    seconds: elapsedMs / 1000,
    cpuSeconds,
    cost: cpuUs(cpuSeconds, times.length),
    rssBytes: after.rssBytes,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99)
  };
  (load as typeof load & { stop(): void }).stop();
}

function report(error: Error | null, result: Result): void {
  if (error !== null) throw error;
  if (sample === undefined) throw new Error('autocannon ended before its time');
  // autocannon reconnects without a word when a server closes: such a request stays unanswered.
  const unanswered = result.requests.sent - result.requests.total - connections;
  const counts = {
    errors: result.errors,
    timeouts: result.timeouts,
    'answers that are not 2xx': result.non2xx,
    'wrong bodies': result.mismatches,
    'requests never answered': Math.max(0, unanswered)
  };
  const whole: Sample = { ...sample, failures: failuresOf(Object.entries(counts)) };
  process.stdout.write(`${JSON.stringify(whole)}\n`);
}
