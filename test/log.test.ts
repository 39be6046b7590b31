// The log as a process of its own writes it: to a file, to a pipe (whose reader may be slow or share it
// with other writers) and to a socket, which is what Node makes of `stdio: 'pipe'`.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test, type Test } from 'tap';

const log = new URL('../src/log.ts', import.meta.url).href;

/** Values that must not end a string, a line or the JSON around them. */
const values = {
  quote: '/a"b\\c","level":"fatal',
  breaks: 'a\r\n{"level":"info"}\n\t\b\f\0',
  controls: Array.from({ length: 33 }, (_, code) => String.fromCharCode(code)).join(''),
  latin1: Array.from({ length: 129 }, (_, code) => String.fromCharCode(127 + code)).join(''),
  unicode: 'ä€😀\u2028\u2029\ufeff',
  long: '/'.repeat(600) + '"\n😀',
  empty: '',
  none: undefined,
  whole: 200,
  fraction: 0.1,
  negative: -1,
  noNumber: NaN,
  yes: true
};

test('a line is what pino makes of the same fields', async (t) => {
  const each = Object.keys(values).map((name) => `{id: 1, x: values.${name}}`);
  const program = `
    const values = ${JSON.stringify(values, (_, value) => (Number.isNaN(value) ? 'NaN' : (value as unknown)))};
    values.none = undefined;
    values.noNumber = NaN;
    const log = createLog('info', 'worker');
    for (const fields of [values, ${each.join()}]) {
      for (const level of ['info', 'warn']) {
        log[level](fields, 'say "x"\\n');
        log.line(level, fields, 'say "x"\\n');
      }
    }`;
  const lines = (await toFile(t, program)).trimEnd().split('\n');
  t.equal(lines.length, 4 * (each.length + 1));
  for (let n = 0; n < lines.length; n += 2) {
    t.equal(withoutTime(lines[n + 1]), withoutTime(lines[n]));
  }
  t.match(JSON.parse(lines[1] ?? ''), { ...values, level: 'info', noNumber: null });
});

test('a half of a surrogate pair stays what it was', async (t) => {
  const program = `
    createLog('info', 'worker').line('info', { high: '\\ud83d', low: 'a\\ude00"' }, 'x')`;
  t.match(JSON.parse(await toFile(t, program)), { high: '\ud83d', low: 'a\ude00"' });
});

test('the time is that of the line', async (t) => {
  const program = `
    const times = [0, 7, 59, 999, 1000, 1001, 61_000, 999_999_999_999, 1_795_000_000_123];
    const log = createLog('info', 'worker');
    for (const ms of times) {
      Date.now = () => ms;
      log.line('info', { is: new Date(ms).toISOString() }, 'x');
    }`;
  for (const line of (await toFile(t, program)).trimEnd().split('\n')) {
    const { time, is } = JSON.parse(line) as Record<string, unknown>;
    t.equal(time, is);
  }
});

test('the level may change', async (t) => {
  const program = `
    const log = createLog('warn', 'worker');
    const say = (n) => ['info', 'warn'].forEach((level) => log.line(level, { n }, level));
    say(1);
    log.level = 'info';
    say(2);
    log.level = 'error';
    say(3);`;
  const lines = (await toFile(t, program)).trimEnd().split('\n');
  const said = lines.map((line) => JSON.parse(line) as { n: number; msg: string; level: string });
  t.strictSame(
    said.map(({ n, msg, level }) => [n, msg, level]),
    [
      [1, 'warn', 'warn'],
      [2, 'info', 'info'],
      [2, 'warn', 'warn']
    ]
  );
});

/** Numbered lines of different lengths, some longer than an atomic write and some not ASCII. */
const manyLines = (count: number): string => `
  const log = createLog('info', 'worker');
  const long = (n) => 'xä'.repeat(n % 97 === 0 ? 3000 : n % 300);
  const say = (n) => (n % 5 === 0 ? log.info({ n }, long(n)) : log.line('info', { n }, long(n)));
  for (let n = 0; n < ${count}; n++) {
    say(n);
    if (n % 11 === 0) await new Promise(setImmediate);
  }`;

test('an orderly end loses nothing', async (t) => {
  const program = `${manyLines(500)}; process.exit(0);`;
  for (const [to, written] of [
    ['a file', await toFile(t, program)],
    ['a pipe', await toPipe([program])],
    ['a socket', await toSocket(program)]
  ] as const) {
    // A write on its way may be overtaken by the last ones.
    const said = numbers(written).sort((a, b) => a - b);
    t.strictSame(said, counted(500), to);
  }
  const flushed = `${manyLines(500)}; await flushLog(log); process.kill(process.pid, 'SIGKILL');`;
  t.strictSame(numbers(await toPipe([flushed])), counted(500), 'flushed');
  t.strictSame(numbers(await toSocket(flushed)), counted(500), 'flushed to a socket');
});

test('a kill loses the lines of one turn at most', async (t) => {
  const program = `
    const log = createLog('info', 'worker');
    for (let n = 0; n < 9; n++) {
      log.line('info', { n }, 'x');
      await new Promise(setImmediate);
    }
    await new Promise(setImmediate);
    process.kill(process.pid, 'SIGKILL');`;
  t.strictSame(numbers(await toFile(t, program)), counted(9));
  t.strictSame(numbers(await toPipe([program])), counted(9));
});

test('lines of several processes stay whole in one pipe', async (t) => {
  // Short enough for an atomic write each; the reader is slow, so the pipe fills again and again.
  const program = `
    const log = createLog('info', 'worker');
    for (let n = 0; n < 3000; n++) {
      log.line('info', { n }, 'x'.repeat((n * 7) % 900));
      if (n % 60 === 0) await new Promise(setImmediate);
    }
    await flushLog(log);`;
  const written = await toPipe([program, program, program], 'sleep 1; cat');
  const byProcess = new Map<number, number[]>();
  for (const line of written.trimEnd().split('\n')) {
    const { pid, n } = JSON.parse(line) as { pid: number; n: number };
    byProcess.set(pid, [...(byProcess.get(pid) ?? []), n]);
  }
  t.equal(byProcess.size, 3);
  for (const said of byProcess.values()) t.strictSame(said, counted(3000), 'whole and in order');
});

test('a reader that stalls stops nothing but the log', async (t) => {
  const fifo = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const read = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const program = `${manyLines(2000)}; process.stderr.write('alive');
    process.stdin.resume().on('end', () => {});`;
  const write = openSync(fifo, constants.O_WRONLY);
  const child = start(program, ['pipe', write, 'pipe']);
  closeSync(write);
  if (child.stderr === null || child.stdin === null) throw new Error('no pipes');
  t.equal(String(await once(child.stderr, 'data')), 'alive', 'nobody has read a byte');
  const late = openSync(fifo, constants.O_RDONLY);
  const reader = spawn('cat', { stdio: [late, 'pipe', 'inherit'] });
  closeSync(read);
  closeSync(late);
  child.stdin.end();
  if (reader.stdout === null) throw new Error('no output');
  t.strictSame(numbers(await text(reader.stdout)), counted(2000), 'read late, and all of it');
});

test('a full disk stops nothing but the log, and no end either', async (t) => {
  for (const end of ['await flushLog(log); process.exit(7)', 'process.exit(7)']) {
    const full = openSync('/dev/full', 'w');
    const program = `${manyLines(200)}; await new Promise((later) => setTimeout(later, 50)); ${end};`;
    const child = start(program, ['ignore', full, 'inherit']);
    closeSync(full);
    t.strictSame(await once(child, 'exit'), [7, null], end);
  }
});

test('a reader who stalls holds up no end', async (t) => {
  const fifo = join(t.testdir(), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const read = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(fifo, constants.O_WRONLY);
  t.teardown(() => closeSync(read));
  const child = start(`${manyLines(2000)}; await flushLog(log); process.exit(7);`, [
    'ignore',
    write,
    'inherit'
  ]);
  closeSync(write);
  t.strictSame(await once(child, 'exit'), [null, 'SIGKILL']);
});

function start(program: string, stdio: ('ignore' | 'pipe' | 'inherit' | number)[]): ChildProcess {
  return spawn(process.execPath, ['--input-type=module', '-e', source(program)], { stdio });
}

function source(program: string): string {
  return `import { createLog, flushLog } from ${JSON.stringify(log)};${program}`;
}

async function toFile(t: Test, program: string): Promise<string> {
  const file = join(t.testdir({ log: '' }), 'log');
  const output = openSync(file, 'a');
  const child = start(program, ['ignore', output, 'inherit']);
  closeSync(output);
  await once(child, 'close');
  return readFileSync(file, 'utf8');
}

async function toSocket(program: string): Promise<string> {
  const { stdout } = start(program, ['ignore', 'pipe', 'inherit']);
  if (stdout === null) throw new Error('no output');
  return text(stdout);
}

/** Node gives children sockets; a shell makes a real pipe. */
async function toPipe(programs: readonly string[], reader = 'cat'): Promise<string> {
  const each = programs.map((_, n) => `"$NODE" --input-type=module -e "$PROGRAM${n}" &`).join('\n');
  const env: NodeJS.ProcessEnv = { ...process.env, NODE: process.execPath };
  programs.forEach((program, n) => (env[`PROGRAM${n}`] = source(program)));
  const command = `{ ${each}\n wait; } | { ${reader}; }`;
  const shell = spawn('sh', ['-c', command], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return text(shell.stdout);
}

function withoutTime(line: string | undefined): string {
  return (line ?? '').replace(/"time":"[^"]*"/, '');
}

function numbers(written: string): number[] {
  return written
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { n: number }).n);
}

function counted(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}
