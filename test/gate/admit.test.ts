// Hosts and paths at the gate, against the corpus of attacks and what real clients ask for.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { compileGate, type Gate, type GateSettings } from '../../src/gate/admit.ts';
import { canonicalPath } from '../../src/gate/canonical-path.ts';
import { compileGlobs } from '../../src/gate/glob.ts';
import { seeded } from '../fixture/random.ts';
import { readings } from './readings.ts';

interface Attacks {
  readonly refused: Readonly<Record<string, readonly string[]>>;
  readonly denied: readonly (readonly [path: string, why: string])[];
  readonly guarded: readonly string[];
  readonly reserved: readonly string[];
  readonly hosts: readonly string[];
}

interface Legitimate {
  readonly guarded: readonly string[];
  readonly excluded: readonly string[];
  readonly hosts: readonly string[];
}

function read<T>(file: string): T {
  // The files are ours and have these forms.
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as T;
}

const attacks = read<Attacks>('attacks.json');
const legitimate = read<Legitimate>('legitimate.json');

/** The template's directories on one service, and exclusions as people make them. */
const settings: GateSettings = {
  clientMode: 'form',
  allowedHosts: [
    'mail.example.com',
    'autodiscover.example.com',
    '*.apps.example.com',
    'web*.example.com'
  ],
  allowedDirectories: [
    '/owa*',
    '/ecp*',
    '/ews',
    '/mapi*',
    '/rpc',
    '/rpcwithcert*',
    '/oab*',
    '/autodiscover*',
    '/microsoft-server-activesync*',
    '/api',
    '/api-guarded*',
    '/kube'
  ],
  excludedDirectories: [
    '/owa/guid@corp.example*',
    '/api',
    '/autodiscover/autodiscover.json',
    '/ews/mrsproxy.svc',
    '/kube/keep/*'
  ],
  logoff: ['/owa/logoff.owa']
};
const host = 'mail.example.com';
const gate = compileGate(settings);

function verdictOf(path: string, to: Gate = gate): string {
  const judged = to.judge(host, path);
  return judged.verdict === 'refused' ? `refused ${judged.code}` : judged.verdict;
}

t.test('the corpus is as large as it should be', async (t) => {
  const paths = Object.values(attacks.refused).flat().length + attacks.denied.length;
  t.ok(paths + attacks.guarded.length + attacks.hosts.length >= 250, 'attacks');
  t.ok(legitimate.guarded.length + legitimate.excluded.length >= 60, 'legitimate');
});

t.test('paths with two meanings are refused', async (t) => {
  for (const [kind, paths] of Object.entries(attacks.refused)) {
    for (const path of paths) t.equal(verdictOf(path), 'refused 400', `${kind}: ${q(path)}`);
  }
});

t.test('what is not allowed is denied, whatever its query says', async (t) => {
  for (const [path, why] of attacks.denied) {
    t.equal(verdictOf(path), 'refused 403', `${why}: ${q(path)}`);
  }
});

t.test('nothing passes for an excluded directory that is none', async (t) => {
  for (const path of attacks.guarded) t.equal(verdictOf(path), 'guarded', q(path));
});

t.test('login URLs are ours in any spelling, and only where there is a form', async (t) => {
  const basic = compileGate({ ...settings, clientMode: 'basic', allowedDirectories: ['/*'] });
  for (const path of attacks.reserved) {
    t.equal(verdictOf(path), 'reserved', q(path));
    t.equal(verdictOf(path, basic), 'guarded', q(path));
  }
});

t.test('real clients pass', async (t) => {
  for (const path of legitimate.guarded) t.equal(verdictOf(path), 'guarded', q(path));
  for (const path of legitimate.excluded) t.equal(verdictOf(path), 'excluded', q(path));
});

t.test('hosts', async (t) => {
  for (const name of legitimate.hosts) {
    t.equal(gate.judge(name, '/owa/').verdict, 'guarded', q(name));
  }
  for (const name of attacks.hosts) {
    t.match(gate.judge(name, '/owa/'), { verdict: 'refused', code: 403 }, q(name));
    // A login page on a foreign name would be a present to whoever owns it.
    t.equal(gate.judge(name, '/lm_auth_proxy').verdict, 'refused', q(name));
  }
  const any = compileGate({ ...settings, allowedHosts: ['*'] });
  t.equal(any.judge('192.0.2.1', '/owa/').verdict, 'guarded', 'a lone star is every host');
  t.equal(any.judge('', '/owa/').verdict, 'refused', 'but not none');
});

t.test('nothing configured lets nothing in', async (t) => {
  t.equal(compileGate({ ...settings, allowedHosts: [] }).judge(host, '/owa/').verdict, 'refused');
  for (const allowedDirectories of [[], [''], ['owa*'], ['?'], ['.*']]) {
    const shut = compileGate({ ...settings, allowedDirectories });
    t.equal(verdictOf('/owa/', shut), 'refused 403', q(String(allowedDirectories)));
    t.equal(verdictOf('/', shut), 'refused 403', q(String(allowedDirectories)));
  }
});

t.test('an excluded directory must be an allowed one', async (t) => {
  const narrow = compileGate({ ...settings, allowedDirectories: ['/owa*'] });
  t.equal(verdictOf('/api/x', narrow), 'refused 403');
});

t.test('logoff strings count from the start of the path, in any case', async (t) => {
  for (const [path, ends] of [
    ['/owa/logoff.owa', true],
    ['/owa/LogOff.owa?Cmd=logoff', true],
    ['/owa/log%6fff.owa', true],
    ['/owa/logoff.owax', false],
    ['/owa/x/owa/logoff.owa', false],
    ['/owa/?/owa/logoff.owa', false]
  ] as const) {
    const judged = gate.judge(host, path);
    t.ok(judged.verdict === 'guarded' && gate.endsSession(judged.path) === ends, q(path));
  }
});

t.test('globs', async (t) => {
  for (const [glob, path, want] of [
    ['/owa*', '/owa', true],
    ['/owa*', '/owax', true],
    ['/owa*', '/owa/a/b', true],
    ['/owa*', '/ow', false],
    ['/OWA*', '/owa/', true],
    ['/owa', '/owa', true],
    ['/owa', '/owa/a', true],
    ['/owa', '/owax', false],
    ['/owa/', '/owa', true],
    ['/owa/', '/owa/a', true],
    ['/owa/', '/owax', false],
    ['/owa/*', '/owa', false],
    ['/owa/*', '/owa/', true],
    ['/', '/', true],
    ['/', '/a/b', true],
    ['/*', '/', true],
    ['*', '/a', true],
    ['*.asmx', '/ews/exchange.asmx', true],
    ['*.asmx', '/ews/exchange.asmx/s', false],
    ['/a*b*c', '/abc', true],
    ['/a*b*c', '/axxbxxbxxc', true],
    ['/a*b*c', '/acb', false],
    ['/ab*bc', '/abc', false],
    ['/ab*bc', '/abbc', true],
    ['/a**c', '/abc', true],
    ['/a*b*b', '/ab', false],
    ['/[a-z]*', '/a', false],
    ['/a.c', '/abc', false],
    ['/\u00c4*', '/\u00e4', true],
    ['', '/', false],
    ['', '', false]
  ] as const) {
    t.equal(compileGlobs([glob])(path), want, `${glob} ${path}`);
  }
});

t.test('a canonical path is decoded once and has small letters', async (t) => {
  for (const [raw, want] of [
    ['/OWA/Auth.OWA', '/owa/auth.owa'],
    ['/owa/%41%62', '/owa/ab'],
    ['/owa/a%20b?x%00', '/owa/a b'],
    ['/owa/M%C3%9CLLER', '/owa/m\u00fcller'],
    ['/owa/\u00c3\u009c', '/owa/\u00fc'],
    ['/%E2%84%AA', '/\u212a'],
    ['/%C4%B0', '/\u0130'],
    ['/a:b', '/a:b'],
    ['/a(b)', '/a(b)'],
    ['/.well-known/x', '/.well-known/x'],
    ['/100%25', '/100%']
  ] as const) {
    t.equal(canonicalPath(raw), want, raw);
  }
});

// Paths made of the pieces that attacks are made of. Whatever the gate lets through has one meaning
// to everybody, and what is excluded is so in every reading of it.
t.test('no reading of a path that passed differs from the canonical one', async (t) => {
  const random = seeded(6);
  const pieces = [
    ...'/ / / / . .. ; : \\ % # ? ( ) ~ $ @ * & + ! owa OWA api ecp kube keep x a S(x) (S(x)) ::$DATA'.split(
      ' '
    ),
    ...'%2f %2F %5c %2e %2E %20 %00 %25 %252e %252f %3b %3f %23 %41 %61 %c3%a4 %C0%AE %e2%84%aa %c3 %u002e'.split(
      ' '
    ),
    ...'guid@corp.example lm_auth_proxy autodiscover.json %ef%bc%8f %e2%80%a5 %ef%bc%8e %c2%a0'.split(
      ' '
    ),
    '\u00e4',
    '\u00c3\u00a4',
    '\u0000',
    ' '
  ];
  let passed = 0;
  for (let n = 0; n < 60_000; n++) {
    let path = random() < 0.6 ? (['/owa', '/api', '/kube', '/ecp'][n % 4] ?? '') : '';
    const count = Math.floor(random() * 6);
    for (let k = 0; k < count; k++) path += `${k % 2 ? '' : '/'}${pick(pieces, random())}`;
    const judged = gate.judge(host, path);
    if (judged.verdict === 'refused') continue;
    passed++;
    for (const [program, reading] of readings(path)) {
      if (reading === judged.path) continue;
      t.fail(`${q(path)} is ${q(judged.path)} to us and ${q(reading)} to ${program}`);
    }
  }
  t.ok(passed > 5000, `${passed} passed`);
});

t.test('the readings tell apart what is refused', async (t) => {
  // Were all readings alike for all of these, the test above could not fail.
  const alike = Object.entries(attacks.refused)
    .filter(([kind]) => !/^(?:no path|bad escapes|NUL)/.test(kind))
    .filter(([, paths]) =>
      paths.every((path) => new Set(readings(path).map(([, reading]) => reading)).size === 1)
    );
  t.same(alike, []);
});

t.test('time is linear in what an attacker sends', async (t) => {
  const slow = compileGate({
    ...settings,
    allowedDirectories: ['/*a*a*a*a*a*b', '*aaaaaaaab*'],
    excludedDirectories: ['*a*a*a*a*a*a*a*a*c']
  });
  const long = 64 * 1024;
  const paths = [
    `/${'a'.repeat(long)}`,
    `/${'a'.repeat(long)}b`,
    `/${'%61'.repeat(long / 3)}`,
    `/${'%c3%a4'.repeat(long / 6)}`,
    `/${'%25 '.repeat(long / 4)}x`,
    `/${'(a'.repeat(long / 2)}`,
    `/${'%c2%a0'.repeat(long / 6)}x`,
    `/${'%cc%95%cc%80'.repeat(long / 12)}`,
    `/${'a/'.repeat(long / 2)}`
  ];
  const began = performance.now();
  for (const path of paths) slow.judge(host, path);
  for (const name of ['.'.repeat(long), 'a.'.repeat(long / 2), ':1'.repeat(long / 2)]) {
    slow.judge(name, '/');
  }
  // 30 ms or so; anything with a way back in it would need minutes.
  t.ok(performance.now() - began < 2000);
});

function pick(from: readonly string[], random: number): string {
  return from[Math.floor(random * from.length)] ?? '';
}

function q(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
