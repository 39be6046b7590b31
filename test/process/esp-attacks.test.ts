// Attacks on pre-authentication of the real program: two workers, a directory, and somebody outside.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startLdap, type Ldap } from '../../src/lab/ldap.ts';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { endBallast } from '../fixture/exchange-site.ts';
import { dialPeer, type Message, type Peer } from '../fixture/peer.ts';

t.setTimeout(100_000);

const host = 'mail.example.com';
const html = 'Accept: text/html\r\n';
/** In no log, on no page of an administrator, in no message. */
const canary = 'Canary-5519';

interface Site {
  readonly ballast: Ballast;
  readonly ldap: Ldap;
  readonly admin: number;
  /** What came to the server, but for WebSockets. */
  readonly seen: IncomingMessage[];
  readonly ports: Readonly<
    Record<'form' | 'basic' | 'staff' | 'silent' | 'later' | 'other', number>
  >;
  /** Connections to the directory that never answers. */
  readonly silent: { asked: Promise<void> };
  yaml(later?: string): string;
  /** Answers the requests for /owa/slow. */
  release(): void;
  dial(port: number): Promise<Peer>;
}

async function startSite(t: Test): Promise<Site> {
  const seen: IncomingMessage[] = [];
  let release = Promise.withResolvers<void>();
  const server = createServer((asked, answer) => {
    seen.push(asked);
    if (asked.url !== '/owa/slow') return void answer.end('ok');
    void release.promise.then(() => answer.end('slow'));
  });
  server.on('upgrade', (_, socket) => {
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const account = (name: string) => ({ domain: 'CORP', name, password: canary });
  const ldap = await startLdap({
    port: 0,
    domain: 'corp.example',
    accounts: [
      { ...account('alice'), memberOf: ['Staff'] },
      ...['bob', 'carol', 'dave', 'erin', 'victim'].map(account)
    ],
    groups: [{ name: 'Staff' }]
  });
  const asked = Promise.withResolvers<void>();
  const silent = createTcpServer((socket) => {
    socket.on('error', () => {});
    asked.resolve();
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  t.teardown(async () => {
    silent.close();
    server.close();
    server.closeAllConnections();
    await ldap.close();
  });
  const { pem } = await testCertificate(host);
  const folder = t.testdir({ 'mail.pem': pem });
  const [admin = 0, ...own] = await freePorts(7);
  const names = ['form', 'basic', 'staff', 'silent', 'later', 'other'] as const;
  const ports = Object.fromEntries(names.map((name, n) => [name, own[n]])) as Site['ports'];
  const tls = `sslAcceleration: 1, certificates: [mail], checkType: none,
      realServers: ['127.0.0.1:${(server.address() as AddressInfo).port}']`;
  const gate = `espEnabled: 1, allowedHosts: ${host}, allowedDirectories: /owa*`;
  const yaml = (later = ''): string => `
global: { workers: 2 }
admin: { port: ${admin} }
certificates: [{ name: mail, file: ${join(folder, 'mail.pem')} }]
ssoDomains:
  - { name: corp.example, server: 127.0.0.1:${ldap.port}, authType: ldap-unencrypted,
      maxFailedAuths: 4 }
  - { name: other.example, server: 127.0.0.1:${ldap.port}, authType: ldap-unencrypted,
      logonDomain: corp.example, maxFailedAuths: 4 }
  - { name: silent.example, timeout: 5, authType: ldap-unencrypted,
      server: 127.0.0.1:${(silent.address() as AddressInfo).port} }
virtualServices:
  - { name: form, port: ${ports.form}, ${tls}, ${gate},
      logoff: /owa/logoff.owa, inputAuthMode: 2, outputAuthMode: 1, domain: corp.example }
  - { name: staff, port: ${ports.staff}, ${tls}, ${gate},
      logoff: /owa/logoff.owa, inputAuthMode: 2, outputAuthMode: 1, domain: corp.example, allowedGroups: Staff }
  - { name: other, port: ${ports.other}, ${tls}, ${gate},
      logoff: /owa/logoff.owa, inputAuthMode: 2, outputAuthMode: 1, domain: other.example }
  - { name: basic, port: ${ports.basic}, ${tls}, ${gate},
      inputAuthMode: 1, outputAuthMode: 1, domain: corp.example }
  - { name: silent, port: ${ports.silent}, ${tls}, ${gate},
      inputAuthMode: 1, outputAuthMode: 1, domain: silent.example }
  - { name: later, port: ${ports.later}, ${tls}, ${later === '' ? '' : `${gate}, ${later}`} }
`;
  const ballast = await startBallast(yaml());
  t.teardown(() => endBallast(ballast));
  for (const domain of ['corp.example', 'other.example']) {
    await ballast.waitFor((line) => line.msg === 'directory' && line['domain'] === domain);
  }
  return {
    ballast,
    ldap,
    admin,
    seen,
    ports,
    silent: { asked: asked.promise },
    yaml,
    release() {
      release.resolve();
      release = Promise.withResolvers();
    },
    dial: (port) => dialPeer(t, port, {})
  };
}

function ask(client: Peer, target: string, fields = ''): Promise<Message> {
  client.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
  return client.message();
}

function cookie(head: string, name: string): string {
  return new RegExp(`^set-cookie: (${name}=[^;]*)`, 'im').exec(head)?.[1] ?? '';
}

/** Signs in by the form; the answer, and the cookie field of the session. */
async function logOn(client: Peer, user: string, password = canary) {
  const { head } = await ask(client, '/owa/', html);
  const [, curl = '', curlid = ''] = /curl=([^&]*)&curlid=([^&]*)/.exec(head) ?? [];
  const form = { curl, curlid, username: user, password, pubpriv: '0' };
  const body = new URLSearchParams(form).toString();
  client.send(
    `POST /lm_auth_proxy?LMLogon HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie(head, '__Host-lmlogin')}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`
  );
  const answer = await client.message();
  return { answer, session: `Cookie: ${cookie(answer.head, '__Host-lmdata')}\r\n` };
}

const basic = (user: string, password = canary): string =>
  `Authorization: Basic ${btoa(`${user}:${password}`)}\r\n`;

t.test('somebody outside', async (t) => {
  const site = await startSite(t);
  const { ballast, ldap, ports, seen } = site;

  await t.test(
    'a session holds over both workers, and ends on all of their connections',
    async (t) => {
      const first = await site.dial(ports.form);
      const { session } = await logOn(first, 'alice');
      const clients = [first];
      while (clients.length < 8) clients.push(await site.dial(ports.form));
      for (const client of clients) {
        t.match((await ask(client, '/owa/', session)).head, /^HTTP\/1.1 200 /);
      }
      const tunnel = await site.dial(ports.form);
      tunnel.send(
        `GET /owa/ws HTTP/1.1\r\nHost: ${host}\r\n${session}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
      );
      t.match((await tunnel.message()).head, /^HTTP\/1.1 101 /);
      tunnel.send('hello');
      await tunnel.until('hello');
      const before = seen.length;
      const waiting = await site.dial(ports.form);
      waiting.send(`GET /owa/slow HTTP/1.1\r\nHost: ${host}\r\n${session}\r\n`);
      while (seen.length === before) await new Promise((resolve) => setImmediate(resolve));
      t.match((await ask(first, '/owa/logoff.owa', session)).body, /signed out/);
      await tunnel.ended();
      t.match(await waiting.rest(), /^HTTP\/1.1 403 /);
      const after = seen.length;
      for (const client of clients) {
        t.match((await ask(client, '/owa/', html + session)).head, /^HTTP\/1.1 302 /);
      }
      t.equal(seen.length, after, 'not one request more');
    }
  );

  await t.test('a session is for its SSO domain, and for the groups of a service', async (t) => {
    const bob = await logOn(await site.dial(ports.form), 'bob');
    t.match(bob.answer.head, /^HTTP\/1.1 302 /);
    const alice = await logOn(await site.dial(ports.form), 'alice');
    const before = seen.length;
    for (const [port, { session }] of [
      [ports.staff, bob],
      [ports.other, bob],
      [ports.other, alice]
    ] as const) {
      const { head } = await ask(await site.dial(port), '/owa/', html + session);
      t.match(head, /^HTTP\/1.1 302 [^]*lm_auth_proxy/);
    }
    t.equal(seen.length, before);
    const { head } = await ask(await site.dial(ports.staff), '/owa/', html + alice.session);
    t.match(head, /^HTTP\/1.1 200 /);
  });

  await t.test('why somebody is refused is told neither by bytes nor by time', async (t) => {
    const client = await site.dial(ports.staff);
    const answers = new Set<string>();
    for (const [user, password] of [
      ['carol', 'wrong'],
      ['carol', canary],
      ['nobod', canary]
    ] as const) {
      const beganMs = performance.now();
      const { answer } = await logOn(client, user, password);
      t.ok(performance.now() - beganMs >= 499, 'half a second');
      const text = (answer.head + answer.body)
        .replace(/value="\d+-[^"]*"/, '')
        .replace(/(lmlogin=|x-request-id: )[\w-]*/gi, '')
        .replaceAll(user, '');
      answers.add(text);
    }
    t.equal(answers.size, 1);
  });

  await t.test('a name is blocked in every spelling, and nobody asks the directory', async (t) => {
    const client = await site.dial(ports.basic);
    const spellings = ['victim', 'VICTIM@corp.example', 'CORP\\Victim', 'ｖíctim', ' victim '];
    for (const spelling of spellings.slice(0, 4)) {
      const bytes = Buffer.from(`${spelling}:wrong`).toString('base64');
      const { head } = await ask(client, '/owa/', `Authorization: Basic ${bytes}\r\n`);
      t.match(head, /^HTTP\/1.1 401 [^]*WWW-Authenticate: Basic /);
    }
    const asked = ldap.records.length;
    t.match((await ask(client, '/owa/', basic('victim'))).head, /^HTTP\/1.1 401 /);
    const form = await site.dial(ports.form);
    t.match((await logOn(form, 'corp.example\\victim')).answer.body, /too many attempts/);
    t.equal(ldap.records.length, asked);
    t.match((await ask(client, '/owa/', basic('dave'))).head, /^HTTP\/1.1 200 /, 'others are not');
  });

  await t.test('two people by turns on one connection, one of them guessing', async (t) => {
    const client = await site.dial(ports.basic);
    for (const user of ['dave', 'erin', 'dave', 'erin']) {
      t.match((await ask(client, '/owa/', basic(user))).head, /^HTTP\/1.1 200 /);
      const said = `Basic ${btoa(`${user}@corp.example:${canary}`)}`;
      t.equal(seen.at(-1)?.headers.authorization, said);
      const before = seen.length;
      t.match((await ask(client, '/owa/', basic('dave', 'x'))).head, /^HTTP\/1.1 401 /);
      t.equal(seen.length, before);
    }
  });

  await t.test('a reload that closes a door: what runs ends, what comes is asked', async (t) => {
    const client = await site.dial(ports.later);
    t.match((await ask(client, '/owa/')).head, /^HTTP\/1.1 200 /);
    const before = seen.length;
    client.send(`GET /owa/slow HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    while (seen.length === before) await new Promise((resolve) => setImmediate(resolve));
    const esp = 'inputAuthMode: 1, outputAuthMode: 1, domain: corp.example';
    t.equal((await ballast.reload(site.yaml(esp))).msg, 'reloaded');
    client.send(`GET /owa/next HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    site.release();
    t.match(await client.message(), { body: 'slow' });
    t.match((await client.message()).head, /^HTTP\/1.1 401 /);
    t.equal(seen.length, before + 1);
  });

  await t.test('a directory that does not answer lets nobody in', async (t) => {
    const before = seen.length;
    const client = await site.dial(ports.silent);
    client.send(`GET /owa/ HTTP/1.1\r\nHost: ${host}\r\n${basic('alice')}\r\n`);
    await once(client.socket, 'data'); // after more time than a peer waits
    t.match((await client.message()).head, /^HTTP\/1.1 503 /);
    t.equal(seen.length, before);
  });

  await t.test('all workers are killed in the middle of a logon', async (t) => {
    const { session } = await logOn(await site.dial(ports.form), 'alice');
    const client = await site.dial(ports.silent);
    client.send(`GET /owa/ HTTP/1.1\r\nHost: ${host}\r\n${basic('alice')}\r\n`);
    await site.silent.asked;
    const before = seen.length;
    const workers = ballast.lines.filter((line) => line.msg === 'worker serves');
    for (const { worker } of workers) process.kill(Number(worker), 'SIGKILL');
    await client.ended();
    const born = new Set<unknown>();
    await ballast.waitFor(({ msg, worker }) => {
      if (msg === 'worker serves' && workers.every((old) => old['worker'] !== worker))
        born.add(worker);
      return born.size === workers.length;
    });
    t.equal(seen.length, before);
    const again = await site.dial(ports.form);
    t.match((await ask(again, '/owa/', session)).head, /^HTTP\/1.1 200 /, 'the session has not');
  });

  await t.test('a directory that is gone: 503, and a page that says so', async (t) => {
    const { session } = await logOn(await site.dial(ports.form), 'alice');
    await ldap.close();
    const before = seen.length;
    const client = await site.dial(ports.basic);
    t.match((await ask(client, '/owa/', basic('bob'))).head, /^HTTP\/1.1 503 /);
    const form = await site.dial(ports.form);
    t.match((await logOn(form, 'bob')).answer.body, /cannot be checked/);
    t.equal(seen.length, before);
    t.match((await ask(form, '/owa/', session)).head, /^HTTP\/1.1 200 /, 'who is in is in');
  });

  await t.test('what a log and an administrator see', async (t) => {
    const client = await site.dial(ports.form);
    const name = 'eve\u202e\u001b[2J","msg":"forged';
    await logOn(client, name, canary);
    await logOn(client, `eve"}\u2028{"msg":"forged`, canary);
    const secret = `/owa/?secret=${canary}&curl=x`;
    t.match((await ask(client, secret, `${html}Cookie: x=${canary}\r\n`)).head, /^HTTP\/1.1 302 /);
    const pages = await Promise.all(
      ['/status', '/metrics'].map(async (path) =>
        (await fetch(`http://127.0.0.1:${site.admin}${path}`)).text()
      )
    );
    const all = JSON.stringify(ballast.lines) + ballast.errors() + pages.join('');
    const encoded = Buffer.from(`alice:${canary}`).toString('base64').slice(0, -4);
    for (const bad of [canary, encoded, '__Host-lmdata', 'lmlogin', '\u202e', '\u2028']) {
      t.notOk(all.includes(bad), encodeURI(bad));
    }
    t.notOk(ballast.lines.some(({ msg }) => msg === 'forged'));
    t.notOk(ballast.lines.some(({ msg }) => msg === 'unexpected error'));
  });
});
