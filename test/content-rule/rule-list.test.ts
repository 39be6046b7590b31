// Many rules: who is not asked could not have matched.

import t from 'tap';
import { compileRule, neededTexts } from '../../src/content-rule/compile.ts';
import type { ContentRule, Matcher, RequestFacts } from '../../src/content-rule/content-rule.ts';
import { requiredTexts } from '../../src/content-rule/required-text.ts';
import { RuleList, type ListedRule } from '../../src/content-rule/rule-list.ts';
import { contentRule } from '../fixture/content-rule.ts';
import { seeded } from '../fixture/random.ts';

interface Listed extends ListedRule {
  readonly rule: ContentRule;
  readonly matches: Matcher;
}

function listOf(rules: readonly Partial<ContentRule>[]): RuleList<Listed> {
  return new RuleList(
    rules.map((some, order) => {
      const rule = contentRule(some);
      return { rule, order, matches: compileRule(rule), needs: neededTexts(rule) };
    })
  );
}

function request(path: string, flags = 0): RequestFacts {
  return {
    flags,
    path: () => path,
    query: () => '?ab',
    host: () => 'ab.example',
    method: () => 'GET',
    sourceAddress: () => '192.0.2.7',
    header: (name) => (name === 'agent' ? 'a/b' : undefined)
  };
}

const orders = (rules: readonly Listed[]): number[] => rules.map(({ order }) => order);

t.test('what an expression cannot do without', async (t) => {
  const cases: readonly [string, readonly (readonly string[])[]][] = [
    ['^/OWA', [['\x02/owa']]],
    ['\\.aspx$', [['.aspx\x03']]],
    ['^/owa$', [['\x02/owa\x03']]],
    ['^/(ow|ew)[x-z]+123\\/', [['\x02/ow', '\x02/ew'], ['123/']]],
    ['^/(owa|ecp)/?$', [['\x02/owa', '\x02/ecp']]],
    ['a|bc|d', [['a', 'bc', 'd']]],
    ['a|.*', []],
    ['a|^', []],
    ['(?:ab)+c', [['ab'], ['c']]],
    ['(ab)?c', [['c']]],
    ['abc?d', [['ab'], ['d']]],
    ['abc*', [['ab']]],
    ['abc{0,3}xy', [['ab'], ['xy']]],
    ['abc{2}xy', [['abc'], ['xy']]],
    ['abc{2', [['abc{2']]],
    ['a(b.c|d)efg', [['a'], ['b', 'd'], ['efg']]],
    ['(a.b|cd.)', [['a', 'cd']]],
    ['[^\\]a]bc[x]', [['bc']]],
    ['\\bab\\d', [['ab']]],
    ['b\u00fcro', [['b'], ['ro']]],
    ['[a]', []],
    ['.', []],
    ['^', []],
    // Left alone: flags, classes by name, codes, whatever else.
    ['ab(?i)c', []],
    ['(?P<n>ab)', []],
    ['[[:alpha:]]bc', []],
    ['[]a]bc', []],
    ['\\x41bc', []],
    ['\\Qab\\E', []],
    ['\\Aab', []],
    ['$^', []],
    ['x*$^', []],
    ['a\tb', []]
  ];
  for (const [source, expected] of cases) t.strictSame(requiredTexts(source), expected, source);
});

t.test('who is asked, and in which order', async (t) => {
  const rules: Partial<ContentRule>[] = Array.from({ length: 1000 }, (_, n) => ({
    pattern: n % 2 === 0 ? `/^\\/tenant${n}\\/.*/` : `/\\/(app|APP)[x-z]*${n}[.]/`,
    noCase: true
  }));
  rules[5] = { pattern: 'tenant', header: 'agent' };
  rules[7] = { pattern: '/^\\/no/', negate: true };
  rules[8] = { pattern: '/[0-9]/' };
  rules[10] = { pattern: '/', matchType: 'prefix', incHost: true };
  rules[900] = { pattern: '^/TENANT4' };
  const list = listOf(rules);
  const asked = (path: string): number[] => orders(list.mayMatch(request(path)));
  t.strictSame(asked('/'), [5, 7, 8, 10]);
  t.strictSame(asked('/Tenant42/owa'), [5, 7, 8, 10, 42, 900]);
  t.strictSame(asked('/tenant4'), [5, 7, 8, 10, 900]);
  t.strictSame(asked(''), [5, 7, 8, 10]);
  t.strictSame(asked('/x/tenant42/'), [5, 7, 8, 10], 'not at the start');
  t.ok(asked('/x/APP999.').includes(999));
  t.equal(orders(listOf(rules.slice(0, 9)).mayMatch(request('/'))).length, 9, 'a few: all');
});

t.test('a path that holds everything makes nobody wait longer than before', async (t) => {
  const rules = Array.from({ length: 1000 }, (_, n) => ({ pattern: `x${n}y*z` }));
  const list = listOf(rules);
  const path = Array.from({ length: 1000 }, (_, n) => `/x${n}y`).join('');
  t.equal(list.mayMatch(request(path)), list.all);
  const before = process.cpuUsage();
  const again = 'x1yx2yx12y'.repeat(6000);
  t.strictSame(orders(list.mayMatch(request(again))), [1, 2, 12]);
  const { user, system } = process.cpuUsage(before);
  t.ok(user + system < 50_000, `${user + system} us of CPU for 60 KB`);
});

t.test('long and different patterns take bounded memory', async (t) => {
  const random = seeded(3);
  const letters = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(97 + Math.floor(random() * 26))).join('');
  const rules = Array.from({ length: 3000 }, () => ({ pattern: letters(240) }));
  global.gc?.();
  const before = process.memoryUsage();
  const list = new RuleList(
    rules.map(({ pattern }, order) => ({ order, needs: [[pattern]], pattern }))
  );
  const grown = process.memoryUsage().arrayBuffers - before.arrayBuffers;
  t.ok(grown < 3e6, `${grown} bytes`);
  for (const n of [0, 1234, 2999]) {
    const path = `/${rules[n]?.pattern}`;
    const asked = list.mayMatch(request(path)).map(({ order }) => order);
    t.ok(asked.includes(n) && asked.length < 4, `${asked.length} asked`);
  }
});

t.test('seeded: the same answers as one after the other', async (t) => {
  const random = seeded(20_261_122);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const often = (chance: number): boolean => random() < chance;
  const words = ['a', 'b', 'A', '/', '/', 'ab', '/ab', 'b/', 'Ba', '.', 'k', 'S', '\u00e9', '_'];
  const quantifiers = [
    '?',
    '*',
    '+',
    '{0,2}',
    '{1,2}',
    '{2}',
    '{0}',
    '+?',
    '*?',
    '{1',
    '{01}',
    '{,2}',
    '{1,02}'
  ];
  const sets = [
    '.',
    '[ab]',
    '[^a]',
    '[\\]/]',
    '[^\\/b]',
    '\\d',
    '\\w',
    '\\W',
    '\\b',
    '[a-c.$^|]',
    '[^]a]',
    '[]a]'
  ];
  const signs = ['^', '$', '\\/', '\\.', '\\$', '(?i)', '{', '}', ']', '-', '\\x41', '[[:alpha:]]'];
  function expression(depth: number): string {
    let text = often(0.3) ? '^' : '';
    for (let parts = 1 + Math.floor(random() * 4); parts > 0; parts--) {
      const kind = random();
      if (kind < 0.5) text += pick(words);
      else if (kind < 0.65) text += pick(sets);
      else if (kind < 0.75) text += pick(signs);
      else if (depth > 0) text += `${pick(['(', '(?:'])}${expression(depth - 1)})`;
      if (often(0.2)) text += pick(quantifiers);
      if (often(0.1)) text += '|';
    }
    return often(0.2) ? `${text}$` : text;
  }
  function randomRule(): Partial<ContentRule> {
    const matchType = pick(['regex', 'regex', 'regex', 'prefix', 'postfix'] as const);
    const literal = (pick(['/', '']) + pick(words) + pick(words) + pick(words)).slice(0, 4);
    const perl = `/${expression(2).replaceAll(/(?<!\\)\//g, '\\/')}/`;
    return {
      matchType,
      pattern: matchType === 'regex' && often(0.8) ? perl : literal,
      noCase: often(0.5),
      negate: often(0.03),
      incHost: often(0.03),
      incQuery: often(0.03),
      header: often(0.03) ? 'agent' : '',
      mustFail: often(0.1),
      setOnMatch: often(0.1) ? 1 : 0,
      onlyOnFlag: often(0.05) ? 1 : 0,
      onlyOnNoFlag: often(0.05) ? 2 : 0
    };
  }
  let [asked, all, matched, wrong] = [0, 0, 0, 0];
  for (let lists = 0; lists < 60; lists++) {
    const rules: Partial<ContentRule>[] = [];
    while (rules.length < 60) {
      const rule = randomRule();
      try {
        compileRule(contentRule(rule));
        rules.push(rule);
      } catch {
        // Not every text is an expression.
      }
    }
    const list = listOf(rules);
    for (let paths = 0; paths < 60; paths++) {
      const text = Array.from({ length: Math.floor(random() * 6) }, () => pick(words)).join('');
      const path = Buffer.from(`${often(0.8) ? '/' : ''}${text}`).toString('latin1');
      const [linear, searched] = [request(path, pick([0, 2, 4])), request(path)];
      searched.flags = linear.flags;
      const expected = list.all.filter(({ matches }) => matches(linear));
      const few = list.mayMatch(searched);
      const found = few.filter(({ matches }) => matches(searched));
      asked += few.length;
      all += list.all.length;
      matched += expected.length;
      const same =
        linear.flags === searched.flags &&
        expected.length === found.length &&
        expected.every((rule, n) => rule === found[n]);
      if (!same) {
        wrong++;
        const missing = expected.find((rule) => !found.includes(rule));
        t.fail(`${JSON.stringify(path)} and ${JSON.stringify(missing?.rule)}`);
      }
    }
  }
  t.equal(wrong, 0);
  t.comment(`${asked} of ${all} asked, ${matched} matched`);
  t.ok(matched > 20_000, 'there was something to find');
  t.ok(
    asked - matched < (all - matched) / 2,
    'and more than half of what does not match not asked'
  );
});
