// Rules that change heads, byte by byte: what goes on, and what can never get into it.

import t, { type Test } from 'tap';
import { compileRule } from '../../src/content-rule/compile.ts';
import type { EditRule, RequestFacts, RuleFlags } from '../../src/content-rule/content-rule.ts';
import { compileEdit, editHead } from '../../src/content-rule/edit.ts';
import { ProxyError } from '../../src/error.ts';
import { forwardHead } from '../../src/http1/forward-head.ts';
import { AnswerParser, RequestParser } from '../../src/http1/parse-head.ts';

const none: RuleFlags = { name: 'rule', setOnMatch: 0, onlyOnFlag: 0, onlyOnNoFlag: 0 };
type Flagged = Partial<RuleFlags>;

function add(header: string, replacement: string, flags: Flagged = {}): EditRule {
  return { ...none, ...flags, type: 'addHeader', header, replacement };
}

function drop(pattern: string, flags: Flagged = {}): EditRule {
  return { ...none, ...flags, type: 'deleteHeader', pattern };
}

function replace(
  header: string,
  pattern: string,
  replacement: string,
  flags: Flagged & { noCase?: boolean } = {}
): EditRule {
  return { ...none, noCase: false, ...flags, type: 'replaceHeader', header, pattern, replacement };
}

function url(
  pattern: string,
  replacement: string,
  flags: Flagged & { noCase?: boolean } = {}
): EditRule {
  return { ...none, noCase: false, ...flags, type: 'modifyUrl', pattern, replacement };
}

/** The head as it goes on, with `body` behind it. */
function edited(
  head: string,
  rules: readonly EditRule[],
  extra = '',
  body = '',
  flags = 0
): string {
  const parser = head.startsWith('HTTP/') ? new AnswerParser() : new RequestParser();
  const bytes = Buffer.from(head + body, 'latin1');
  const end = parser.parse(bytes);
  if (end === -1) throw new Error('head is not complete');
  const edits = editHead(parser.head, rules.map(compileEdit), { flags });
  const out = forwardHead(parser.head, extra, bytes, end, bytes.length, edits);
  if (bytes.toString('latin1') !== head + body) throw new Error('the head itself was changed');
  return out.toString('latin1');
}

function request(target: string, ...lines: string[]): string {
  return [`GET ${target} HTTP/1.1`, 'Host: mail.example.com', ...lines, '', ''].join('\r\n');
}

function answer(...lines: string[]): string {
  return ['HTTP/1.1 302 Found  it', ...lines, '', ''].join('\r\n');
}

function refuses(t: Test, rule: EditRule, message: RegExp): void {
  t.throws(() => compileEdit(rule), { message }, JSON.stringify(rule));
}

function fails(t: Test, work: () => unknown, code: string): void {
  try {
    work();
    t.fail(`no ${code}`);
  } catch (error) {
    t.equal(error instanceof ProxyError ? error.code : error, code);
  }
}

t.test('add: behind all others, beside those of that name', async (t) => {
  const head = request('/', 'x-odd:  two  blanks  \t', 'Cookie: \xe9\xff', 'X-A: 0');
  t.equal(edited(head, []), head, 'no rule, no change');
  t.equal(
    edited(head, [add('X-A', '1'), add('SSL_Offload', 'Yes')], 'X-Own: 1\r\n', 'body'),
    `${head.slice(0, -2)}X-A: 1\r\nSSL_Offload: Yes\r\nX-Own: 1\r\n\r\nbody`
  );
  t.equal(edited(answer('A: 1'), [add('X', 'ä')]), answer('A: 1', 'X: \xc3\xa4'), 'UTF-8');
});

t.test('delete: by name in any case, and by expression', async (t) => {
  const head = answer('SERVER: IIS', 'A: 1', 'X-AspNet-Version: 4', 'server:x', 'X-Powered-By: y');
  t.equal(edited(head, [drop('Server')]), answer('A: 1', 'X-AspNet-Version: 4', 'X-Powered-By: y'));
  t.equal(edited(head, [drop('/^X-/'), drop('a')]), answer('SERVER: IIS', 'server:x'));
  t.equal(edited(head, [drop('Serve'), drop('erver')]), head, 'a name is a whole name');
  t.equal(edited(answer('Server: a'), [drop('Server')]), answer(), 'the last one');
  const cut = request('/', 'Connection: close, X-B', 'X-A: 1', 'X-B: 2', 'X-C: 3');
  t.equal(edited(cut, [drop('X-A')]), request('/', 'X-C: 3'), 'beside hop-by-hop fields');
});

t.test(
  'replace: the whole value where the pattern is found, the rest of the line stays',
  async (t) => {
    const head = answer(
      'location:   http://ex01/owa/?a=1 \t',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2'
    );
    const rule = replace(
      'Location',
      '/^http:\\/\\/([^\\/]*)(.*)/',
      'https:\\/\\/mail.example.com\\2'
    );
    t.equal(
      edited(head, [rule]),
      head.replace('http://ex01/owa/?a=1', 'https://mail.example.com/owa/?a=1')
    );
    t.equal(
      edited(head, [replace('Set-Cookie', '/^(.*)$/', '\\1; Secure')]),
      head.replace('a=1\r', 'a=1; Secure\r').replace('b=2', 'b=2; Secure'),
      'each field of that name'
    );
    t.equal(
      edited(head, [replace('Set-Cookie', '/^b/', 'c')]),
      head.replace('b=2', 'c'),
      'only where it is found'
    );
    t.equal(
      edited(head, [replace('SET-cookie', 'B=', 'x\\\\\\/y', { noCase: true })]),
      head.replace('b=2', 'x\\/y'),
      'shell syntax, no case, escapes'
    );
    t.equal(edited(head, [replace('Set-Cookie', '/a/', '')]), head.replace('a=1\r', '\r'), 'empty');
    t.equal(edited(answer('A:'), [replace('A', '/^$/', 'x')]), answer('A:x'), 'an empty value');
    t.equal(
      edited(request('/', 'A: path1/path2'), [
        replace('A', '/(path1)\\/(path2)/', 'new-\\2\\/\\1')
      ]),
      request('/', 'A: new-path2/path1')
    );
    t.equal(
      edited(request('/', 'A: x'), [replace('A', '/(x)|(y)/', '[\\1\\2]')]),
      request('/', 'A: [x]'),
      'a group that took no part is empty'
    );
  }
);

t.test('modify URL: path and query together', async (t) => {
  const cases: [target: string, rule: EditRule, result: string][] = [
    ['/', url('/^\\/$/', '/owa'), '/owa'],
    ['/?a=1', url('/^\\/$/', '/owa'), '/?a=1'],
    ['/?a=1', url('/^\\/(\\?.*)?$/', '/owa\\/\\1'), '/owa/?a=1'],
    ['/old/x?y=%20z', url('/^\\/old\\/(.*)/', '/new/\\1'), '/new/x?y=%20z'],
    ['/OLD/x', url('/^\\/old\\/(.*)/', '/new/\\1', { noCase: true }), '/new/x'],
    ['/owa/x', url('/^\\/owa(.*)/', '\\1'), '/x'],
    ['/owa', url('/^\\/owa(.*)/', '\\1'), '/'],
    ['/owax', url('/^\\/owa(.*)/', '\\1'), '/x'],
    ['/b\xfc%FCro', url('/(.*)/', '/x\\1'), '/x/b\xfc%FCro'],
    ['http://mail.example.com/a?b', url('/^\\/a(.*)/', '/c\\1'), 'http://mail.example.com/c?b'],
    ['http://mail.example.com', url('/^$/', '/c'), 'http://mail.example.com/c']
  ];
  for (const [target, rule, result] of cases) {
    t.equal(edited(request(target, 'A: 1'), [rule]), request(result, 'A: 1'), target);
  }
  const options = 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n';
  t.equal(edited(options, [url('/.*/', '/x')]), options, '* is no path');
  t.equal(edited(answer('A: 1'), [url('/.*/', '/x')]), answer('A: 1'), 'nor has an answer one');
});

t.test('rules see what those before them did', async (t) => {
  const head = request('/a', 'X: 1');
  t.equal(
    edited(head, [add('Y', '1'), replace('Y', '/1/', '2'), replace('X', '/(.)/', '\\1\\1')]),
    request('/a', 'X: 11', 'Y: 2')
  );
  t.equal(edited(head, [add('Y', '1'), drop('/^[xy]$/')]), request('/a'));
  t.equal(edited(head, [drop('X'), add('X', '2')]), request('/a', 'X: 2'));
  t.equal(edited(head, [drop('X'), replace('X', '/1/', '2')]), request('/a'));
  t.equal(
    edited(head, [url('/a/', '/b'), url('/b/', '/c'), url('/a/', '/d')]),
    request('/c', 'X: 1')
  );
});

t.test('flags of an exchange', async (t) => {
  const head = request('/', 'X: 1');
  const set = replace('X', '/1/', '2', { setOnMatch: 3 });
  const miss = replace('X', '/9/', '2', { setOnMatch: 3 });
  const only = add('Y', '1', { onlyOnFlag: 3 });
  const unless = add('Z', '1', { onlyOnNoFlag: 3 });
  t.equal(edited(head, [set, only, unless]), request('/', 'X: 2', 'Y: 1'));
  t.equal(edited(head, [miss, only, unless]), request('/', 'X: 1', 'Z: 1'));
  t.equal(edited(head, [only, set]), request('/', 'X: 2'), 'the order counts');
  t.equal(edited(head, [only, unless], '', '', 1 << 3), request('/', 'X: 1', 'Y: 1'), 'set before');
  t.equal(edited(head, [only, unless], '', '', 1 << 2), request('/', 'X: 1', 'Z: 1'), 'another');
  const both = add('A', '1', { onlyOnFlag: 1, onlyOnNoFlag: 2 });
  const flags = (...set: number[]): number => set.reduce((sum, flag) => sum | (1 << flag), 0);
  for (const [given, counts] of [
    [flags(1), true],
    [flags(1, 2), false],
    [flags(9), false]
  ] as const) {
    t.equal(edited(head, [both], '', '', given).includes('A: 1'), counts);
  }
});

t.test('flags of rules that match', async (t) => {
  const facts = (flags: number, path: string): RequestFacts => ({
    flags,
    path: () => path,
    query: () => '',
    host: () => '',
    method: () => 'GET',
    sourceAddress: () => '',
    header: () => undefined
  });
  const match = {
    type: 'matchContent',
    matchType: 'prefix',
    pattern: '/owa',
    noCase: false
  } as const;
  const plain = { negate: false, incHost: false, incQuery: false, header: '', mustFail: false };
  const compile = (flags: Flagged) => compileRule({ ...none, ...match, ...plain, ...flags });
  const owa = facts(0, '/owa/');
  t.equal(compile({ setOnMatch: 9 })(owa), true);
  t.equal(owa.flags, 1 << 9);
  const other = facts(2, '/ecp');
  t.equal(compile({ setOnMatch: 9 })(other), false);
  t.equal(other.flags, 2, 'no match, no flag');
  t.equal(compile({ onlyOnFlag: 1 })(facts(0, '/owa')), false);
  t.equal(compile({ onlyOnFlag: 1 })(facts(2, '/owa')), true);
  t.equal(compile({ onlyOnNoFlag: 1 })(facts(2, '/owa')), false);
  const negated = { ...none, ...match, ...plain, negate: true, onlyOnNoFlag: 1 };
  t.equal(compileRule(negated)(facts(2, '/x')), false, 'negate does not turn the flag round');
  t.equal(compileRule(negated)(facts(0, '/x')), true);
});

t.test('Host: another value only, and the target follows', async (t) => {
  const rule = replace('Host', '/^mail(.*)/', 'ex01\\1');
  t.equal(edited(request('/a?b'), [rule]), request('/a?b').replace('Host: mail', 'Host: ex01'));
  t.equal(
    edited(request('http://mail.example.com/a?b'), [rule]),
    request('/a?b').replace('Host: mail', 'Host: ex01'),
    'an absolute target would name the old host'
  );
  t.equal(
    edited(request('http://mail.example.com?b'), [rule, url('/b/', '/c')]),
    request('/c').replace('Host: mail', 'Host: ex01')
  );
  t.equal(
    edited(request('http://mail.example.com?b'), [rule]),
    request('/?b').replace('Host: mail', 'Host: ex01')
  );
  for (const bad of ['', 'a b', 'a/b', 'a@b', 'a,b', 'a:b', '[::']) {
    fails(t, () => edited(request('/'), [replace('Host', '/^/', bad)]), 'malformed-request');
  }
});

t.test('what frames a message or belongs to a connection cannot be named', async (t) => {
  const names = ['Content-Length', 'transfer-encoding', 'Connection', 'Keep-Alive', 'Upgrade'];
  names.push('TE', 'Trailer', 'Expect', 'Proxy-Connection', 'Content_Length', 'transfer_Encoding');
  for (const name of names) {
    const message = /belongs to the framing or to one connection.*; another field would be right$/;
    refuses(t, add(name, 'x'), message);
    refuses(t, drop(name), message);
    refuses(t, replace(name, '/x/', 'y'), message);
  }
  refuses(t, add('Host', 'x'), /^Host belongs to/);
  refuses(t, drop('Host'), /^Host belongs to/);
  for (const pattern of ['/.*/', '/length/', '/^te$/', '/-E/', '/OST$/', '/^(a|upgrade)/']) {
    refuses(t, drop(pattern), /finds .* too; .* another field would be right$/);
  }
  const sent = request('/', 'content-type: a', 'Content-Length: 2');
  t.equal(edited(sent, [drop('/^content-t/')], '', 'ab'), `${request('/', 'Content-Length: 2')}ab`);
});

t.test('nothing can be smuggled in', async (t) => {
  const lines = ['a\r\nX: y', 'a\nb', 'a\rb', 'a\0b', 'a\x0bb', 'a\x7fb', '\x1b[31m'];
  for (const text of lines) {
    // The configuration refuses such text; these are the walls behind it.
    t.throws(() => edited(request('/'), [add('A', text)]), /no valid field/, JSON.stringify(text));
    t.throws(() => edited(request('/', 'A: 1'), [replace('A', '/1/', text)]), /no valid field/);
    refuses(t, url('/.*/', `/${text}`), /printable ASCII/);
  }
  for (const name of ['', 'a b', 'a:', 'a\r\nb', 'ä', '(x)']) {
    refuses(t, add(name, 'x'), /no name of a field/);
    refuses(t, replace(name, '/x/', 'x'), /no name of a field/);
    refuses(t, drop(name), /no name of a field/);
  }
  refuses(t, drop('X-*'), /no name of a field/);
  for (const target of ['/a b', '/a#b', '/ä', '/a\tb']) refuses(t, url('/.*/', target), /ASCII/);
  for (const target of ['', 'x', 'http://a/', '?x']) refuses(t, url('/.*/', target), /begins with/);
  // What a client encodes stays encoded: a capture is never decoded.
  const tricky = '/a%0d%0aX:%20y?%00';
  t.equal(edited(request(tricky), [url('/^(.*)$/', '/r\\1')]), request(`/r${tricky}`));
  t.equal(
    edited(request(tricky, 'A: 1%0d%0a2'), [replace('A', '/^(.*)$/', '\\1\\1')]),
    request(tricky, 'A: 1%0d%0a21%0d%0a2')
  );
});

t.test('replacements that stand for nothing', async (t) => {
  refuses(t, url('/a/', '/\\1'), /\\1 stands for nothing: the pattern captures nothing; /);
  refuses(t, url('/(a)(b)/', '/\\3'), /the pattern captures 2; /);
  refuses(t, url('a*', '/\\1'), /captures nothing/);
  refuses(t, replace('A', '/a/', '\\0'), /^\\0 stands for nothing; .* would be right$/);
  refuses(t, replace('A', '/a/', 'x\\'), /^\\ stands for nothing; /);
  refuses(t, replace('A', '/(a/', 'x'), /missing closing \)/);
  refuses(t, replace('A', '/(a{20}){40}/', 'x'), /too large/);
});

t.test('bounds', async (t) => {
  const long = 'a'.repeat(9000);
  const copy = url('/^(.*)$/', '\\1');
  fails(t, () => edited(request(`/${long}`), [copy]), 'head-too-large');
  t.equal(
    edited(request(`/${long}`), [url('/b/', '/c')]),
    request(`/${long}`),
    'no match, no limit'
  );
  t.equal(edited(request(`/${long}`), [url('/a/', '/c')]), request('/c'), 'no captures, no limit');
  const twice = replace('A', '/^(.*)$/', '\\1\\1\\1\\1\\1\\1\\1\\1');
  const head = `A: ${'a'.repeat(8000)}`;
  fails(t, () => edited(request('/', head), [twice]), 'head-too-large');
  fails(t, () => edited(answer(head), [twice]), 'malformed-answer');
  const start = performance.now();
  const dear = replace('A', '/^(.*)(.*)(.*)(a.*)*(b.*)*(c.*)*$/', '\\1');
  edited(request('/', `A: ${'ab'.repeat(4000)}`), [dear]);
  t.ok(performance.now() - start < 1000, 'linear');
});
