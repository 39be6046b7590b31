// Pre-authentication and the servers behind it: what they see, what they may not do, and what becomes
// of their own signs of who somebody is.

import t from 'tap';
import { configuration } from '../fixture/configuration.ts';
import { espSettings } from '../fixture/esp.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { startOrigin } from '../fixture/origin.ts';
import { listenPeer, type Peer } from '../fixture/peer.ts';
import { openSite } from '../fixture/site.ts';
import { ask, delegated, field, html, logOn, ok, people, scene } from './pre-auth-scene.ts';

/** Of a content rule that asks about none and sets none. */
const flags = { name: 'rule', setOnMatch: 0, onlyOnFlag: 0, onlyOnNoFlag: 0 };
/** OWA's form has let somebody in. */
const granted = 'HTTP/1.1 302 Found\r\nSet-Cookie: cadata=abc\r\nContent-Length: 0\r\n\r\n';

t.test('our cookies stay here, also where there is no gate', async (t) => {
  const { client, open, origin } = await scene(t);
  const { session } = await logOn(client);
  t.match((await ask(client, '/x', session)).head, /^HTTP\/1.1 200 /);
  t.match((await ask(client, '/ews/x', session)).head, /^HTTP\/1.1 200 /);
  t.match((await ask(client, '/owa/x', session)).head, /^HTTP\/1.1 200 /);
  t.match(open.seen().toString(), /^GET \/x /);
  t.notMatch(open.seen().toString() + origin.seen().toString(), /lmdata/);
});

t.test('a server sets none of our cookies', async (t) => {
  const { client, origin, open } = await scene(t);
  const lie =
    'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: __Host-lmdata=' +
    `${'A'.repeat(43)}; Path=/; Secure\r\nSet-Cookie:\t__Host-lmlogin = x\r\n` +
    'SET-COOKIE: __host-LMDATA=; Max-Age=0\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\nok';
  for (const one of [origin, open]) one.serve((socket) => socket.write(lie));
  const { session } = await logOn(client);
  for (const path of ['/owa/', '/ews/', '/x']) {
    const { head } = await ask(client, path, session);
    t.match(head, /^HTTP\/1.1 200 [^]*\r\nSet-Cookie: a=1\r\n[^]*set-cookie: b=2\r\n/, path);
    t.notMatch(head, /lm(?:data|login)/i, path);
  }
});

t.test('a connection that a server knows a user by serves no other one', async (t) => {
  const server = await listenPeer(t);
  const passes = new LocalPasses(people);
  const site = await openSite(t, {
    passes,
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [server.port], settings: { esp: espSettings() } },
      { name: 'EWS', prefix: '/ews', servers: [server.port], settings: { esp: delegated } }
    ]
  });
  const first = await site.client();
  const [alice, bob] = [await logOn(first, 'alice'), await logOn(first, 'bob')];
  const exchange = async (
    client: Peer,
    path: string,
    fields: string,
    open?: Peer
  ): Promise<{ server: Peer; head: string }> => {
    const answer = ask(client, path, fields);
    const by = open ?? (await server.next());
    await by.until('\r\n\r\n');
    by.send(ok);
    return { server: by, head: (await answer).head };
  };
  const ntlm = await exchange(first, '/ews/', 'Authorization: NTLM abc\r\n');
  const own = await exchange(first, '/owa/', alice.session);
  t.equal(await ntlm.server.ended(), 'end', 'whose it was is not told to us');
  t.match(own.head, /^HTTP\/1.1 200 [^]*\r\nConnection: close\r\n/);
  const second = await site.client();
  const by = await exchange(second, '/owa/', alice.session);
  await exchange(second, '/owa/', bob.session, by.server); // which Basic tells apart
  t.match((await ask(second, '/owa/logoff.owa', bob.session)).body, /signed out/);
  t.equal(await by.server.ended(), 'end');
  const again = await exchange(second, '/owa/', alice.session);
  t.match(again.head, /^HTTP\/1.1 200 /);
  // Signed in over it once more, and off again: nobody goes on with that.
  await exchange(second, '/ews/', 'Authorization: Negotiate abc\r\n', again.server);
  const { head } = await ask(second, '/owa/logoff.owa', alice.session);
  t.match(head, /^HTTP\/1.1 200 [^]*\r\nConnection: close\r\n/);
  t.equal(await again.server.ended(), 'end');
});

t.test('a session that is ended while its server is dialled goes no further', async (t) => {
  const { site, client, origin, passes } = await scene(t, { serverMode: 'form' });
  let answer = (): void => {};
  const asked = new Promise<void>((resolve) => {
    origin.serve((socket) => {
      answer = () => socket.end(granted);
      resolve();
    });
  });
  const { session } = await logOn(client);
  const answered = ask(client, '/owa/', html + session);
  await asked;
  const key = passes.asked[0]?.ask.key ?? '';
  await passes.logoff([key]);
  site.session().passesEnded(new Set([key]));
  answer();
  const { head } = await answered;
  t.match(head, /^HTTP\/1.1 403 /);
  t.notMatch(head, /cadata=abc/);
});

t.test('who signs in finds nothing of who was there before', async (t) => {
  const { client } = await scene(t, { serverMode: 'form' });
  const { head } = await logOn(client, 'bob', 'Cookie: cadata=of-alice; cadataKey=of-alice\r\n');
  for (const name of ['cadata', 'cadataTTL', 'cadataKey', 'cadataIV', 'cadataSig']) {
    t.match(head, new RegExp(`\r\nset-cookie: ${name}=; [^\r]*Max-Age=0`, 'i'));
  }
});

t.test('server form: what a server may answer, and how often it is asked', async (t) => {
  const answers = {
    garbage: 'SSH-2.0-OpenSSH\r\n',
    'a head without end': `HTTP/1.1 302 Found\r\n${'X: y\r\n'.repeat(40_000)}`,
    'interim answers only': 'HTTP/1.1 100 Continue\r\n\r\n',
    'no cookie': 'HTTP/1.1 302 Found\r\nLocation: /owa/\r\nContent-Length: 0\r\n\r\n',
    'an empty cookie': 'HTTP/1.1 302 Found\r\nSet-Cookie: cadata=; path=/\r\n\r\n',
    'a page': 'HTTP/1.1 200 OK\r\nSet-Cookie: cadata=x\r\nContent-Length: 0\r\n\r\n'
  };
  for (const [what, answer] of Object.entries(answers)) {
    const { client, origin } = await scene(t, { serverMode: 'form' });
    origin.serve((socket) => socket.end(answer));
    const { session } = await logOn(client);
    const { head } = await ask(client, '/owa/', html + session);
    t.match(head, /^HTTP\/1.1 (?:403|502) /, what);
    t.notMatch(head, /cadata/, what);
  }
});

t.test('server form: its cookies for us only, and none of ours', async (t) => {
  const { client, origin } = await scene(t, { serverMode: 'form' });
  origin.serve((socket) =>
    socket.end(
      'HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nSet-Cookie: cadata=abc\r\n' +
        `Set-Cookie: __Host-lmdata=${'A'.repeat(43)}; Path=/; Secure\r\nContent-Length: 0\r\n\r\n`
    )
  );
  const { session } = await logOn(client);
  const { head } = await ask(client, '/owa/?x', html + session);
  t.equal(field(head, 'location'), '/owa/?x');
  t.match(head, /cadata=abc/);
  t.notMatch(head, /lmdata/);
});

t.test('server form: a password that is no longer right is not tried again', async (t) => {
  const { site, client, origin, passes } = await scene(t, { serverMode: 'form' });
  passes.onLogoff = (keys) => site.session().passesEnded(new Set(keys));
  const wrong = '/owa/auth/logon.aspx?replaceCurrent=1&reason=2';
  origin.serve((socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${wrong}\r\nContent-Length: 0\r\n\r\n`)
  );
  const { session } = await logOn(client);
  const { head, body } = await ask(client, '/owa/?a=b', html + session);
  t.match(head, /^HTTP\/1.1 200 [^]*Set-Cookie: __Host-lmdata=; /);
  t.match(body, /check your user name and your password/);
  t.match(body, /name="curl" value="L2fowaL2fL3faL3db"/);
  t.equal(passes.loggedOff.length, 1, 'the directory would lock the account');
});

t.test('server form: a password that has expired meanwhile', async (t) => {
  const { site, origin, passes } = await scene(t, {
    serverMode: 'form',
    passwordChange: { url: '/change', message: 'Choose a new one.' }
  });
  const expired = '/owa/auth/expiredpassword.aspx?url=/owa/auth.owa';
  origin.serve((socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${expired}\r\nContent-Length: 0\r\n\r\n`)
  );
  const asked = async (fields: string, method?: string): Promise<string> => {
    const client = await site.client();
    const { session } = await logOn(client);
    const { head, body } = await ask(client, '/owa/', fields + session, method);
    return head + body;
  };
  const page = await asked(html);
  t.match(page, /^HTTP\/1.1 200 [^]*Choose a new one\.[^]*href="\/change"/);
  t.match(await asked('X-OWA-ActionName: x\r\n', 'POST'), /^HTTP\/1.1 440 /);
  t.equal(passes.loggedOff.length, 2, 'it opens nothing any more');
});

t.test('server form: who signs in does not meet a server that is just dead', async (t) => {
  const [origin, dead] = await Promise.all([startOrigin(), listenPeer(t)]);
  t.teardown(() => origin.close());
  dead.stop();
  origin.serve((socket) => socket.end(granted));
  const site = await openSite(t, {
    passes: new LocalPasses(people),
    servers: [dead.port, origin.port],
    service: { esp: espSettings({ serverMode: 'form' }) }
  });
  for (let n = 0; n < 4; n++) {
    const client = await site.client();
    const { session } = await logOn(client);
    const { head } = await ask(client, '/owa/', html + session);
    t.match(head, /^HTTP\/1.1 302 [^]*Set-Cookie: cadata=abc/);
  }
  t.ok(site.suspects.includes('ex1'), 'and it is checked at once');
});

t.test('the sorry server hears no password', async (t) => {
  const sorry = await startOrigin();
  t.teardown(() => sorry.close());
  sorry.serve((socket) => socket.write(ok));
  for (const serverMode of ['form', 'basic'] as const) {
    sorry.forget();
    const [like] = configuration({ servers: [sorry.port] }).virtualServices[0]?.realServers ?? [];
    if (like === undefined) throw new Error('no server');
    const standby = { ...like, id: 'site/sorry', name: 'sorry' };
    const site = await openSite(t, {
      passes: new LocalPasses(people),
      servers: [1],
      service: { esp: espSettings({ serverMode }), standby }
    });
    site.setHealth('ex1', { state: 'down', reason: 'test' });
    const client = await site.client();
    const { session } = await logOn(client);
    t.match((await ask(client, '/owa/', html + session)).head, /^HTTP\/1.1 200 /);
    t.match(sorry.seen().toString(), /^GET \/owa\/ /);
    t.notMatch(sorry.seen().toString(), /authorization|password/i, serverMode);
  }
});

t.test('server form: it is asked for the host that a rule puts in', async (t) => {
  const origin = await startOrigin();
  t.teardown(() => origin.close());
  origin.serve((socket) => socket.end(granted));
  const site = await openSite(t, {
    passes: new LocalPasses(people),
    servers: [origin.port],
    service: {
      esp: espSettings({ serverMode: 'form' }),
      requestRules: [
        {
          ...flags,
          type: 'replaceHeader',
          header: 'Host',
          pattern: '/.*/',
          noCase: false,
          replacement: 'inner.example.net'
        }
      ]
    }
  });
  const client = await site.client();
  const { session } = await logOn(client);
  await ask(client, '/owa/', html + session);
  const seen = origin.seen().toString();
  t.match(seen, /^POST \/owa\/auth\.owa HTTP\/1.1\r\nHost: inner\.example\.net\r\n/);
  t.match(seen, /destination=https%3A%2F%2Finner\.example\.net%2Fowa%2F&/);
});

t.test('server form: a server that always shows its form makes no endless loop', async (t) => {
  const { site, origin } = await scene(t, { serverMode: 'form' });
  let posts = 0;
  origin.serve((socket, bytes) => {
    const isLogon = bytes.toString().startsWith('POST /owa/auth.owa');
    if (isLogon) posts++;
    const location = isLogon ? '/owa/' : 'https://mail.example.com/owa/auth/logon.aspx?url=x';
    const cookies = isLogon ? 'Set-Cookie: cadata=abc\r\n' : '';
    socket.end(
      `HTTP/1.1 302 Found\r\nLocation: ${location}\r\n${cookies}Content-Length: 0\r\n\r\n`
    );
  });
  const { session } = await logOn(await site.client());
  let cadata = '';
  let location = '';
  let redirects = 0;
  do {
    const client = await site.client();
    const { head } = await ask(client, '/owa/', `${html}${session.slice(0, -2)}${cadata}\r\n`);
    location = field(head, 'location');
    cadata = /cadata=abc/.test(head) ? '; cadata=abc' : '';
    client.socket.destroy();
  } while (location === '/owa/' && ++redirects < 20);
  t.match(location, /logon\.aspx/, 'people see the form in the end');
  t.ok(posts <= 3, `${posts} log-ons`);
});

t.test('content rules and what we say of who it is', async (t) => {
  const origin = await startOrigin();
  t.teardown(() => origin.close());
  origin.serve((socket) => socket.write(ok));
  const site = await openSite(t, {
    passes: new LocalPasses(people),
    servers: [origin.port],
    service: {
      esp: espSettings(),
      requestRules: [
        { ...flags, type: 'addHeader', header: 'Authorization', replacement: 'Basic of-a-rule' },
        { ...flags, type: 'deleteHeader', pattern: 'X-Away' },
        {
          ...flags,
          type: 'replaceHeader',
          header: 'Cookie',
          pattern: '/secret=[a-z]*/',
          noCase: false,
          replacement: 'secret=gone'
        }
      ]
    }
  });
  const client = await site.client();
  const { session } = await logOn(client);
  const cookies = session.replace('Cookie: ', 'X-Away: 1\r\nCookie: secret=known; a=1; ');
  await ask(client, '/owa/', `Authorization: Basic eDp5\r\n${cookies}`);
  const seen = origin.seen().toString();
  t.match(seen, /\r\nCookie: secret=gone\r\n/);
  t.strictSame(seen.match(/Authorization: .*/g), [`Authorization: Basic ${btoa('alice:right')}`]);
  t.notMatch(seen, /lmdata|X-Away/);
  // A rule that keeps what came keeps nothing of ours.
  origin.forget();
  await ask(client, '/owa/', session.replace('Cookie: ', 'Cookie: b=2; '));
  t.match(origin.seen().toString(), /\r\nCookie: b=2\r\n/);
});
