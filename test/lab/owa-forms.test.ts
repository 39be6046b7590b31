// The log-on form of the stand-in, as browsers meet it and as a proxy that fills it in.

import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { startExchange, type Exchange } from '../../src/lab/exchange.ts';
import type { OwaSettings } from '../../src/lab/owa-forms.ts';
import type { LabUser } from '../../src/lab/sign-in.ts';
import { Peer } from './peer.ts';

const alice = { domain: 'CORP', name: 'alice', password: 'Right-1' };
const carol = { domain: 'CORP', name: 'carol', password: 'Old-1', expired: true };
const html = 'Accept: text/html,*/*\r\n';
const basic = (pair: string): string => `Authorization: Basic ${btoa(pair)}\r\n`;

interface Form {
  readonly exchange: Exchange;
  readonly ask: (method: string, target: string, fields?: string, body?: string) => Promise<Answer>;
  /** Posts the form; further fields replace its own. */
  readonly logOn: (fields?: Readonly<Record<string, string>>) => Promise<Answer>;
}

interface Answer {
  readonly head: string;
  readonly body: string;
  readonly status: number;
  readonly location: string;
  /** Names and values for `Cookie`. */
  readonly cookies: string;
}

async function open(
  t: Test,
  owa: Partial<OwaSettings>,
  users: readonly LabUser[] = [alice, carol]
): Promise<Form> {
  const exchange = await startExchange({ name: 'ex01.lab.example', http: {}, owa, users });
  t.teardown(() => exchange.close());
  const ask = async (method: string, target: string, fields = '', body = ''): Promise<Answer> => {
    const socket = connect({ port: exchange.ports.http, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    const peer = new Peer(socket);
    peer.say(
      `${method} ${target} HTTP/1.1\r\nHost: mail:8443\r\n${fields}` +
        `Content-Length: ${body.length}\r\n\r\n${body}`
    );
    const answer = await peer.answer();
    socket.destroy();
    const { head } = answer;
    return {
      ...answer,
      status: Number(head.slice(9, 12)),
      location: /\r\nLocation: (\S+)/.exec(head)?.[1] ?? '',
      cookies: [...head.matchAll(/\r\nSet-Cookie: ([^;]+)/g)].map(([, one]) => one).join('; ')
    };
  };
  const logOn = (fields: Readonly<Record<string, string>> = {}): Promise<Answer> => {
    const form = {
      destination: 'https://mail:8443/owa/?path=/calendar',
      flags: '4',
      forcedownlevel: '0',
      username: 'CORP\\alice',
      password: 'Right-1',
      passwordText: '',
      isUtf8: '1',
      ...fields
    };
    return ask('POST', '/owa/auth.owa', '', new URLSearchParams(form).toString());
  };
  return { exchange, ask, logOn };
}

t.test('strangers are shown the form, programs are told 440', async (t) => {
  const { ask } = await open(t, { signIn: 'form' });
  for (const path of ['/owa/?path=/calendar', '/ecp/']) {
    const { status, location } = await ask('GET', path, basic('alice:Right-1'));
    t.equal(status, 302, 'a name in the head counts for nothing');
    const wanted = encodeURIComponent(`https://mail:8443${path}`);
    t.equal(location, `/owa/auth/logon.aspx?replaceCurrent=1&url=${wanted}`);
  }
  t.equal((await ask('POST', '/owa/service.svc', '', 'x')).status, 440);
  t.equal((await ask('POST', '/owa/auth/owaauth.dll', '', 'x')).status, 440);
  const { body } = await ask('GET', '/owa/auth/logon.aspx?reason=2&url=%22%3E%3Cscript%3E');
  t.match(body, 'user name or password is not correct');
  t.notMatch(body, '<script');
});

t.test('five cookies, good on every server, until they are over', async (t) => {
  const first = await open(t, { signIn: 'form' });
  const second = await open(t, { signIn: 'form' });
  const { status, location, cookies, head } = await first.logOn();
  t.equal(status, 302);
  t.equal(location, 'https://mail:8443/owa/?path=/calendar');
  const given = [
    ...head.matchAll(/\r\nSet-Cookie: (\w+)=[^;]+; path=\/; secure(; HttpOnly)?(?=\r)/g)
  ];
  t.strictSame(
    given.map(([, name, only]) => [name, only !== undefined]),
    [
      ['cadata', true],
      ['cadataTTL', true],
      ['cadataKey', true],
      ['cadataIV', true],
      ['cadataSig', true],
      ['PrivateComputer', false]
    ]
  );
  const page = await second.ask('GET', '/ecp/', `Cookie: a=b; ${cookies}\r\n`);
  t.match(page.body, 'User: CORP\\alice');

  const reasonFor = async (form: Form, line: string): Promise<string> => {
    const { location: place } = await form.ask('GET', '/owa/', `Cookie: ${line}\r\n`);
    return /logon\.aspx\?replaceCurrent=1(?:&reason=(\d))?&/.exec(place)?.[1] ?? '0';
  };
  t.equal(await reasonFor(first, cookies.replace('cadataIV=', 'cadataIV=x')), '0');
  t.equal(await reasonFor(first, cookies.replace('alice', 'bob')), '0', 'a forged name');
  t.equal(await reasonFor(first, cookies.replace(/cadataTTL=\d+/, 'cadataTTL=9999999999999')), '3');
  const short = await open(t, { signIn: 'form', publicMs: 0 });
  const over = await short.logOn({ flags: '0' });
  t.notMatch(over.cookies, 'PrivateComputer');
  t.equal(await reasonFor(short, over.cookies), '3');
  second.exchange.setPassword('alice', 'Right-2');
  t.equal(await reasonFor(second, cookies), '4');
});

t.test('wrong passwords, foreign destinations, formats of names', async (t) => {
  const { ask, logOn } = await open(t, { signIn: 'form' });
  for (const fields of [{ password: 'x' }, { username: 'nobody' }, { username: '' }]) {
    const { status, location, cookies } = await logOn(fields);
    t.equal(status, 302);
    t.match(location, /^\/owa\/auth\/logon\.aspx\?replaceCurrent=1&reason=2&url=https/);
    t.equal(cookies, '');
  }
  for (const destination of ['https://evil.example/', '//evil.example', 'javascript:1', '']) {
    t.equal((await logOn({ destination })).location, '/owa/', destination);
  }
  const names = ['CORP\\alice', 'alice@corp.example', 'alice'];
  const taken = { any: '111', domain: '100', principal: '010', username: '001' } as const;
  for (const [nameFormat, expected] of Object.entries(taken)) {
    const form = await open(t, { signIn: 'form', nameFormat: nameFormat as keyof typeof taken });
    const answers = await Promise.all(names.map((username) => form.logOn({ username })));
    t.equal(answers.map(({ cookies }) => Number(cookies !== '')).join(''), expected, nameFormat);
  }
  const off = await ask('GET', '/owa/logoff.owa');
  t.match(off.location, /^\/owa\/auth\/logon\.aspx\?replaceCurrent=1&reason=1$/);
  t.equal(off.cookies, 'cadata=; cadataTTL=; cadataKey=; cadataIV=; cadataSig=');
});

t.test('an expired password leads to where it is changed', async (t) => {
  const { ask, logOn, exchange } = await open(t, { signIn: 'form' });
  const sent = { username: 'carol', password: 'Old-1' };
  const { location, cookies } = await logOn(sent);
  t.equal(location, '/owa/auth/expiredpassword.aspx?url=/owa/auth.owa');
  t.equal(cookies, '');
  t.match((await logOn({ ...sent, password: 'x' })).location, 'reason=2');
  const change = (oldPwd: string, newPwd1: string, newPwd2 = newPwd1): Promise<Answer> => {
    const form = new URLSearchParams({ username: 'carol', oldPwd, newPwd1, newPwd2 });
    return ask('POST', '/owa/auth/expiredpassword.aspx', '', form.toString());
  };
  t.match((await ask('GET', location)).body, 'New password again');
  t.match((await change('x', 'New-1')).body, 'is not correct');
  for (const [one, other] of [['New-1', 'New-2'], ['Old-1'], ['']] as const) {
    t.match((await change('Old-1', one, other)).body, 'the same new password twice');
  }
  const told = once(exchange.events, 'password');
  t.match((await change('Old-1', 'New-1')).body, 'has been changed');
  t.strictSame(await told, ['carol', 'New-1']);
  t.match((await logOn({ ...sent, password: 'New-1' })).cookies, 'cadata=CORP');
});

t.test('without forms Basic is asked for and nothing else is taken', async (t) => {
  const { ask } = await open(t, { signIn: 'basic' });
  const form = await open(t, { signIn: 'form' });
  const { cookies } = await form.logOn();
  for (const fields of [html, `Cookie: ${cookies}\r\n`, 'Authorization: NTLM TlRMTVNTUAAB\r\n']) {
    const { status, head } = await ask('GET', '/owa/', fields);
    t.equal(status, 401);
    t.strictSame(head.match(/WWW-Authenticate: .*/g), [
      'WWW-Authenticate: Basic realm="ex01.lab.example"'
    ]);
  }
  t.equal((await ask('GET', '/owa/auth/logon.aspx')).status, 401);
  t.equal((await ask('GET', '/owa/', basic('carol:Old-1'))).status, 401, 'an expired password');
  t.match((await ask('GET', '/owa/', basic('CORP\\alice:Right-1'))).body, 'User: CORP\\alice');
  const off = await ask('GET', '/owa/logoff.owa', basic('alice:Right-1'));
  t.match(off.body, 'Close all browser windows');
});

t.test('as the lab has it: browsers see the form, programs sign in as they like', async (t) => {
  const { ask, logOn } = await open(t, {});
  t.equal((await ask('GET', '/owa/', html)).status, 302);
  t.equal((await ask('GET', '/owa/')).status, 401);
  t.equal((await ask('GET', '/owa/', html + basic('alice:Right-1'))).status, 200);
  const { cookies } = await logOn();
  t.equal((await ask('GET', '/owa/', `${html}Cookie: ${cookies}\r\n`)).status, 200);
  t.match(
    (await ask('GET', '/owa/', `Cookie: ${cookies.replace('cadataSig', 'x')}\r\n`)).location,
    'logon.aspx'
  );
});
