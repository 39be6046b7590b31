// Holds the floors of src/README.md: who may import whom, one door for each dependency, names and
// sizes. Every violation reads `file:line: x is banned, use y`.

import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import t from 'tap';

/** Ground floor first. A room is a folder of src or one of the files beside them. */
const floors: readonly (readonly string[])[] = [
  ['error.ts', 'log.ts', 'net'],
  ['tls', 'http1', 'line', 'counters.ts'],
  ['scheduler', 'persistence', 'content-rule', 'health-check', 'dialect', 'gate', 'directory'],
  ['config'],
  ['service'],
  ['traffic'],
  ['messages.ts'],
  ['primary', 'worker'],
  ['lab'],
  ['main.ts']
];

/** The primary decides and never touches traffic, although both stand below it. */
const walls: Readonly<Record<string, readonly string[]>> = { primary: ['traffic', 'service'] };

const doors: Readonly<Record<string, string>> = {
  pino: 'log.ts',
  yaml: 'config/yaml.ts',
  'ipaddr.js': 'net/address.ts',
  'node-forge': 'tls/certificate.ts',
  re2js: 'content-rule/pattern.ts',
  ldapts: 'directory/ldap.ts'
};

/** Files of a room of kinds that are not kinds themselves; all others stand in its registry.ts. */
const notKinds: Readonly<Record<string, readonly string[]>> = {
  persistence: [
    'persistence.ts',
    'registry.ts',
    'records.ts',
    'digest.ts',
    'own-cookie.ts',
    'cookie-text.ts'
  ],
  scheduler: ['scheduler.ts', 'registry.ts', 'hash.ts', 'slow-start.ts'],
  'health-check': [
    'health-check.ts',
    'health.ts',
    'http-answer.ts',
    'mail-server.ts',
    'quote.ts',
    'registry.ts',
    'start-tls.ts'
  ],
  dialect: [
    'dialect.ts',
    'registry.ts',
    'recipients.ts',
    'imap-dialogue.ts',
    'imap-server-lines.ts',
    'pop3-dialogue.ts',
    'smtp-dialogue.ts',
    'smtp-filter.ts',
    'smtp-replies.ts'
  ]
};

const drawers = new Set(
  'util utils helper helpers common misc manager managers factory factories'.split(' ')
);

const linesMax = 400;

/** Path below src -> text. */
type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly line: number;
  readonly module: string;
  /** Path below src; undefined for Node's own modules and dependencies. */
  readonly file: string | undefined;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
}

function findViolations(sources: Sources): string[] {
  return [...sources].flatMap(([file, text]) => {
    const imports = findImports(file, text);
    return [
      ...imports.flatMap((one) => judgeImport(file, one)),
      ...judgeReach(file, imports, sources),
      ...judgeNames(file, text),
      ...judgeRegistry(file, sources),
      ...judgeSize(file, text)
    ];
  });
}

function judgeImport(file: string, { line, module, file: target }: Import): string[] {
  const at = `src/${file}:${line}`;
  if (target === undefined) {
    if (module.startsWith('node:')) return [];
    const door = doors[module];
    if (door === undefined) {
      return [`${at}: ${module} is banned, use Node's own modules or give it a door in this test`];
    }
    return door === file ? [] : [`${at}: ${module} is banned, use src/${door}`];
  }
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return [];
  const [fromFloor, toFloor] = [floorOf(from), floorOf(to)];
  if (fromFloor === -1 || toFloor === -1) {
    return [`${at}: ${fromFloor === -1 ? from : to} is banned, use a room that has a floor`];
  }
  if (toFloor > fromFloor) {
    return [`${at}: ${to} above ${from} is banned, use a room below or pass the value down`];
  }
  if (toFloor === fromFloor) {
    return [`${at}: ${to} beside ${from} is banned, use a room below both`];
  }
  if (walls[from]?.includes(to) === true) {
    return [`${at}: ${to} in ${from} is banned, use messages.ts`];
  }
  return [];
}

/**
 * worker/ reads no file and no YAML, not even through another room: plans come by message. It writes
 * the log, which asks for node:fs itself to know what standard output is.
 */
function judgeReach(file: string, imports: readonly Import[], sources: Sources): string[] {
  if (roomOf(file) !== 'worker') return [];
  return imports.flatMap((one) => {
    const way = wayToFiles(one, sources, new Set());
    if (way === undefined) return [];
    const by = way.length > 1 ? ` (by way of ${way.slice(0, -1).join(', ')})` : '';
    return [
      `src/${file}:${one.line}: ${way.at(-1)}${by} is banned, use what the plan of messages.ts brings`
    ];
  });
}

function wayToFiles(one: Import, sources: Sources, seen: Set<string>): string[] | undefined {
  if (one.typeOnly) return undefined;
  if (/^(node:)?fs(\/|$)|^yaml$/.test(one.module)) return [one.module];
  if (one.file === undefined || seen.has(one.file)) return undefined;
  seen.add(one.file);
  for (const next of findImports(one.file, sources.get(one.file) ?? '')) {
    if (one.file === 'log.ts' && next.module === 'node:fs') continue;
    const way = wayToFiles(next, sources, seen);
    if (way !== undefined) return [one.file, ...way];
  }
  return undefined;
}

function judgeNames(file: string, text: string): string[] {
  const words = file.replace(/\.ts$/, '').split(/[/-]/);
  const drawer = words.find((word) => drawers.has(word));
  const found =
    drawer === undefined
      ? []
      : [`src/${file}:1: the name ${drawer} is banned, use the word for what the file does`];
  text.split('\n').forEach((line, i) => {
    const name =
      /^\s*(?:export )?(?:abstract )?class (\w*(?:Manager|Factory|Helper|Utils?))\b/.exec(
        line
      )?.[1];
    if (name !== undefined) {
      found.push(`src/${file}:${i + 1}: class ${name} is banned, use the word for what it does`);
    }
    if (/^export default\b|^export \{.*\bas default\b/.test(line)) {
      found.push(`src/${file}:${i + 1}: export default is banned, use a named export`);
    }
  });
  return found;
}

function judgeRegistry(file: string, sources: Sources): string[] {
  const room = roomOf(file);
  const name = posix.basename(file);
  const others = notKinds[room];
  if (others === undefined || others.includes(name)) return [];
  const registry = `${room}/registry.ts`;
  const named = findImports(registry, sources.get(registry) ?? '').some((one) => one.file === file);
  return named
    ? []
    : [`src/${file}:1: a kind without a name is banned, use a line in src/${registry}`];
}

function judgeSize(file: string, text: string): string[] {
  const lines = text.replace(/\n$/, '').split('\n').length;
  return lines > linesMax
    ? [`src/${file}:${linesMax + 1}: a file of ${lines} lines is banned, use two files`]
    : [];
}

/** Imports, exports from elsewhere and dynamic imports; comments do not count. */
function findImports(file: string, text: string): Import[] {
  const pattern =
    /^[ \t]*(import|export)\s+(type\s)?(?:[\w*${},\s]+?from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...text.matchAll(pattern)]
    .filter((match) => !isComment(text, match.index))
    .map((match) => {
      const module = match[3] ?? match[4] ?? '';
      return {
        line: text.slice(0, match.index).split('\n').length,
        module,
        file: module.startsWith('.') ? posix.join(posix.dirname(file), module) : undefined,
        typeOnly: match[2] !== undefined
      };
    });
}

function isComment(text: string, index: number): boolean {
  const start = text.lastIndexOf('\n', index - 1) + 1;
  const end = text.indexOf('\n', index);
  return /^\s*(\/\/|\/?\*)/.test(text.slice(start, end === -1 ? undefined : end));
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file;
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room));
}

t.test('src keeps to its floors', async (t) => {
  const folder = new URL('../src/', import.meta.url);
  const sources = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, readFileSync(new URL(file, folder), 'utf8')])
  );
  t.ok(sources.has('messages.ts') && sources.size > 10, 'the sources were found');
  for (const violation of findViolations(sources)) t.fail(violation);
});

t.test('each rule finds what it is for', async (t) => {
  const cases: readonly (readonly [name: string, files: Record<string, string>, want: string])[] = [
    [
      'upwards',
      { 'tls/a.ts': "\nimport type { A } from '../config/model.ts';\n" },
      'src/tls/a.ts:2: config above tls is banned, use a room below or pass the value down'
    ],
    [
      'sideways, over several lines',
      { 'tls/a.ts': "import {\n  A,\n  B\n} from '../http1/head.ts';\n" },
      'src/tls/a.ts:1: http1 beside tls is banned, use a room below both'
    ],
    [
      'the wall before traffic',
      { 'primary/a.ts': "export { x } from '../traffic/relay.ts';\n" },
      'src/primary/a.ts:1: traffic in primary is banned, use messages.ts'
    ],
    [
      'a dynamic import',
      { 'primary/a.ts': "const x = await import('../worker/worker.ts');\n" },
      'src/primary/a.ts:1: worker beside primary is banned, use a room below both'
    ],
    [
      'a room that nobody knows',
      { 'plugins/a.ts': "import { x } from '../error.ts';\n" },
      'src/plugins/a.ts:1: plugins is banned, use a room that has a floor'
    ],
    [
      'a file read by the worker',
      { 'worker/a.ts': "import { readFile } from 'node:fs/promises';\n" },
      'src/worker/a.ts:1: node:fs/promises is banned, use what the plan of messages.ts brings'
    ],
    [
      'YAML read by the worker through another room',
      {
        'worker/a.ts': "import { load } from '../config/load.ts';\n",
        'config/load.ts': "import { parse } from './yaml.ts';\n",
        'config/yaml.ts': "import { parseDocument } from 'yaml';\n"
      },
      'src/worker/a.ts:1: yaml (by way of config/load.ts, config/yaml.ts) is banned, ' +
        'use what the plan of messages.ts brings'
    ],
    [
      'a second door',
      { 'primary/a.ts': "import { pino } from 'pino';\n" },
      'src/primary/a.ts:1: pino is banned, use src/log.ts'
    ],
    [
      'a dependency without a door',
      { 'net/a.ts': "import 'lodash';\n" },
      "src/net/a.ts:1: lodash is banned, use Node's own modules or give it a door in this test"
    ],
    [
      'a drawer',
      { 'net/socket-utils.ts': '' },
      'src/net/socket-utils.ts:1: the name utils is banned, use the word for what the file does'
    ],
    [
      'a manager',
      { 'net/a.ts': '\nexport class SocketManager {}\n' },
      'src/net/a.ts:2: class SocketManager is banned, use the word for what it does'
    ],
    [
      'a default export',
      { 'net/a.ts': 'const a = 1;\nexport default a;\n' },
      'src/net/a.ts:2: export default is banned, use a named export'
    ],
    [
      'a default export by name',
      { 'net/a.ts': 'const a = 1;\nexport { a as default };\n' },
      'src/net/a.ts:2: export default is banned, use a named export'
    ],
    [
      'a kind without a name',
      {
        'scheduler/registry.ts': "// as './random.ts'\nimport { rr } from './round-robin.ts';\n",
        'scheduler/round-robin.ts': '',
        'scheduler/random.ts': ''
      },
      'src/scheduler/random.ts:1: a kind without a name is banned, ' +
        'use a line in src/scheduler/registry.ts'
    ],
    [
      'a file too long',
      { 'net/a.ts': '\n'.repeat(401) },
      'src/net/a.ts:401: a file of 401 lines is banned, use two files'
    ]
  ];
  for (const [name, files, want] of cases) {
    t.equal(findViolations(new Map(Object.entries(files))).join('\n'), want, name);
  }
});

t.test('what is allowed passes', async (t) => {
  const sources = new Map([
    ['main.ts', "import { run } from './primary/primary.ts';\n"],
    ['primary/primary.ts', "import { load } from '../config/load.ts';\n"],
    ['config/load.ts', "import { readFileSync } from 'node:fs';\n"],
    // Types are erased, so this brings no file access into the worker.
    ['worker/worker.ts', "import type { Loaded } from '../config/load.ts';\n"],
    ['log.ts', "import { pino } from 'pino';\n"],
    [
      'net/a.ts',
      "// import { x } from '../main.ts';\n/**\n * import { x } from '../main.ts';\n */\n"
    ],
    ['net/b.ts', '\n'.repeat(400)]
  ]);
  t.strictSame(findViolations(sources), []);
});
