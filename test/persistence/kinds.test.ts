// What each mode knows a client by. Values in, values out.

import t from 'tap';
import { networkTest } from '../../src/net/address.ts';
import { findCookie, findSetCookie } from '../../src/persistence/cookie-text.ts';
import { cookieValue, setCookieField, usualCookieName } from '../../src/persistence/own-cookie.ts';
import type { KeyOf, PersistenceFacts } from '../../src/persistence/persistence.ts';
import { persistences, type PersistenceName } from '../../src/persistence/registry.ts';

interface Request {
  readonly source?: string;
  readonly path?: string;
  readonly query?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function facts({ source, path, query, host, headers = {} }: Request): PersistenceFacts {
  return {
    path: () => path ?? '/',
    query: () => query ?? '',
    host: () => host ?? '',
    sourceAddress: () => source ?? '192.0.2.1',
    header: (name) => headers[name],
    cookie: (name) => findCookie(headers['cookie'] ?? '', name)
  };
}

interface Options {
  readonly name?: string;
  readonly maskBits?: number;
  readonly maskBits6?: number;
  readonly trusted?: readonly string[];
}

function keyOf(mode: PersistenceName, options: Options = {}): (request: Request) => string {
  const { name = '', maskBits = 32, maskBits6 = 128, trusted = [] } = options;
  const make: ((options: Parameters<NonNullable<typeof kind.keyOf>>[0]) => KeyOf) | undefined =
    persistences[mode].keyOf;
  const kind = persistences.src;
  const key = make?.({ name, maskBits, maskBits6, isTrusted: networkTest(trusted) });
  return (request) => key?.(facts(request)) ?? 'no key';
}

const digested = /^[\w-]{22}$/;

t.test('src', async (t) => {
  const host = keyOf('src');
  t.equal(host({ source: '192.0.2.7' }), '192.0.2.7');
  t.equal(host({ source: '2001:db8::7' }), '2001:db8::7');
  const network = keyOf('src', { maskBits: 20, maskBits6: 52 });
  t.equal(network({ source: '10.1.31.255' }), '10.1.16.0/20');
  t.equal(network({ source: '10.1.16.0' }), '10.1.16.0/20');
  t.equal(network({ source: '10.1.32.0' }), '10.1.32.0/20');
  t.equal(network({ source: '2001:db8:1:2fff::7' }), '2001:db8:1:2000::/52');
  t.equal(network({ source: 'fe80::1%eth0' }), 'fe80::/52');
});

t.test('super-src', async (t) => {
  const forwarded = (value: string, source = '10.0.0.1'): Request => ({
    source,
    headers: { 'x-forwarded-for': value }
  });
  t.equal(keyOf('super-src')(forwarded('192.0.2.9')), '10.0.0.1', 'nobody is trusted');
  const key = keyOf('super-src', { trusted: ['10.0.0.0/8', '2001:db8::/32'], maskBits: 24 });
  t.equal(key(forwarded('192.0.2.9, 10.0.0.7')), '192.0.2.0/24', 'the first one');
  t.equal(key(forwarded('192.0.2.9', '172.16.0.1')), '172.16.0.0/24', 'not from there');
  t.equal(key(forwarded('192.0.2.9', '2001:db8::1')), '192.0.2.0/24');
  t.equal(key(forwarded(' 192.0.2.9:5060 ')), '192.0.2.0/24');
  t.equal(key(forwarded('[2001:DB8::0:9]:443')), '2001:db8::9');
  t.equal(key(forwarded('::ffff:192.0.2.9')), '192.0.2.0/24');
  for (const nonsense of [
    '',
    ',192.0.2.9',
    'unknown',
    '192.0.2',
    '\xff\0',
    `${'1'.repeat(70_000)}`
  ]) {
    t.equal(key(forwarded(nonsense)), '10.0.0.0/24', JSON.stringify(nonsense.slice(0, 20)));
  }
  t.equal(key({ source: '10.0.0.1' }), '10.0.0.0/24');
});

t.test('super', async (t) => {
  const key = keyOf('super');
  const agent = 'Outlook/16';
  const basic = key({ headers: { 'user-agent': agent, authorization: 'Basic YWxpY2U6eA==' } });
  t.match(basic, digested);
  t.equal(key({ headers: { authorization: 'Basic YWxpY2U6eA==', 'user-agent': agent } }), basic);
  t.not(key({ headers: { 'user-agent': agent, authorization: 'Basic Ym9iOng=' } }), basic);
  t.not(key({ headers: { 'user-agent': 'Mail', authorization: 'Basic YWxpY2U6eA==' } }), basic);
  const alone = key({ headers: { 'user-agent': agent } });
  t.match(alone, digested);
  for (const token of ['NTLM TlRMTVNTUAAB', 'Negotiate YIIabc', 'ntlm x', 'NEGOTIATE']) {
    t.equal(key({ headers: { 'user-agent': agent, authorization: token } }), alone, token);
  }
  t.equal(key({}), 'no key');
  t.equal(key({ headers: { authorization: 'NTLM x' } }), 'no key');
});

t.test('cookie and cookie-src', async (t) => {
  const key = keyOf('cookie', { name: 'sid' });
  const of = (cookie: string): Request => ({ headers: { cookie } });
  const a = key(of('sid=a'));
  t.match(a, digested);
  t.equal(key(of('other=1; sid=a; more=2')), a);
  t.not(key(of('sid=b')), a);
  t.equal(key(of('SID=a')), 'no key', 'names of cookies know upper and lower case');
  t.equal(key(of('sid=')), 'no key');
  t.equal(key({}), 'no key');
  const orSource = keyOf('cookie-src', { name: 'sid', maskBits: 8 });
  t.equal(orSource(of('sid=a')), a);
  t.equal(orSource({ source: '10.9.9.9' }), '10.0.0.0/8');
});

t.test('url, query-hash, host and header', async (t) => {
  const url = keyOf('url');
  t.match(url({ path: '/a', query: '?b=1' }), digested);
  t.equal(url({ path: '/a', query: '?b=1' }), url({ path: '/a', query: '?b=1' }));
  t.not(url({ path: '/a', query: '?b=1' }), url({ path: '/a', query: '?b=2' }));
  t.not(url({ path: '/a' }), url({ path: '/b' }));

  const item = keyOf('query-hash', { name: 'WOPISrc' });
  const doc = item({ query: '?WOPISrc=doc1' });
  t.match(doc, digested);
  t.equal(item({ query: '?x=1&WOPISrc=doc1&y=2' }), doc);
  t.equal(item({ query: '?x=1&WOPISrc=doc1&WOPISrc=doc2' }), doc, 'the first one');
  t.not(item({ query: '?WOPISrc=doc2' }), doc);
  for (const query of [
    '',
    '?',
    '?&&',
    '?WOPISrc',
    '?WOPISrc=',
    '?xWOPISrc=doc1',
    '?x=WOPISrc=doc1'
  ]) {
    t.equal(item({ query }), 'no key', query);
  }

  const host = keyOf('host');
  t.match(host({ host: 'mail.example.com' }), digested);
  t.not(host({ host: 'mail.example.com' }), host({ host: 'oos.example.com' }));
  t.equal(host({}), 'no key');

  const header = keyOf('header', { name: 'x-session' });
  t.match(header({ headers: { 'x-session': 'secret' } }), digested);
  t.not(header({ headers: { 'x-session': 'a' } }), header({ headers: { 'x-session': 'b' } }));
  t.equal(header({ headers: { other: 'a' } }), 'no key');
  t.equal(header({ headers: { 'x-session': '' } }), 'no key');
});

t.test('active-cookie needs no table, active-cook-src falls back on the address', async (t) => {
  t.equal(persistences['active-cookie'].keyOf, undefined);
  t.equal(keyOf('active-cook-src')({ source: '192.0.2.7' }), '192.0.2.7');
  t.equal(persistences['active-cook-src'].cookie, 'own');
});

t.test('whatever a client sends, a key is short and shows nothing of it', async (t) => {
  const huge = 'sid=' + '\xff\x01; ='.repeat(16_384);
  const headers = { cookie: huge, 'user-agent': huge, authorization: huge, 'x-session': huge };
  const request = { headers, path: huge, query: `?sid=${huge}`, host: huge };
  for (const mode of Object.keys(persistences) as PersistenceName[]) {
    if (mode === 'active-cookie') continue;
    const name = mode === 'header' ? 'x-session' : 'sid';
    t.match(keyOf(mode, { name })(request), /^(?:[\w-]{22}|192\.0\.2\.1)$/, mode);
  }
});

t.test('cookies in a Cookie field', async (t) => {
  const cases: readonly (readonly [text: string, value: string | undefined])[] = [
    ['sid=1', '1'],
    ['a=2; sid=1', '1'],
    ['a=2;sid=1;b=3', '1'],
    ['a=2;\t sid = 1', undefined],
    ['xsid=0; sid=1', '1'],
    ['a=sid=0; sid=1', '1'],
    ['sidx=0; sid="q"', '"q"'],
    ['sid', undefined],
    ['sid; sid=1', '1'],
    ['sid= 1 ; b=2', '1'],
    ['sid=1; sid=2', '1'],
    ['sid=a=b==', 'a=b=='],
    ['', undefined],
    ['sid='.repeat(16_384), 'sid='.repeat(16_383)]
  ];
  for (const [text, value] of cases) t.equal(findCookie(text, 'sid'), value, text.slice(0, 40));
  const startedMs = performance.now();
  findCookie(`${' '.repeat(32_768)}xsid`.repeat(64), 'sid');
  t.ok(performance.now() - startedMs < 500, 'in linear time');
  t.equal(findSetCookie('sid=1; Path=/; HttpOnly', 'sid'), '1');
  t.equal(findSetCookie('sid=', 'sid'), '');
  t.equal(findSetCookie('sidx=1', 'sid'), undefined);
  t.equal(findSetCookie('a=1; sid=2', 'sid'), undefined, 'that is an attribute');
});

t.test('our own cookie', async (t) => {
  const value = cookieValue('secret', '10.0.0.11:443');
  t.match(value, digested);
  t.equal(cookieValue('secret', '10.0.0.11:443'), value, 'the same in every worker');
  t.not(cookieValue('secret', '10.0.0.12:443'), value);
  t.not(cookieValue('other', '10.0.0.11:443'), value, 'nobody can try addresses');
  t.match(usualCookieName('mail/OWA'), /^Ballast-[\w-]{8}$/);
  t.not(usualCookieName('mail/OWA'), usualCookieName('mail/ECP'));
  t.equal(
    setCookieField('Where', 'v', 600, true),
    'Set-Cookie: Where=v; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None\r\n'
  );
  t.equal(
    setCookieField('Where', 'v', 60, false),
    'Set-Cookie: Where=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax\r\n'
  );
});
