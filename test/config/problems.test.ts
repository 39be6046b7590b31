// What is wrong with a configuration is told in one go, with its place, and nothing ever throws.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadConfiguration } from '../../src/config/load.ts';
import { isMisspelt, nearest } from '../../src/config/nearest.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { noSuchHost, problemsOf } from './support.ts';

const badFolder = fileURLToPath(new URL('bad', import.meta.url));
const options = { writable: false, resolve: noSuchHost };

async function judge(file: string): Promise<string[]> {
  const loaded = await loadConfiguration(file, options);
  return 'problems' in loaded ? loaded.problems.map(formatProblem) : [];
}

t.test('each file in bad/ has the problems that its first lines name', async (t) => {
  const files = readdirSync(badFolder).filter((name) => name.endsWith('.yaml'));
  t.ok(files.length >= 100, `${files.length} files`);
  for (const name of files) {
    const file = join(badFolder, name);
    const lines = readFileSync(file, 'utf8').split('\n');
    const end = lines.findIndex((line) => !line.startsWith('# '));
    const expected = lines.slice(0, end).map((line) => `${file}:${line.slice(2)}`);
    t.ok(expected.length > 0, `${name} expects something`);
    const shown = (await judge(file)).map((line) =>
      line.startsWith(`${file}:`)
        ? `${file}:${line.slice(file.length + 1).replaceAll(badFolder, 'DIR')}`
        : line
    );
    t.same(shown, expected, name);
  }
});

t.test('a problem is one line of the form that the contract gives', async (t) => {
  for (const name of ['name-with-control.yaml', 'persist.yaml', 'rule-pattern.yaml']) {
    for (const line of await judge(join(badFolder, name))) {
      t.match(line, /^[^:\n]+\.yaml:[1-9][0-9]*:[1-9][0-9]* [^ ]+: [^\n]+; [^\n]+$/);
    }
  }
  const raw = { file: 'f', line: 1, column: 2, path: 'a\u0007', message: 'x\n\u0085y; z' };
  t.equal(formatProblem(raw), 'f:1:2 a\\u0007: x\\u000a\\u0085y; z');
});

t.test('files that cannot be read', async (t) => {
  const folder = t.testdir({
    'empty.yaml': '',
    'comments.yaml': '# nothing\n',
    'latin1.yaml': Buffer.from([0x61, 0x3a, 0x20, 0xe4, 0x0a]),
    'large.yaml': `# ${'x'.repeat(4 * 1024 * 1024)}\n`,
    'deep.yaml': '['.repeat(3000),
    'deep-map.yaml': Array.from({ length: 60 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
    'bomb.yaml': bomb()
  });
  const first = async (name: string) =>
    (await judge(join(folder, name)))[0]?.replace(`${folder}/`, '').replaceAll(folder, 'DIR');
  const none = 'virtualServices: there are none; add virtualServices, [] for none on purpose';
  t.equal(await first('empty.yaml'), `empty.yaml:1:1 ${none}`);
  t.equal(await first('comments.yaml'), `comments.yaml:1:1 ${none}`);
  t.match(await first('latin1.yaml'), /^latin1\.yaml:1:1 file: .* is not UTF-8; save it as UTF-8$/);
  t.match(await first('large.yaml'), /longer than 4 MiB; use a smaller file$/);
  t.match(await first('deep.yaml'), /nested too deeply; nest no more than 32 levels$/);
  t.match(await first('deep-map.yaml'), /nested too deeply; nest no more than 32 levels$/);
  t.match(await first('bomb.yaml'), /there are more than 200000 values; use fewer aliases$/);
  t.match(await first('gone.yaml'), /^gone\.yaml:1:1 file: .*it does not exist; correct the path/);
  t.match((await judge(folder))[0], /:1:1 file: .*it is a directory; name a file$/);
});

/** Nine levels of ten aliases each: a thousand million values. */
function bomb(): string {
  const lines = ['a0: &a0 x'];
  for (let i = 1; i < 10; i++) {
    lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`);
  }
  return `${lines.join('\n')}\n`;
}

t.test('the nearest word', async (t) => {
  const words = ['schedule', 'subVSs', 'checkUrl', 'checkUseGet', 'idleTime'];
  t.equal(nearest('shedule', words), 'schedule');
  t.equal(nearest('chekcurl', words), 'checkUrl');
  t.equal(nearest('SUBVS', words), 'subVSs');
  t.equal(nearest('timeIdle', ['idle', 'time']), 'idle', 'the first of the nearest');
  t.equal(nearest('x', []), undefined);
  const names = ['HTTPS Offloaded', 'HTTPS Offloaded with ESP', 'SMTPS', 'SMTP with ESP'];
  t.equal(nearest('https esp', names), 'HTTPS Offloaded with ESP', 'words before letters');
  t.equal(nearest('HTTPS Offload', names), 'HTTPS Offloaded');
  t.ok(isMisspelt('ssoDomain', 'ssoDomains'));
  t.ok(isMisspelt('SHEDUEL', 'schedule'));
  t.notOk(isMisspelt('path', 'name'));
  t.notOk(isMisspelt('pat', 'port'), 'of four letters two are half');
});

t.test('whatever the text, problems come and no exception', async (t) => {
  const folder = t.testdir({});
  const seeds = readdirSync(badFolder).map((name) => readFileSync(join(badFolder, name), 'utf8'));
  const parts = seeds.flatMap((seed) => seed.split(/(?<=[\s:,[\]{}])/)).concat(strange);
  const random = generator(20160);
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    let text = pick(seeds, random);
    for (let edits = 1 + Math.floor(random() * 6); edits > 0; edits--) {
      const from = Math.floor(random() * text.length);
      const to = from + Math.floor(random() * 12);
      text = `${text.slice(0, from)}${pick(parts, random)}${text.slice(to)}`;
    }
    const problems = await problemsOf(folder, text).catch((error: unknown) => {
      t.fail('it threw', { error, text });
      return [];
    });
    refused += Number(problems.length > 0);
  }
  t.ok(refused > 300, `${refused} of 400 were refused`);
});

const strange = [
  '\t',
  '\0',
  '&a ',
  '*a ',
  '!x ',
  '? ',
  '- ',
  '---\n',
  '|\n',
  "'",
  '"',
  '{',
  '[',
  '<<: '
];

/** Mulberry32: the same texts every time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pick(list: readonly string[], random: () => number): string {
  return list[Math.floor(random() * list.length)] ?? '';
}
