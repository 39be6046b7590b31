// Fields of a request that the gate reads or takes away: our cookies among all others, and those by
// which a client might call itself somebody.

import t from 'tap';
import {
  expireExchange,
  expireLogin,
  expireSession,
  findHandles,
  loginCookie,
  sessionCookie,
  setLogin,
  setSession,
  withoutOurCookies
} from '../../src/gate/cookies.ts';
import { isIdentityField, isIdentityFieldAt } from '../../src/gate/identity-fields.ts';
import { newHandle } from '../../src/gate/tokens.ts';
import { seeded } from '../fixture/random.ts';

t.test(
  'cookies of ours are found, all of them, and nothing that only looks like one',
  async (t) => {
    const [one, two, three] = [newHandle(), newHandle(), newHandle()];
    const find = (...cookies: string[]) => findHandles(cookies, sessionCookie);
    t.same(find(`__Host-lmdata=${one}`), [one]);
    t.same(find(`a=1; __Host-lmdata=${one}; b=2;__Host-lmdata=${two}`), [one, two]);
    t.same(find(`a=1`, `__Host-lmdata=${one}`, `b; \t__Host-lmdata = ${two} `), [one, two]);
    t.same(find(`__Host-lmdata=${one}; __Host-lmdata=${one}`), [one], 'once each');
    t.same(find(`__Host-lmdata=stale; __Host-lmdata=${three}`), [three], 'malformed ones aside');
    for (const cookie of [
      `x__Host-lmdata=${one}`,
      `__Host-lmdatax=${one}`,
      `__host-lmdata=${one}`,
      `lmdata=${one}`,
      `a=__Host-lmdata=${one}`,
      `a="; __Host-lmlogin=${one}`,
      `a=1, __Host-lmdata=${one}`,
      `\u00a0__Host-lmdata=${one}`,
      `\u0085__Host-lmdata=${one}`,
      `__Host-lmdata="${one}"`,
      `__Host-lmdata=${one}x`,
      `__Host-lmdata=${one.slice(1)}`,
      `__Host-lmdata`,
      ''
    ]) {
      t.same(find(cookie), [], cookie);
    }
    const many = Array.from({ length: 50 }, () => `__Host-lmdata=${newHandle()}`).join('; ');
    t.equal(find(many).length, 4, 'so many are asked about and no more');
  }
);

t.test('servers see no cookie of ours, and all others as they came', async (t) => {
  const [one, two] = [newHandle(), newHandle()];
  for (const [cookies, want] of [
    ['a=1; b=2', 'a=1; b=2'],
    [`__Host-lmdata=${one}`, ''],
    [`a=1; __Host-lmdata=${one}; b="x;y"`, 'a=1; b="x;y"'],
    [`__Host-lmdata=${one};a=1;  b=2`, 'a=1;  b=2'],
    [`a=1; __Host-lmlogin=${one}; __Host-lmdata=${two}`, 'a=1'],
    [`a=1;\t__Host-lmdata = ${one}`, 'a=1'],
    [`__Host-lmdata=${one}; __Host-lmlogin=${two}; a=1`, 'a=1'],
    [`__Host-lmdata=${one}; __Host-lmlogin=${two}`, ''],
    [`a=1; __Host-lmdata=${one}; b=2; __Host-lmlogin=${two}; c=3`, 'a=1; b=2; c=3'],
    [`\u00a0a=1; __Host-lmdata=${one}; b=\u00a0`, '\u00a0a=1; b=\u00a0'],
    [`a=__Host-lmdata`, 'a=__Host-lmdata'],
    [`__Host-lmdatax=1; x__Host-lmdata=2`, '__Host-lmdatax=1; x__Host-lmdata=2'],
    [`a=1; ; =; __Host-lmdata`, 'a=1; ; =']
  ] as const) {
    t.equal(withoutOurCookies(cookies), want, cookies);
  }
  const random = seeded(3);
  const pieces = ['a=1', ';', '; ', ' ', '\t', '=', ',', '"', sessionCookie, loginCookie, one, two];
  for (let n = 0; n < 20_000; n++) {
    let cookies = '';
    for (let k = random() * 12; k > 0; k--) cookies += pieces[Math.floor(random() * pieces.length)];
    const left = withoutOurCookies(cookies);
    const found = [sessionCookie, loginCookie].flatMap((name) => findHandles([left], name));
    const others = cookies
      .split(';')
      .filter((pair) => !/^[ \t]*__Host-lm(?:data|login)[ \t]*(?:=|$)/.test(pair))
      .join(';')
      .replace(/^[ \t]+|[ \t]+$/g, '');
    const isChanged = others.length < cookies.replace(/^[ \t]+|[ \t]+$/g, '').length;
    if (found.length > 0 || left !== (isChanged ? others : cookies))
      t.fail(JSON.stringify(cookies));
  }
});

t.test('Set-Cookie lines', async (t) => {
  const handle = newHandle();
  t.equal(
    setSession(handle),
    `Set-Cookie: __Host-lmdata=${handle}; Path=/; Secure; HttpOnly; SameSite=Lax\r\n`
  );
  t.match(
    setLogin(handle),
    /^Set-Cookie: __Host-lmlogin=.{43}; Path=\/; Secure; HttpOnly; S.*\r\n$/
  );
  // A browser takes back a `__Host-` cookie only with what it was given with.
  for (const line of [expireSession, expireLogin]) {
    t.match(
      line,
      /^Set-Cookie: __Host-lm\w+=; Path=\/; Expires=.*1970.*; Max-Age=0; Secure; H.*\r\n$/
    );
  }
  t.same(
    expireExchange.split('\r\n').map((line) => /^Set-Cookie: (\w+)=; Path=\//.exec(line)?.[1]),
    ['cadata', 'cadataTTL', 'cadataKey', 'cadataIV', 'cadataSig', undefined]
  );
});

t.test('fields by which a client calls itself somebody', async (t) => {
  const asked = [
    'x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-preferred-username',
    'x-forwarded-access-token x-forwarded-uri x-forwarded-method x-forwarded-prefix x_forwarded_user',
    'x-original-url x-rewrite-url x_original_url x-original_url x-commonaccesstoken x-isfromcafe',
    'x-sourcecafeserver msexchlogonaccount msexchlogonmailbox msexchtargetmailbox msexch',
    'remote-user remote_user x-remote-user x-auth-request-user x-auth-request-email x-webauth-user',
    'x-ms-client-principal x-ms-client-principal-name auth-user auth_user logon_user'
  ];
  const passed = [
    'host accept cookie authorization user-agent content-type content-length x-requested-with',
    'x-forwarded-for x-forwarded-proto x-forwarded-host x-anchormailbox x-user-identity',
    'x-prefer-serveraffinity x-owa-canary x-owa-actionname x-clientinfo x-requestid x-requesttype',
    'x-mapihttpcapability ms-asprotocolversion x-ms-policykey x-ms-wl x-backendoverridecookie',
    'referer range msexc x xx accept-auth-user allow expect x-forwardeduser x-ms-client'
  ];
  for (const name of asked.join(' ').split(' ')) {
    t.ok(isIdentityField(name), name);
    const bytes = Buffer.from(`GET ${name.toUpperCase()}: x`);
    t.ok(isIdentityFieldAt(bytes, 4, 4 + name.length), `${name} in capitals`);
  }
  for (const name of passed.join(' ').split(' ')) {
    t.notOk(isIdentityField(name), name);
    t.notOk(isIdentityFieldAt(Buffer.from(name), 0, name.length), name);
  }
  t.notOk(isIdentityField(''));
});
