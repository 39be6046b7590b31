import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { parseStat, readAccount } from '../../bench/measure.ts';
import { cpuUs, type Sample } from '../../bench/sample.ts';
import { median, printTable, rowsOf, type Rounds } from '../../bench/table.ts';

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
