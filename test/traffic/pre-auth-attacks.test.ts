// Attacks on pre-authentication, on real sockets: by who has no account, by who has one, and by a page
// on another site.

import t from 'tap';
import { sessionCookie } from '../../src/gate/cookies.ts';
import { espSettings } from '../fixture/esp.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { startOrigin } from '../fixture/origin.ts';
import { openSite } from '../fixture/site.ts';
import { ask, cookie, field, formBody, html, logOn, ok, openForm } from './pre-auth-scene.ts';
import { people, post, scene, type LoginForm } from './pre-auth-scene.ts';

t.test('not a byte goes on without a name, wherever the bytes are cut', async (t) => {
  for (const clientMode of ['form', 'basic'] as const) {
    const { site, origin, open } = await scene(t, { clientMode, serverMode: 'none' });
    const head = `POST /owa/x HTTP/1.1\r\nHost: mail.example.com\r\nContent-Length: 3\r\n\r\nabc`;
    for (let cut = 1; cut < head.length; cut++) {
      const client = await site.client();
      client.send(head.slice(0, cut));
      // A turn of both event loops, so that it comes in two pieces.
      await new Promise((resolve) => setImmediate(resolve));
      client.send(head.slice(cut));
      const { head: answer } = await client.message();
      if (!/^HTTP\/1.1 401 /.test(answer)) t.fail(`${clientMode} ${cut}: ${answer}`);
      if (!/^connection: close\r$/im.test(answer)) t.fail(`${clientMode} ${cut} stays open`);
      client.socket.destroy();
    }
    t.equal(origin.seen().length + open.seen().length, 0, clientMode);
  }
});

t.test('requests of every form, without a name', async (t) => {
  const host = 'Host: mail.example.com\r\n';
  const requests = [
    `GET http://mail.example.com/owa/ HTTP/1.1\r\n${host}\r\n`,
    `GET http://mail.example.com?/owa/ HTTP/1.1\r\n${host}\r\n`,
    `GET https://mail.example.com:443/owa/ HTTP/1.1\r\n${host}\r\n`,
    `GET http://other.example.com/owa/ HTTP/1.1\r\nHost: other.example.com\r\n\r\n`,
    `GET /owa/ HTTP/1.0\r\n${host}\r\n`,
    `GET /owa/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    `POST /owa/ HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`,
    `POST /owa/ HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `GET /OWA/ HTTP/1.1\r\n${host}Authorization: NTLM TlRMTVNTUAAB\r\n\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}Cookie: cadata=stolen; cadataTTL=1\r\n\r\n`,
    `GET /owa/%2e%2e/ecp HTTP/1.1\r\n${host}\r\n`,
    `GET /owa/..;/ecp HTTP/1.1\r\n${host}\r\n`,
    `GET /owa/ HTTP/1.1\r\n${host}${host}\r\n`,
    `GET /owa/ HTTP/1.1\r\nHost: mail.example.com.evil.example\r\n\r\n`,
    `OPTIONS /owa/ HTTP/1.1\r\n${host}\r\n`,
    `CONNECT mail.example.com:443 HTTP/1.1\r\n${host}\r\n`,
    `TRACE /owa/ HTTP/1.1\r\n${host}\r\n`
  ];
  for (const clientMode of ['form', 'basic'] as const) {
    const { site, origin } = await scene(t, { clientMode, serverMode: 'none' });
    for (const request of requests) {
      const client = await site.client();
      client.send(request);
      const { head } = await client.message();
      t.match(head, /^HTTP\/1\.1 (?:302|400|401|403|404|501|200) /, request.slice(0, 60));
      if (head.startsWith('HTTP/1.1 200 '))
        t.match(request, /\?\/owa/, 'of the service without a gate');
      t.notMatch(head, /100 Continue/);
    }
    t.equal(origin.seen().toString('latin1'), '', clientMode);
  }
});

t.test('a body behind our own answer is no request', async (t) => {
  const { site, origin, open } = await scene(t);
  const hidden = 'GET /x HTTP/1.1\r\nHost: mail.example.com\r\n\r\n';
  for (const start of [
    'GET /owa/',
    'POST /owa/',
    'GET /lm_auth_proxy?LMLogout',
    'POST /lm_auth_proxy'
  ]) {
    const client = await site.client();
    client.send(
      `${start} HTTP/1.1\r\nHost: mail.example.com\r\n${html}Content-Length: ${hidden.length}\r\n\r\n${hidden}`
    );
    const all = await client.rest();
    t.equal(all.match(/^HTTP\/1\.1 /gm)?.length, 1, start);
  }
  t.equal(origin.seen().length + open.seen().length, 0);
});

t.test('what is sent behind a login waits for it, and is judged by itself', async (t) => {
  const { client, origin } = await scene(t);
  const form = await openForm(client, '/owa/');
  const body = formBody(form, 'alice', 'right');
  const next = `GET /owa/next HTTP/1.1\r\nHost: mail.example.com\r\n${html}\r\n`;
  client.send(post(form.login, body) + next);
  t.match((await client.message()).head, /^HTTP\/1.1 302 [^]*__Host-lmdata=[\w-]{43};/);
  t.match(field((await client.message()).head, 'location'), /^\/lm_auth_proxy/);
  t.equal(origin.seen().length, 0);
  // The same with the body in chunks of one byte.
  const chunks = body.replace(/./g, '1\r\n$&\r\n') + '0\r\n\r\n';
  client.send(
    'POST /lm_auth_proxy?LMLogon HTTP/1.1\r\nHost: mail.example.com\r\nExpect: 100-continue\r\n' +
      `Cookie: ${form.login}\r\nTransfer-Encoding: chunked\r\n\r\n`
  );
  t.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  client.send(chunks + next);
  t.match((await client.message()).head, /^HTTP\/1.1 302 [^]*__Host-lmdata=/);
  t.match(field((await client.message()).head, 'location'), /^\/lm_auth_proxy/);
  t.equal(origin.seen().length, 0);
});

t.test('a body that is too long for a login ends the connection', async (t) => {
  const { site, passes, origin, open } = await scene(t);
  const client = await site.client();
  const { login } = await openForm(client, '/owa/');
  client.send(post(login, 'username=' + 'x'.repeat(9000)));
  t.match(await client.rest(), /^HTTP\/1.1 413 [^]*\r\nConnection: close\r\n/);
  const second = await site.client();
  second.send(
    'POST /lm_auth_proxy?LMLogon HTTP/1.1\r\nHost: mail.example.com\r\n' +
      `Transfer-Encoding: chunked\r\n\r\n2400\r\n${'x'.repeat(0x2400)}\r\n` +
      '0\r\n\r\nGET /x HTTP/1.1\r\nHost: mail.example.com\r\n\r\n'
  );
  const all = await second.rest();
  t.match(all, /^HTTP\/1.1 413 /);
  t.equal(all.match(/^HTTP\/1\.1 /gm)?.length, 1);
  t.equal(passes.asked.length, 0);
  t.equal(origin.seen().length + open.seen().length, 0);
});

t.test(
  'the login URLs in every spelling reach no server, and no host that is not ours',
  async (t) => {
    const { site, origin, open } = await scene(t);
    const spellings = [
      '/lm_auth_proxy',
      '/lm_auth_proxy/',
      '/lm_auth_proxy/x',
      '/LM_Auth_Proxy?LMLogon',
      '/%6cm_auth_proxy?LMLogon',
      '/lm%5fauth%5Fproxy?LMLogon',
      '/%4C%4D_auth_prox%79',
      '/lm_auth_proxy;x?LMLogon',
      '/lm_auth_proxy%3bx',
      '/lm_auth_proxy%00',
      '/lm_auth_proxy.',
      '/lm_auth_proxy%20',
      '/lm_auth_proxy%2fx',
      '/lm_auth_proxy\\x',
      '/lm_auth_proxyx',
      '/%256cm_auth_proxy?LMLogon',
      '/l%25256D_auth_proxy?LMLogon',
      'http://mail.example.com/LM_auth_proxy?LMLogon'
    ];
    for (const spelling of spellings) {
      for (const method of ['GET', 'POST', 'PUT']) {
        const client = await site.client();
        client.send(
          `${method} ${spelling} HTTP/1.1\r\nHost: mail.example.com\r\nConnection: close\r\n\r\n`
        );
        await client.rest();
        const stranger = await site.client();
        const url = spelling.replace('mail.example', 'evil.example');
        stranger.send(
          `${method} ${url} HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n`
        );
        t.match(await stranger.rest(), /^HTTP\/1.1 40[034] /, `${method} ${spelling}`);
      }
      const seen = open.seen().toString('latin1') + origin.seen().toString('latin1');
      t.equal(seen, '', spelling);
    }
  }
);

t.test('a session is new, whatever the browser had before', async (t) => {
  const { client, passes, origin } = await scene(t);
  const planted = `${sessionCookie}=${'A'.repeat(43)}`;
  const { head, session } = await logOn(client, 'alice');
  const before = session.slice(8, -2);
  t.notMatch(head, planted);
  const form = await openForm(client, '/owa/');
  client.send(post(`${form.login}; ${planted}; ${before}`, formBody(form, 'bob', 'true')));
  const again = cookie((await client.message()).head, sessionCookie);
  t.match(again, /^__Host-lmdata=[\w-]{43}$/);
  t.notMatch([planted, before], [again]);
  t.equal(passes.loggedOff.length, 2, 'the one of before is over');
  for (const old of [planted, before]) {
    t.match((await ask(client, '/owa/', `${html}Cookie: ${old}\r\n`)).head, /^HTTP\/1.1 302 /);
  }
  t.equal(origin.seen().length, 0);
  // A stale copy beside it does not lock anybody out (PD-18736).
  const both = `Cookie: ${planted}; ${again}\r\n`;
  t.match((await ask(client, '/owa/', both)).head, /^HTTP\/1.1 200 /);
  for (const name of [
    'lmdata',
    '__Secure-lmdata',
    '__Host-lmdata2',
    '__HOST-LMDATA',
    '__Host_lmdata'
  ]) {
    const fields = `Cookie: ${name}=${again.split('=')[1]}\r\n`;
    t.match((await ask(client, '/owa/', fields)).head, /^HTTP\/1.1 401 /, name);
  }
});

t.test('a page of another site signs nobody in', async (t) => {
  const { client, passes } = await scene(t);
  const victim = await openForm(client, '/owa/');
  const attacker = await openForm(client, '/owa/');
  const cases: [cookie: string, form: LoginForm, fields: string][] = [
    [victim.login, attacker, ''],
    ['', victim, ''],
    [victim.login, victim, 'Origin: https://evil.example\r\n'],
    [victim.login, victim, 'Origin: http://mail.example.com\r\n'],
    [victim.login, victim, 'Sec-Fetch-Site: cross-site\r\n'],
    [victim.login, victim, 'Sec-Fetch-Site: same-site\r\n'],
    [victim.login, { ...victim, curlid: '' }, ''],
    [victim.login, { ...victim, curlid: victim.curlid.replace(/^0/, '1') + 'x' }, '']
  ];
  for (const [shown, form, fields] of cases) {
    client.send(post(shown || 'x=y', formBody(form, 'alice', 'right'), fields));
    const { head } = await client.message();
    t.match(head, /^HTTP\/1.1 (?:200|400) /);
    t.equal(cookie(head, sessionCookie), '');
  }
  t.equal(passes.asked.length, 0);
});

t.test('a login leads to this host or nowhere', async (t) => {
  const { client } = await scene(t);
  const form = await openForm(client, '/owa/');
  const wanted = [
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    'https://evil.example/',
    '/ /evil.example',
    '/\t/evil.example',
    '/%2fevil.example',
    '/.//evil.example',
    '/owa/\r\nSet-Cookie: a=b',
    '/@evil.example',
    'javascript:alert(1)',
    '/lm_auth_proxy?LMLogout',
    '/LM_auth_proxy?LMLogout',
    ''
  ];
  for (const url of wanted) {
    const curl = url.replace(/[^0-9A-KM-Za-z]/g, (char) => {
      return `L${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
    client.send(post(form.login, formBody({ ...form, curl }, 'alice', 'right')));
    const { head } = await client.message();
    t.match(head, /^HTTP\/1.1 302 /, url);
    t.equal(field(head, 'location'), '/owa/', url);
    t.notMatch(head, /\r\nSet-Cookie: a=b/);
  }
});

t.test('basic: two users by turns are themselves', async (t) => {
  const { client, origin, passes } = await scene(t, { clientMode: 'basic' });
  const basic = (user: string, password: string): string =>
    `Authorization: Basic ${btoa(`${user}:${password}`)}\r\n`;
  const seenOf = async (fields: string): Promise<string> => {
    origin.forget();
    await ask(client, '/owa/', fields);
    return field(origin.seen().toString(), 'authorization');
  };
  for (let n = 0; n < 2; n++) {
    for (const [user, password] of Object.entries(people)) {
      t.equal(await seenOf(basic(user, password)), `Basic ${btoa(`${user}:${password}`)}`);
    }
  }
  const doubled = basic('alice', 'right') + basic('bob', 'true');
  for (const wrong of [basic('alice', 'true'), basic('bob', ''), doubled, '']) {
    t.equal(await seenOf(wrong), '');
  }
  t.equal(passes.asked.length, 4);
});

t.test('form: two users by turns are themselves', async (t) => {
  const { client, origin, site } = await scene(t);
  const [alice, bob] = [await logOn(client, 'alice'), await logOn(client, 'bob')];
  for (const [session, name] of [
    [alice.session, 'alice:right'],
    [bob.session, 'bob:true'],
    [alice.session, 'alice:right']
  ] as const) {
    origin.forget();
    await ask(client, '/owa/', session);
    t.equal(field(origin.seen().toString(), 'authorization'), `Basic ${btoa(name)}`);
    // With so many cookies that nothing of them is kept for the next request.
    origin.forget();
    await ask(client, '/owa/', `Cookie: a=${'b'.repeat(20_000)}\r\n${session}`);
    t.equal(field(origin.seen().toString(), 'authorization'), `Basic ${btoa(name)}`);
    t.equal(site.session().visitor, undefined);
  }
});

t.test('the page that says signed out means it', async (t) => {
  const { client, passes } = await scene(t);
  const { session } = await logOn(client);
  const { head, body } = await ask(client, '/lm_auth_proxy?LMLogout', session);
  t.match(body, /signed out/);
  t.match(head, /set-cookie: __Host-lmdata=; /i);
  t.equal(passes.loggedOff.length, 1);
  t.match((await ask(client, '/owa/', html + session)).head, /^HTTP\/1.1 302 /);
});

t.test('our answers have the length that they say, and HEAD has none of it', async (t) => {
  const { client } = await scene(t);
  for (const target of ['/owa/', '/lm_auth_proxy?DoLMLogin', '/lm_auth_proxy?LMimage=style.css']) {
    const head = await ask(client, target, html, 'HEAD');
    const get = await ask(client, target, html);
    t.equal(field(head.head, 'content-length'), field(get.head, 'content-length'), target);
    t.equal(head.head.split(' ')[1], get.head.split(' ')[1]);
  }
});

t.test('wrong password and unknown name: the same answer to the byte', async (t) => {
  const { client } = await scene(t);
  const pages: string[] = [];
  for (const user of ['alice', 'nobody']) {
    const form = await openForm(client, '/owa/');
    client.send(post(form.login, formBody(form, user, 'wrong')));
    const { head, body } = await client.message();
    const plain = (text: string): string =>
      text
        .replace(/name="curlid" value="[^"]*"/, 'token')
        .replaceAll(user, 'user')
        .replace(/(lmlogin=)[\w-]*/, '$1')
        .replace(/(x-request-id: ).*/i, '$1')
        .replace(/(content-length: ).*/i, '$1');
    pages.push(plain(head) + plain(body));
  }
  t.equal(pages[0], pages[1]);
});

t.test('a virtual service without SubVSs has a form as well', async (t) => {
  const origin = await startOrigin();
  t.teardown(() => origin.close());
  origin.serve((socket) => socket.write(ok));
  const passes = new LocalPasses(people);
  const site = await openSite(t, {
    passes,
    servers: [origin.port],
    service: { esp: espSettings() }
  });
  const client = await site.client();
  const { head, session } = await logOn(client);
  t.equal(field(head, 'location'), '/owa/');
  t.match((await ask(client, '/owa/', session)).head, /^HTTP\/1.1 200 /);
});
