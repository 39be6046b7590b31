// What signing in is made of: login URLs, where they lead back to, forms and headers with passwords,
// tokens and seals.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { gateKeys } from '../../src/gate/keys.ts';
import { basicChallenge, parseBasic, parseLoginForm } from '../../src/gate/login-form.ts';
import {
  escapeDestination,
  loginLocation,
  readLoginQuery,
  safeDestination,
  unescapeDestination
} from '../../src/gate/login-url.ts';
import { beginLogin, isForeignPost, judgeLogin } from '../../src/gate/pre-login.ts';
import { open, seal } from '../../src/gate/seal.ts';
import { keyOfBasic, keyOfHandle, newHandle } from '../../src/gate/tokens.ts';
import { seeded } from '../fixture/random.ts';

function read<T>(file: string): T {
  // The files are ours and have these forms.
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')) as T;
}

const attacks = read<{ redirects: readonly string[]; curls: readonly string[] }>('attacks.json');
const legitimate = read<{ destinations: readonly string[] }>('legitimate.json');
const keys = gateKeys(Buffer.alloc(32, 7).toString('base64'));
const otherKeys = gateKeys(Buffer.alloc(32, 8).toString('base64'));

t.test('a wanted URL comes back as it was', async (t) => {
  t.equal(escapeDestination('/owa'), 'L2fowa');
  t.equal(escapeDestination('/L?l=%4C'), 'L2fL4cL3flL3dL254C');
  const random = seeded(1);
  for (let n = 0; n < 2000; n++) {
    const length = Math.floor(random() * 30);
    const url = String.fromCharCode(...Array.from({ length }, () => Math.floor(random() * 256)));
    const escaped = escapeDestination(url);
    t.match(escaped, /^[-.\w~]*$/);
    if (unescapeDestination(escaped) !== url) t.fail(JSON.stringify(url));
  }
  t.equal(unescapeDestination('L2Fowa'), '/owa', 'capitals in the digits');
  t.equal(escapeDestination(`/${'a'.repeat(3000)}`), '', 'too long to come back');
  t.equal(escapeDestination('/'.repeat(2000)), '', 'too long when escaped');
  t.equal(unescapeDestination('a'.repeat(5000)), undefined);
});

t.test('a login leads to a path on this host or to the fallback', async (t) => {
  for (const wanted of legitimate.destinations) {
    t.equal(safeDestination(escapeDestination(wanted)), wanted, wanted);
  }
  for (const wanted of attacks.redirects) {
    t.equal(safeDestination(escapeDestination(wanted), '/owa/'), '/owa/', JSON.stringify(wanted));
  }
  for (const curl of attacks.curls) {
    t.equal(safeDestination(curl, '/owa/'), '/owa/', JSON.stringify(curl));
  }
});

t.test('whatever is sent as curl, a browser stays on this host', async (t) => {
  const random = seeded(2);
  const pieces =
    'L2f L2f L5c / \\ // L2e . .. L09 L0d L0a L20 L40 L3a L3f L23 L25 2f 5c 09 evil.example https L3b owa L lm_auth_proxy L00 Lff'.split(
      ' '
    );
  let led = 0;
  for (let n = 0; n < 40_000; n++) {
    let curl = n % 2 ? 'L2f' : '';
    for (let k = random() * 7; k > 0; k--) curl += pieces[Math.floor(random() * pieces.length)];
    const to = safeDestination(curl, '/none');
    if (to === '/none') continue;
    led++;
    const url = new URL(to, 'https://mail.example.com/owa/');
    const isSafe =
      url.host === 'mail.example.com' &&
      url.username === '' &&
      url.href === `https://mail.example.com${to}` &&
      !/^\/lm_auth_proxy($|[/?])/i.test(decodeURIComponent(url.pathname));
    if (!isSafe) t.fail(`${curl} leads to ${to}`);
  }
  t.ok(led > 500, `${led} led somewhere`);
});

t.test('login URLs', async (t) => {
  const url = loginLocation('/owa/?a=b&c=d', '0-abc');
  t.equal(url, '/lm_auth_proxy?DoLMLogin?curl=L2fowaL2fL3faL3dbL26cL3dd&curlid=0-abc&curlmode=0');
  const query = url.slice(url.indexOf('?'));
  t.same(readLoginQuery(query), { page: 'login', curl: 'L2fowaL2fL3faL3dbL26cL3dd' });
  t.same(readLoginQuery('?DoLMLogin'), { page: 'login', curl: '' });
  t.same(readLoginQuery('?DoLMLogin?curlid=1&curl=L2f'), { page: 'login', curl: 'L2f' });
  for (const curl of ['/owa', 'L2', 'L2f"><b>', 'a'.repeat(4097)]) {
    t.same(readLoginQuery(`?DoLMLogin?curl=${curl}`), { page: 'login', curl: '' }, curl);
  }
  t.same(readLoginQuery('?LMLogon'), { page: 'logon' });
  t.same(readLoginQuery('?LMLogout'), { page: 'logout' });
  t.same(readLoginQuery('?LMimage=style.css'), { page: 'asset', file: 'style.css' });
  for (const query of ['', '?', '?x', '?xLMLogon', '?lmlogon']) {
    t.same(readLoginQuery(query), { page: 'unknown' }, query);
  }
});

t.test('login forms', async (t) => {
  const parse = (body: string) => parseLoginForm(Buffer.from(body, 'latin1'));
  t.same(
    parse(
      'curl=L2fowa&curlid=1-2&curlmode=0&username=CORP%5Canna+&password=p%26+%3D%25%C3%A4&pubpriv=1&submit=Sign+in'
    ),
    {
      user: 'CORP\\anna',
      password: 'p& =%\u00e4',
      curl: 'L2fowa',
      curlid: '1-2',
      isPrivate: true
    }
  );
  t.same(parse('username=&password='), {
    user: '',
    password: '',
    curl: '',
    curlid: '',
    isPrivate: false
  });
  t.match(parse('username=a&password=b&pubpriv=7'), { isPrivate: false });
  t.match(parse('username=a&password=b=c'), { password: 'b=c' }, 'as a browser would not send it');
  t.match(parse('user%6eame=a&password=b'), { user: 'a' }, 'escaped name');
  t.match(parse('username=a&password=%20b%20'), { password: ' b ' }, 'blanks of a password stay');
  for (const [body, why] of [
    ['', 'nothing'],
    ['username=a', 'no password'],
    ['password=a', 'no name'],
    ['username=a&username=b&password=c', 'two names'],
    ['username=a&user%6eame=b&password=c', 'two names, escaped'],
    ['username=a&password=c&password=c', 'two passwords'],
    ['username=a&password=b&curl=1&curl=2', 'two destinations'],
    ['username=a%00&password=b', 'NUL'],
    ['username=a&password=b%0d%0a', 'line end'],
    ['username=a%c2%85&password=b', 'C1'],
    ['username=a%7f&password=b', 'DEL'],
    ['username=a%ff&password=b', 'no UTF-8'],
    ['username=a&password=\u00ff', 'raw and no UTF-8'],
    ['username=a%c0%af&password=b', 'overlong'],
    ['username=a%&password=b', 'bad escape'],
    ['username=a%4&password=b', 'short escape'],
    ['username=a%4g&password=b', 'no hex'],
    [`username=${'a'.repeat(257)}&password=b`, 'long name'],
    [`username=a&password=${'b'.repeat(257)}`, 'long password'],
    [`username=a&password=b&x=${'c'.repeat(8192)}`, 'large body'],
    [`username=a&password=b${'&x'.repeat(40)}`, 'many fields']
  ] as const) {
    t.equal(parse(body), undefined, why);
  }
  t.match(parse(`username=${'a'.repeat(256)}&password=${'b'.repeat(256)}`), { curl: '' });
});

t.test('Authorization: Basic', async (t) => {
  const basic = (text: string, scheme = 'Basic ', encoding: 'utf8' | 'latin1' = 'utf8') =>
    parseBasic(scheme + Buffer.from(text, encoding).toString('base64'));
  t.same(basic('anna:secret'), { user: 'anna', password: 'secret' });
  t.same(basic('CORP\\anna:a:b:c'), { user: 'CORP\\anna', password: 'a:b:c' });
  t.same(basic('anna:'), { user: 'anna', password: '' });
  t.same(basic(':x'), { user: '', password: 'x' });
  t.same(basic('J\u00fcrgen:\u00e4\u20ac'), { user: 'J\u00fcrgen', password: '\u00e4\u20ac' });
  t.same(basic('J\u00fcrgen:\u00e4', 'basic ', 'latin1'), {
    user: 'J\u00fcrgen',
    password: '\u00e4'
  });
  t.same(
    basic('a:\x80', 'Basic ', 'latin1'),
    { user: 'a', password: '\u20ac' },
    'as Windows has it'
  );
  t.same(basic('a:b', 'BASIC   '), { user: 'a', password: 'b' });
  for (const [value, why] of [
    ['', 'nothing'],
    ['Basic', 'no credentials'],
    ['Basic ', 'no credentials'],
    ['Basic YW5uYQ==', 'no colon'],
    ['Basic YTpi=', 'too much padding'],
    ['Basic YTp', 'cut'],
    ['Basic YT-pi', 'other alphabet'],
    ['Basic YTpi YTpi', 'two'],
    ['Basic YTpi, Basic YTpi', 'two fields joined'],
    ['Basic\tYTpi', 'tab'],
    ['Bearer YTpi', 'another scheme'],
    ['XBasic YTpi', 'another scheme'],
    [`Basic ${'YTpi'.repeat(600)}`, 'large']
  ] as const) {
    t.equal(parseBasic(value), undefined, why);
  }
  for (const text of ['a\0:b', 'a:b\0', 'a\r\n:b', 'a:\x1f', 'a:\x7f', 'a\u0085:b']) {
    t.equal(basic(text), undefined, JSON.stringify(text));
  }
  t.equal(basic(`${'a'.repeat(257)}:b`), undefined);
  t.equal(basic(`a:${'b'.repeat(257)}`), undefined);
});

t.test('handles and keys', async (t) => {
  t.match(newHandle(), /^[\w-]{43}$/);
  t.not(newHandle(), newHandle());
  // `printf abc | sha256sum` in base64url
  t.equal(keyOfHandle('abc'), 'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0');
  const key = keyOfBasic(keys, 'corp', 'anna', 'secret');
  t.match(key, /^[\w-]{43}$/);
  t.equal(keyOfBasic(keys, 'corp', 'anna', 'secret'), key);
  for (const other of [
    keyOfBasic(otherKeys, 'corp', 'anna', 'secret'),
    keyOfBasic(keys, 'corp2', 'anna', 'secret'),
    keyOfBasic(keys, 'corp', 'Anna', 'secret'),
    keyOfBasic(keys, 'corp', 'anna', 'Secret'),
    keyOfBasic(keys, 'corpanna', '', 'secret'),
    keyOfBasic(keys, 'corp', 'annas', 'ecret')
  ]) {
    t.not(other, key);
  }
  t.throws(() => gateKeys('c2hvcnQ='), RangeError);
});

t.test('a login form is for the browser that asked for it, for ten minutes', async (t) => {
  const now = 1_800_000_000_000;
  const { token, setCookie } = beginLogin(keys, 'owa', [], now);
  const cookie = /__Host-lmlogin=[^;]+/.exec(setCookie)?.[0] ?? '';
  const judge = (cookies: string[], given = token, atMs = now, service = 'owa', by = keys) =>
    judgeLogin(by, service, cookies, given, atMs);
  t.equal(judge([cookie]), 'good');
  t.equal(judge([`a=1; ${cookie}`], token, now + 600_000), 'good');
  t.equal(judge([cookie], token, now + 600_001), 'late');
  t.equal(judge([]), 'no-cookie');
  t.equal(judge(['__Host-lmlogin=x']), 'no-cookie');
  t.equal(judge([`__Host-lmlogin=${newHandle()}`]), 'wrong', "an attacker's form");
  t.equal(judge([`__Host-lmlogin=${newHandle()}; ${cookie}`]), 'good', 'a stale copy beside');
  t.equal(judge([cookie], token, now, 'ecp'), 'wrong', "another service's form");
  t.equal(judge([cookie], token, now, 'owa', otherKeys), 'wrong', 'after a restart');
  const later = `${(now + 999_999).toString(36)}${token.slice(token.indexOf('-'))}`;
  for (const forged of [later, '', '-', token.slice(0, -1), `${token}x`, `x${token}`, 'a-b']) {
    t.equal(judge([cookie], forged), 'wrong', forged);
  }
  const second = beginLogin(keys, 'owa', [cookie], now + 5);
  t.equal(second.setCookie, setCookie, 'a second tab has the same cookie');
  t.equal(judge([cookie], second.token), 'good');
  t.equal(judge([cookie]), 'good', 'and the first tab is still good');
});

t.test("forms of other sites' pages", async (t) => {
  for (const [origin, site, foreign] of [
    // Chromium 156 with our page.
    ['null', 'same-origin', false],
    ['null', 'cross-site', true],
    ['null', 'same-site', true],
    ['null', 'none', false],
    ['null', undefined, false],
    [undefined, undefined, false],
    ['https://mail.example.com', undefined, false],
    ['https://MAIL.example.com', undefined, false],
    ['http://mail.example.com', undefined, true],
    ['https://mail.example.com.evil.example', undefined, true],
    ['https://mail.example.com', 'cross-site', true]
  ] as const) {
    t.equal(isForeignPost(origin, site, 'Mail.example.com'), foreign, `${origin} ${site}`);
  }
});

t.test('seals', async (t) => {
  const sealed = seal(keys, 'password', 'geheim \u00e4\u20ac');
  t.equal(open(keys, 'password', sealed), 'geheim \u00e4\u20ac');
  t.equal(open(keys, 'password', seal(keys, 'password', '')), '');
  t.not(seal(keys, 'password', 'x'), seal(keys, 'password', 'x'), 'a fresh nonce each time');
  t.notMatch(sealed, /geheim/);
  t.equal(open(keys, 'logon', sealed), undefined, 'another purpose');
  t.equal(open(otherKeys, 'password', sealed), undefined, 'another key');
  for (const changed of ['', 'AAAA', sealed.slice(0, -4), sealed.slice(4), `${sealed}AAAA`]) {
    t.equal(open(keys, 'password', changed), undefined, changed);
  }
  const bytes = Buffer.from(sealed, 'base64url');
  for (let i = 0; i < bytes.length; i++) {
    const flipped = Buffer.from(bytes);
    flipped[i] = (flipped[i] ?? 0) ^ 1;
    t.equal(open(keys, 'password', flipped.toString('base64url')), undefined, `byte ${i}`);
  }
});

t.test('a challenge is one field line, whatever the realm is called', (t) => {
  const realms = { 'CORP.EXAMPLE': 'CORP.EXAMPLE', 'a"b\\c': 'a\\"b\\\\c', 'č Ċ \r\n': '? ? ??' };
  for (const [realm, shown] of Object.entries(realms)) {
    const line = `WWW-Authenticate: Basic realm="${shown}", charset="UTF-8"\r\n`;
    t.equal(basicChallenge(realm), line);
  }
  t.end();
});
