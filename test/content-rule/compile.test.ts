// Rules as an administrator writes them, against requests as they come.

import t, { type Test } from 'tap';
import type { ContentRule, RequestFacts } from '../../src/content-rule/content-rule.ts';
import { compileRule } from '../../src/content-rule/compile.ts';
import { contentRule } from '../fixture/content-rule.ts';

function request(path: string, more: Partial<Record<string, string>> = {}): RequestFacts {
  return {
    flags: 0,
    path: () => path,
    query: () => more['query'] ?? '',
    host: () => more['host'] ?? '',
    method: () => more['method'] ?? 'GET',
    sourceAddress: () => more['src-ip'] ?? '192.0.2.7',
    header: (name) => more[name]
  };
}

function matches(
  rule: Partial<ContentRule>,
  path: string,
  more?: Partial<Record<string, string>>
): boolean {
  return compileRule(contentRule(rule))(request(path, more));
}

/** `yes` and `no` are paths. */
function table(
  t: Test,
  rule: Partial<ContentRule>,
  yes: readonly string[],
  no: readonly string[]
): void {
  const name = `${rule.matchType ?? ''} ${rule.pattern} ${rule.noCase ? 'noCase' : ''}`;
  for (const path of yes) t.equal(matches(rule, path), true, `${name} matches ${path}`);
  for (const path of no) t.equal(matches(rule, path), false, `${name} does not match ${path}`);
}

t.test('the nine rules of the guide, whatever the case of the path', async (t) => {
  const directories = [
    ['Microsoft-server-activesync', '/Microsoft-Server-ActiveSync/default.eas'],
    ['autodiscover', '/Autodiscover/Autodiscover.xml'],
    ['ecp', '/ECP/default.aspx'],
    ['ews', '/EWS/Exchange.asmx'],
    ['mapi', '/mapi/emsmdb/'],
    ['oab', '/OAB/1/oab.xml'],
    ['owa', '/owa'],
    ['powershell', '/PowerShell/'],
    ['rpc', '/rpc/rpcproxy.dll']
  ] as const;
  for (const [directory, path] of directories) {
    const rule = { pattern: `/^\\/${directory}.*/`, noCase: true };
    const others = directories.filter(([other]) => other !== directory).map(([, other]) => other);
    table(t, rule, [path, path.toUpperCase(), path.toLowerCase() + 'x'], [...others, '/', '']);
  }
  table(t, { pattern: '/^\\/owa.*/' }, ['/owa/'], ['/OWA/', '/x/owa', 'owa', '/ow']);
});

t.test('Perl expressions search anywhere', async (t) => {
  table(t, { pattern: '/owa/' }, ['/x/owa/y', 'owa'], ['/OWA', '/ow']);
  table(t, { pattern: '/\\.aspx$/', noCase: true }, ['/a.ASPX'], ['/a.aspx/', '/aaspx']);
  table(t, { pattern: '/^\\/owa$/' }, ['/owa'], ['/owa/', '/owa\n']);
  table(t, { pattern: '/^\\/(owa|ecp)\\/?$/' }, ['/owa', '/ecp/'], ['/oab', '/owa/x']);
  table(t, { pattern: '/^/owa.*/' }, ['/owa/x'], ['/ecp', 'x/owa']);
  table(t, { pattern: '/^\\/owa.*$/', noCase: true }, ['/OWA/x', '/owa'], ['/ow']);
  table(t, { pattern: '/^\\/owa?.*/' }, ['/ow', '/owa', '/owx'], ['/o']);
  table(t, { pattern: '/^\\/a\\.b\\-c%20/' }, ['/a.b-c%20'], ['/aXb-c%20']);
  table(t, { pattern: '/^\\/\\d+.*/' }, ['/12'], ['/d', '/dd']);
  table(t, { pattern: '/^.*/' }, ['', '/x'], []);
  table(t, { pattern: '/a|^b/' }, ['xa', 'b'], ['xb']);
  table(t, { pattern: '/^\\/a[\\/x]b/' }, ['/a/b', '/axb'], ['/ab']);
  table(t, { pattern: '/\\\\/' }, ['a\\b'], ['/a/b']);
});

t.test('a dot stops at nothing, and bytes above 0x7f are characters', async (t) => {
  table(t, { pattern: '/^\\/a.b/' }, ['/a\nb', '/a\rb', '/a\u0085b', '/a\u00ffb'], ['/ab']);
  table(t, { pattern: '/a.*b$/' }, ['a\n\nb'], []);
  const bytes = Buffer.from('/büro/x').toString('latin1');
  for (const noCase of [false, true]) {
    table(t, { pattern: '/^\\/büro.*/', noCase }, [bytes], ['/buro/x', '/büro/x']);
    table(t, { pattern: '/üro\\/./', noCase }, [bytes], ['/buro/x']);
    table(t, { matchType: 'prefix', pattern: '/bü', noCase }, [bytes], ['/bu']);
    table(t, { matchType: 'postfix', pattern: 'üro/x', noCase }, [bytes], ['/buro/x']);
  }
});

t.test('shell syntax', async (t) => {
  table(t, { pattern: '^/test' }, ['/test', '/tests/1'], ['/x/test', '/Test']);
  table(t, { pattern: 'owa' }, ['/owa', 'x/owa/y'], ['/OWA']);
  table(t, { pattern: '^/o?a', noCase: true }, ['/owa', '/OXA/'], ['/oa', '/oxxa']);
  table(t, { pattern: '^/owa*x' }, ['/owax', '/owa/1/x'], ['/ow', '/owa']);
  table(t, { pattern: '^/owa*' }, ['/owa', '/owax'], ['/ow', 'x/owa']);
  table(t, { pattern: 'x$' }, ['/x'], ['/xy']);
  table(t, { pattern: '^/a$b^c' }, ['/a$b^c'], ['/a']);
  table(t, { pattern: '^/[ae]cp' }, ['/acp', '/ecp'], ['/bcp', '/cp']);
  table(t, { pattern: '^/[^ae]cp' }, ['/bcp'], ['/acp', '/ecp', '/cp']);
  table(t, { pattern: '[0-9][[:]' }, ['5[', '5:'], ['5', '5]']);
  table(t, { pattern: '^[\\]x]y' }, [']y', 'xy'], ['y']);
  table(t, { pattern: '^[\\d]' }, ['d'], ['1']);
  table(t, { pattern: 'a\\*b\\?' }, ['a*b?'], ['ab', 'axb?']);
  table(t, { pattern: 'a.b(c)|{d}+' }, ['a.b(c)|{d}+'], ['axb', 'axb(c)|{d}+']);
});

t.test('prefix and postfix compare literally', async (t) => {
  table(t, { matchType: 'prefix', pattern: '/owa.*' }, ['/owa.*x'], ['/owa/x', 'x/owa.*']);
  table(t, { matchType: 'prefix', pattern: '/OWA/', noCase: true }, ['/owa/'], ['/owa', '']);
  table(t, { matchType: 'postfix', pattern: '.aspx' }, ['/a.aspx', '.aspx'], ['/a.ASPX', 'aspx']);
  table(
    t,
    { matchType: 'postfix', pattern: '.aspx', noCase: true },
    ['/a.ASPX'],
    ['/a.aspx/', 'x']
  );
  // Only letters have a case: [ and { are as far apart as A and a.
  table(t, { matchType: 'prefix', pattern: '/[@', noCase: true }, ['/[@x'], ['/{@', '/[`']);
});

t.test('what a rule looks at', async (t) => {
  const request = { host: 'mail.example.com', query: '?ae=Item', method: 'POST', 'user-agent': '' };
  const cases: readonly [Partial<ContentRule>, boolean][] = [
    [{ pattern: 'mail' }, false],
    [{ pattern: '^mail.example.com/owa$', incHost: true }, true],
    [{ pattern: '^/owa', incHost: true }, false],
    [{ pattern: 'ae=' }, false],
    [{ pattern: '/^\\/owa\\?ae=Item$/', incQuery: true }, true],
    [{ pattern: '^mail.example.com/owa\\?ae=Item$', incQuery: true, incHost: true }, true],
    [{ pattern: '/^POST$/', header: 'method' }, true],
    [{ pattern: '/^GET$/', header: 'Method' }, false],
    [{ pattern: '192.0.2.', matchType: 'prefix', header: 'src-ip' }, true],
    [{ pattern: '10.', matchType: 'prefix', header: 'src-ip' }, false],
    [{ pattern: '/^$/', header: 'User-Agent' }, true],
    [{ pattern: '/.*/', header: 'cookie' }, false]
  ];
  for (const [rule, expected] of cases) {
    t.equal(matches(rule, '/owa', request), expected, JSON.stringify(rule));
    t.equal(matches({ ...rule, negate: true }, '/owa', request), !expected, 'and negated');
  }
});

t.test('what cannot work is refused in words that cure', async (t) => {
  const cases: readonly [Partial<ContentRule>, string][] = [
    [{ pattern: '' }, 'the pattern is empty; text to look for would be right'],
    [{ pattern: '//' }, 'pattern "//" is empty; text between the slashes is needed'],
    [{ pattern: 'x'.repeat(251) }, 'the pattern has 251 characters; at most 250 would be right'],
    [
      { pattern: '/(a/' },
      'pattern "/(a/" is not a valid expression: missing closing ); ' +
        'a ) for every (, or "\\(" for the character itself, would be right'
    ],
    [{ pattern: '/a)/' }, 'unexpected ); a ( for every )'],
    [{ pattern: '/[a/' }, 'missing closing ]; a ] after the set'],
    [{ pattern: '/*a/' }, 'missing argument to repetition operator *; something to repeat'],
    [{ pattern: '/[z-a]/' }, 'invalid character class range z-a; the lower character first'],
    [{ pattern: '[z-a]' }, 'invalid character class range z-a; the lower character first'],
    [{ pattern: '/a{1001}/' }, 'invalid repeat count {1001}; at most 1000'],
    [{ pattern: '/\\Z/' }, 'invalid escape sequence \\Z; RE2 syntax would be right'],
    [{ pattern: '/^\\/(?!owa)/' }, '(?! looks ahead or behind, which is not supported; negate'],
    [{ pattern: '/(?=a)/' }, '(?= looks ahead or behind'],
    [{ pattern: '/(?<=a)b/' }, '(?<= looks ahead or behind'],
    [{ pattern: '/(?<!a)b/', noCase: true }, '(?<! looks ahead or behind'],
    [{ pattern: '/(a)\\1/' }, '\\1 is a back reference, which is not supported; the text itself'],
    [{ pattern: '/(?P<n>a)\\k<n>/' }, '\\k is a back reference'],
    [{ pattern: '/a++/' }, '++ is a possessive quantifier, which is not supported; a plain'],
    [{ pattern: '/a*+/' }, '*+ is a possessive quantifier'],
    [{ pattern: '/(?>a)/' }, 'invalid or unsupported Perl syntax (?>; RE2 syntax would be right'],
    [{ pattern: '/a**/' }, 'invalid nested repetition operator **; one repetition'],
    [{ pattern: '/((a{30}){30})x/' }, 'is too large once its counted repetitions are written out'],
    [{ pattern: '/owa' }, 'pattern "/owa" has no closing slash; a Perl expression'],
    [{ pattern: '/^\\/owa\\/' }, 'has no closing slash'],
    [{ pattern: '/owa/i' }, 'pattern "/owa/i" goes on after its closing slash; '],
    [{ pattern: 'a[bc' }, 'pattern "a[bc" opens a set with [ and does not close it; ] after'],
    [{ pattern: 'a\\' }, 'pattern "a\\" ends in a single backslash; "\\\\" would be right'],
    [{ pattern: 'a', header: 'Body' }, 'a rule cannot look into the request body yet; the URL,']
  ];
  for (const [rule, words] of cases) {
    try {
      compileRule(contentRule(rule));
      t.fail(`${rule.pattern} is refused`);
    } catch (error) {
      t.match(String(error), words, rule.pattern || 'empty');
    }
  }
  t.doesNotThrow(() => compileRule(contentRule({ pattern: 'x'.repeat(250) })), '250 are allowed');
});

t.test('no input makes a rule run wild', async (t) => {
  const size = 64 * 1024;
  const cases: readonly [string, string, boolean][] = [
    ['/^(a+)+$/', 'a'.repeat(size) + '!', false],
    ['/owa.*foo/', 'owa'.repeat(size / 3), false],
    ['/(.*a){40}c/', 'ab'.repeat(size / 2), false],
    ['/(a|a)*b/', 'a'.repeat(size), false],
    ['/([a-z]*)*x$/', 'a'.repeat(size), false],
    ['a*a*a*a*b', 'a'.repeat(size), false],
    ['/^\\/owa.*/', '/OWA/' + 'a'.repeat(size), true]
  ];
  for (const [pattern, text, expected] of cases) {
    const matcher = compileRule(contentRule({ pattern, noCase: true }));
    const before = process.cpuUsage();
    t.equal(matcher(request(text)), expected, pattern);
    const { user, system } = process.cpuUsage(before);
    t.ok(user + system < 50_000, `${pattern}: ${user + system} us of CPU`);
  }
});
