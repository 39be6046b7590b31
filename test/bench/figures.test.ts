import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { parseStat, readAccount } from '../../bench/measure.ts';
import { cpuUs, type Sample } from '../../bench/sample.ts';
import { chart } from '../../bench/chart.ts';
import { printSummary, summaryOf, verdictOf } from '../../bench/summary.ts';
import { median, printTable, rowsOf, type Rounds } from '../../bench/table.ts';
import { targets } from '../../bench/targets.ts';
import { readReport } from '../../bench/h2load.ts';
import { answerBody } from '../../bench/workload.ts';
import { httpScenarios } from '../../bench/http/scenarios.ts';
import { relayScenarios } from '../../bench/relay/scenarios.ts';

const sample = (cpuSeconds: number, units: number): Sample => ({
  units,
  seconds: 2,
  cpuSeconds,
  cost: cpuUs(cpuSeconds, units),
  rssBytes: 50e6,
  p50Ms: 1.234,
  p99Ms: 5,
  failures: []
});

t.test('a process name cannot shift the fields of its stat line', async (t) => {
  const fields = Array.from({ length: 30 }, (_, i) => String(i + 4));
  t.strictSame(parseStat(`7 (a) R (b) S ${fields.join(' ')}\n`), {
    parent: 4,
    ticks: 14 + 15 + 16 + 17,
    rssPages: 24
  });
});

t.test('the account of a process holds that of its living and of its ended children', async (t) => {
  const burn = 'const end = process.cpuUsage().user + 2e5; while (process.cpuUsage().user < end);';
  const before = readAccount(process.pid);
  const script = `${burn} process.stdout.write('x'); process.stdin.resume()`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const during = readAccount(process.pid);
  t.ok(during.cpuSeconds - before.cpuSeconds >= 0.19, 'a living child counts');
  t.ok(during.rssBytes > before.rssBytes);
  child.stdin.end();
  await once(child, 'close');
  const after = readAccount(process.pid);
  t.ok(after.cpuSeconds - before.cpuSeconds >= 0.19, 'an ended child still counts');
  t.equal(after.processes, before.processes);
  t.throws(() => readAccount(child.pid ?? 0), /is gone/);
});

t.test('rows hold medians, and ratios of the rounds side by side', async (t) => {
  const rounds: Rounds = new Map([
    ['ballast', [sample(3, 100_000), sample(4, 100_000), sample(6, 100_000)]],
    ['haproxy', [sample(2, 100_000), sample(4, 100_000), sample(3, 100_000)]]
  ]);
  const [ballast, haproxy] = rowsOf(rounds);
  t.match(ballast, { proxy: 'ballast', unitsPerSecond: 50_000, rssMb: 50 });
  t.match(ballast?.cost.toFixed(6), '40.000000');
  t.strictSame(ballast?.ratios, { haproxy: { median: 1.5, least: 1, most: 2 } });
  t.equal(haproxy?.ratios['ballast']?.most, 1);
  t.equal(
    printTable({ unit: 'request', cost: 'CPU us/request' }, rowsOf(rounds)),
    [
      '| proxy   | CPU us/request | x haproxy        | requests/s | p50 ms | p99 ms | RSS MB |',
      '| ------- | -------------- | ---------------- | ---------- | ------ | ------ | ------ |',
      '| ballast | 40.0           | 1.50 (1.00-2.00) | 50000      | 1.23   | 5.00   | 50     |',
      '| haproxy | 30.0           |                  | 50000      | 1.23   | 5.00   | 50     |'
    ].join('\n')
  );
  t.equal(median([4, 1, 3, 2]), 2.5);
});

t.test('figures of one scenario alone get columns of their own, with their spread', async (t) => {
  const lost = (count: number): Sample => ({ ...sample(1, 10), more: { 'lost requests': count } });
  const rows = rowsOf(new Map([['ballast', [lost(0), lost(7), lost(0)]]]));
  t.strictSame(rows[0]?.more, { 'lost requests': { median: 0, least: 0, most: 7 } });
  t.match(
    printTable({ unit: 'request', cost: 'CPU us/request' }, rows),
    /lost requests .* 0 \(0-7\)/s
  );
});

t.test('a goal is held as printed', async (t) => {
  const goal = { must: 1.15, aim: 0.95 };
  t.equal(verdictOf(0.95, goal), 'aim');
  t.equal(verdictOf(0.956, goal), 'must');
  t.equal(verdictOf(1.154, goal), 'must');
  t.equal(verdictOf(1.156, goal), 'missed');
  t.equal(verdictOf(9, undefined), undefined);
  t.equal(verdictOf(undefined, goal), undefined, 'without HAProxy nothing is held or missed');
});

t.test('every goal is that of a scenario', async (t) => {
  const names = [...httpScenarios, ...relayScenarios].map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  for (const [name, { must, aim }] of Object.entries(targets)) {
    t.ok(names.includes(name), name);
    t.ok(aim < must, name);
  }
});

const results = [
  {
    scenario: 'plain',
    cost: 'CPU us/request',
    rows: rowsOf(
      new Map([
        ['ballast', [sample(2, 100_000), sample(4, 100_000)]],
        ['haproxy', [sample(2, 100_000), sample(2, 100_000)]],
        ['nginx', [sample(1, 100_000), sample(1, 100_000)]]
      ])
    )
  },
  {
    scenario: '<alone>',
    cost: 'CPU us/session',
    rows: rowsOf(new Map([['ballast', [sample(1, 1)]]]))
  }
];

t.test('the summary puts the goals beside the ratios', async (t) => {
  t.equal(
    printSummary(results),
    [
      '| scenario | cost           | ballast   | haproxy | nginx | x haproxy        | x nginx          | must | aim  | holds  |',
      '| -------- | -------------- | --------- | ------- | ----- | ---------------- | ---------------- | ---- | ---- | ------ |',
      '| plain    | CPU us/request | 30.0      | 20.0    | 10.0  | 1.50 (1.00-2.00) | 3.00 (2.00-4.00) | 1.15 | 0.95 | MISSED |',
      '| <alone>  | CPU us/session | 1000000.0 |         |       |                  |                  |      |      |        |'
    ].join('\n')
  );
});

t.test('the chart has a bar for each proxy beside HAProxy, marks, and the line at 1', async (t) => {
  const svg = chart('A & B', summaryOf(results));
  t.match(svg, '<title>A &amp; B</title>');
  const x = (ratio: number): number => 170 + (ratio / 2) * 620;
  t.match(svg, `d="M${x(1)} 78V`, 'the line at 1');
  const widths = [...svg.matchAll(/<rect x="170" y="[\d.]+" width="([\d.]+)" height="8"/g)];
  t.strictSame(
    widths.map(([, width]) => Number(width)),
    [x(1.5), x(0.5)].map((end) => end - 170),
    'ballast and nginx, in this scale'
  );
  t.match(svg, `M${x(1)} 88.5H${x(2)}"`, 'the spread');
  t.match(svg, `M${x(1.15)} `, 'must');
  t.match(svg, `M${x(0.95)} `, 'aim');
  t.notMatch(svg, 'alone', 'nothing to compare, nothing to draw');
  t.notMatch(svg, /NaN|Infinity|undefined/);
  t.notMatch(chart('empty', []), /NaN|Infinity|undefined/);
});

t.test('a report of h2load is read, and what went wrong in it seen', async (t) => {
  const report = (done: number, good: number, bytes: number): string =>
    `requests: ${done} total, 119 started, ${done} done, ${good} succeeded, ${done - good} failed, 0 errored, 0 timeout
status codes: ${good} 2xx, 0 3xx, 0 4xx, ${done - good} 5xx
traffic: 6.40MB (6711566) total, 3.17MB (3328452) headers (space savings 0.00%), 2.09MB (${bytes}) data
`;
  const bytes = 100 * answerBody.length;
  t.strictSame(readReport(report(100, 100, bytes)), { units: 100, failures: [] });
  t.strictSame(readReport(report(100, 100, bytes + 999)).failures, [], 'some were in flight');
  t.match(readReport(report(100, 98, bytes)).failures, ['2 failed', '2 answers that are not 2xx']);
  t.match(readReport(report(100, 100, bytes - 1)).failures, ['1 bytes too few or too many']);
  t.throws(() => readReport('it crashed'), /it crashed/);
});
