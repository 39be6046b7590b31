// Pre-authentication on real sockets: what a client is told, and what of it a server ever sees.

import t from 'tap';
import { contentRule } from '../fixture/content-rule.ts';
import { espSettings } from '../fixture/esp.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { openSite } from '../fixture/site.ts';
import { ask, cookie, field, formBody, html, logOn, ok, openForm } from './pre-auth-scene.ts';
import { post, scene } from './pre-auth-scene.ts';

t.test('form: who has no session is shown the way, and nothing reaches the server', async (t) => {
  const { client, origin } = await scene(t);
  const { head } = await ask(client, '/owa/?a=b', html);
  t.match(head, /^HTTP\/1.1 302 /);
  t.match(
    field(head, 'location'),
    /^\/lm_auth_proxy\?DoLMLogin\?curl=L2fowaL2fL3faL3db&curlid=\S+&curlmode=0$/
  );
  t.match(
    (await ask(client, '/owa/service.svc', 'X-OWA-ActionName: x\r\n', 'POST')).head,
    /^HTTP\/1.1 440 /
  );
  t.match((await ask(client, '/owa/a', 'Accept: */*\r\n')).head, /^HTTP\/1.1 401 /);
  t.equal(origin.seen().length, 0);
});

t.test('form: a login leads back, with a session that the server never sees', async (t) => {
  const { client, origin, passes, site } = await scene(t);
  const { location, login } = await openForm(client, '/owa/?a=b');
  const page = await ask(client, location, `${html}Cookie: ${login}\r\n`);
  t.match(page.head, /^HTTP\/1.1 200 /);
  const hidden = (name: string): string =>
    new RegExp(`name="${name}" value="([^"]*)"`).exec(page.body)?.[1] ?? '';
  const sent = { curl: hidden('curl'), curlid: hidden('curlid') };
  client.send(post(login, formBody(sent, 'alice', 'right')));
  const answer = await client.message();
  t.match(answer.head, /^HTTP\/1.1 302 /);
  t.equal(field(answer.head, 'location'), '/owa/?a=b');
  t.match(
    answer.head,
    /set-cookie: __Host-lmdata=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax\r/i
  );
  t.strictSame(
    passes.asked.map(({ password }) => password),
    ['right']
  );
  t.equal(origin.seen().length, 0);
  const session = cookie(answer.head, '__Host-lmdata');
  const got = await ask(
    client,
    '/owa/?a=b',
    `Cookie: a=1; ${session}; b=2\r\nAuthorization: Basic eDp5\r\nX-Auth_User: eve\r\n`
  );
  t.match(got.head, /^HTTP\/1.1 200 /);
  const seen = origin.seen().toString('latin1');
  t.match(seen, /^GET \/owa\/\?a=b HTTP\/1\.1\r\n/);
  t.match(seen, /\r\nCookie: a=1; b=2\r\n/);
  t.match(seen, `\r\nAuthorization: Basic ${btoa('alice:right')}\r\n`);
  t.notMatch(seen, /eDp5|lmdata|eve/);
  const events = site.lines.filter(({ kind }) => kind !== undefined);
  t.match(events, [
    { kind: 'user', user: 'alice', outcome: 'logged on', client: '127.0.0.1' },
    { kind: 'connection', user: 'alice', outcome: 'connected' }
  ]);
  t.equal(events.length, 2);
});

t.test('form: the wrong password, and what is not ours', async (t) => {
  const { client, origin, passes } = await scene(t);
  const form = await openForm(client, '/owa/');
  client.send(post(form.login, formBody(form, 'alice', 'wrong')));
  const answer = await client.message();
  t.match(answer.head, /^HTTP\/1.1 200 /);
  t.match(answer.body, /check your user name and your password/);
  t.equal(cookie(answer.head, '__Host-lmdata'), '');
  const foreign = 'Origin: https://evil.example\r\n';
  client.send(post(form.login, formBody(form, 'alice', 'right'), foreign));
  t.match((await client.message()).body, /had been open for a while/);
  t.equal(passes.asked.length, 1, 'nobody is asked about a form of others');
  for (const forged of ['x'.repeat(43), '']) {
    t.match(
      (await ask(client, '/owa/', `${html}Cookie: __Host-lmdata=${forged}\r\n`)).head,
      /^HTTP\/1.1 302 /
    );
  }
  t.equal(origin.seen().length, 0);
});

t.test('logoff ends the session', async (t) => {
  const { client, origin, passes } = await scene(t);
  const { session } = await logOn(client);
  t.match((await ask(client, '/owa/', session)).head, /^HTTP\/1.1 200 /);
  const { head, body } = await ask(client, '/owa/logoff.owa?x', session);
  t.match(head, /set-cookie: __Host-lmdata=; /i);
  t.match(head, /set-cookie: cadata=; /i);
  t.match(body, /signed out/i);
  t.equal(passes.loggedOff.length, 1);
  t.notMatch(origin.seen().toString(), /logoff/);
  t.match((await ask(client, '/owa/', html + session)).head, /^HTTP\/1.1 302 /);
});

t.test('hosts and directories, in every mode', async (t) => {
  for (const clientMode of ['delegate', 'basic', 'form'] as const) {
    const narrow = { clientMode, serverMode: 'none', allowedDirectories: ['/owa/*'] } as const;
    const { client, origin } = await scene(t, narrow);
    client.send('GET /owa/ HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n');
    t.match((await client.message()).head, /^HTTP\/1.1 403 /);
    const again = await scene(t, narrow);
    t.match((await ask(again.client, '/owa-other')).head, /^HTTP\/1.1 403 /);
    const third = await scene(t, narrow);
    t.match((await ask(third.client, '/owa/%2e%2e/other')).head, /^HTTP\/1.1 400 /);
    for (const one of [origin, again.origin, third.origin]) t.equal(one.seen().length, 0);
  }
});

t.test('basic: asked once, then known; delegate and excluded paths go on', async (t) => {
  const basic = await scene(t, { clientMode: 'basic', excludedDirectories: ['/owa/open*'] });
  const { client, origin, passes } = basic;
  const { head } = await ask(client, '/owa/');
  t.match(head, /^HTTP\/1.1 401 /);
  t.equal(field(head, 'www-authenticate'), 'Basic realm="EXAMPLE.COM", charset="UTF-8"');
  const right = `Authorization: Basic ${btoa('alice:right')}\r\n`;
  for (let n = 0; n < 3; n++) t.match((await ask(client, '/owa/', right)).head, /^HTTP\/1.1 200 /);
  t.equal(passes.asked.length, 1);
  t.match(
    (await ask(client, '/owa/', `Authorization: Basic ${btoa('alice:wrong')}\r\n`)).head,
    /^HTTP\/1.1 401 /
  );
  t.match(
    (await ask(client, '/owa/open', 'Authorization: Basic eDp5\r\n')).head,
    /^HTTP\/1.1 200 /
  );
  t.match(origin.seen().toString(), /Basic eDp5/);
  const delegate = await scene(t, { clientMode: 'delegate', serverMode: 'none' });
  t.match(
    (await ask(delegate.client, '/owa/', 'Authorization: NTLM abc\r\n')).head,
    /^HTTP\/1.1 200 /
  );
  t.match(delegate.origin.seen().toString(), /NTLM abc/);
});

t.test('the log has the same words for both modes, and the reason', async (t) => {
  for (const clientMode of ['basic', 'form'] as const) {
    const { site, client, passes } = await scene(t, { clientMode, serverMode: 'none' });
    const tryIt = async (user: string): Promise<string> => {
      if (clientMode === 'basic') {
        const fields = `Authorization: Basic ${btoa(`${user}:wrong`)}\r\n`;
        return (await ask(client, '/owa/', fields)).head;
      }
      const form = await openForm(client, '/owa/');
      client.send(post(form.login, formBody(form, user, 'wrong')));
      return (await client.message()).head;
    };
    await tryIt('CORP\\alice');
    await tryIt('\\u{41}lice');
    passes.answer = { outcome: 'blocked' };
    await tryIt('alice');
    passes.answer = { outcome: 'unavailable' };
    t.match(await tryIt('alice'), /^HTTP\/1.1 503 /);
    t.match(
      site.lines.filter(({ kind }) => kind === 'user'),
      [
        { user: 'CORP\\alice', outcome: 'denied access', reason: 'wrong' },
        { user: '\\u{5c}u{41}lice', outcome: 'denied access' },
        { user: 'alice', outcome: 'blocked access' },
        { user: 'alice', outcome: 'cannot be asked' }
      ]
    );
  }
});

t.test('server form: signed in once, cookies handed on', async (t) => {
  const { client, origin } = await scene(t, { serverMode: 'form' });
  origin.serve((socket, bytes) => {
    const text = bytes.toString('latin1');
    if (text.startsWith('POST /owa/auth.owa')) {
      const isRight = text.includes('username=alice&password=right');
      socket.end(
        isRight
          ? 'HTTP/1.1 302 Found\r\nLocation: /owa/\r\nSet-Cookie: cadata=abc; path=/; HttpOnly\r\nSet-Cookie: cadataTTL=x; path=/\r\nContent-Length: 0\r\n\r\n'
          : 'HTTP/1.1 302 Found\r\nLocation: /owa/auth/logon.aspx?reason=2\r\nContent-Length: 0\r\n\r\n'
      );
    } else socket.write(ok);
  });
  const { session } = await logOn(client);
  const first = await ask(client, '/owa/?a=b', html + session);
  t.match(first.head, /^HTTP\/1.1 302 /);
  t.equal(field(first.head, 'location'), '/owa/?a=b');
  t.match(first.head, /set-cookie: cadata=abc; path=\/; HttpOnly\r\nset-cookie: cadataTTL=x/i);
  const then = await ask(client, '/owa/?a=b', html + session.replace('\r', '; cadata=abc\r'));
  t.match(then.head, /^HTTP\/1.1 200 /);
  t.notMatch(origin.seen().toString(), /Authorization/i);
});

t.test('forms of two services: each answers to its own host', async (t) => {
  const passes = new LocalPasses({ alice: 'right' });
  const admin = espSettings({ allowedHosts: ['admin.example.com'], serverMode: 'none' });
  const site = await openSite(t, {
    passes,
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [1], settings: { esp: espSettings() } },
      { name: 'ECP', prefix: '/ecp', servers: [1], settings: { esp: admin } }
    ]
  });
  const client = await site.client();
  const asked = async (request: string): Promise<string> => {
    client.send(request.replaceAll('mail.example.com', 'admin.example.com'));
    return (await client.message()).head;
  };
  const get = (target: string): string =>
    `GET ${target} HTTP/1.1\r\nHost: mail.example.com\r\n${html}\r\n`;
  const redirect = await asked(get('/ecp/'));
  const [, curl = '', curlid = ''] = /curl=([^&]*)&curlid=([^&]*)/.exec(redirect) ?? [];
  t.match(await asked(get('/lm_auth_proxy?LMimage=style.css')), /^HTTP\/1.1 200 /);
  t.match(await asked(get(field(redirect, 'location'))), /^HTTP\/1.1 200 /);
  const body = formBody({ curl, curlid }, 'alice', 'right');
  const signedIn = await asked(post(cookie(redirect, '__Host-lmlogin'), body));
  t.match(signedIn, /^HTTP\/1.1 302 [^]*__Host-lmdata=/);
  t.match(passes.asked, [{ ask: { service: 'site/ECP' } }]);
  client.send('GET /lm_auth_proxy?LMLogon HTTP/1.1\r\nHost: other.example.com\r\n\r\n');
  t.match((await client.message()).head, /^HTTP\/1.1 403 /);
});

t.test('an open form stays good when a reload brings another one', async (t) => {
  const passes = new LocalPasses({ alice: 'right' });
  const owa = {
    name: 'OWA',
    prefix: '/owa',
    servers: [1],
    settings: { esp: espSettings({ serverMode: 'none' }) }
  };
  const site = await openSite(t, { passes, subVSs: [owa] });
  const client = await site.client();
  const form = await openForm(client, '/owa/');
  const ecp = { ...owa, name: 'ECP', prefix: '/ecp' };
  site.reload({ subVSs: [ecp, owa] });
  client.send(post(form.login, formBody(form, 'alice', 'right')));
  t.match((await client.message()).head, /^HTTP\/1.1 302 [^]*__Host-lmdata=/);
  t.match(passes.asked, [{ ask: { service: 'site/OWA' } }]);
});

t.test('whom a rule keeps out gets no form', async (t) => {
  const rule = contentRule({
    name: 'not from here',
    matchType: 'prefix',
    pattern: '127.',
    header: 'src-ip',
    mustFail: true
  });
  const site = await openSite(t, {
    subVSs: [{ name: 'OWA', prefix: '/', servers: [1], settings: { esp: espSettings() } }],
    service: { preProcessRules: [rule] }
  });
  const target = '/lm_auth_proxy?DoLMLogin?curl=L2fowa&curlid=0-x&curlmode=0';
  t.match((await ask(await site.client(), target, html)).head, /^HTTP\/1.1 403 /);
  site.reload({
    subVSs: [{ name: 'OWA', prefix: '/', servers: [1], settings: { esp: espSettings() } }]
  });
  t.match((await ask(await site.client(), target, html)).head, /^HTTP\/1.1 200 /);
});
