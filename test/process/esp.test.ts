// The whole site behind pre-authentication: the template with ESP, two workers, a directory, and the
// administrator at his command line. Whatever is said here, no secret of it is told by anybody.

import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { startLdap, type Ldap, type LdapOptions } from '../../src/lab/ldap.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { freePorts } from '../fixture/ballast.ts';
import { dialTls, nextRecord, serviceOf, startSite } from '../fixture/exchange-site.ts';
import { readStatus, statusWhen, temporaryFolder } from '../fixture/exchange-site.ts';
import type { ExchangeSite, Status } from '../fixture/exchange-site.ts';
import { field, FormClient, isStranger, statusOf } from '../fixture/form-client.ts';
import { Scrape } from '../fixture/exposition.ts';
import type { Message } from '../fixture/peer.ts';
import { directoryPassword, missingForSamba, startSamba } from '../fixture/samba.ts';
import { startProgram, type Ending } from './program.ts';

t.setTimeout(120_000);

const host = 'mail.example.com';
/** In no log and in no answer of the management listener; nor is the wrong one. */
const password = 'Canary-4407';
const wrong = 'Canary-wrong-9963';

/** Everything that the program has given away, and all that it must not have. */
const said: string[] = [];
const secrets = new Set([password, wrong]);
const browsers: FormClient[] = [];

interface GateStatus extends Status {
  readonly ssoDomains: readonly { readonly status: string; readonly reason: string | null }[];
  readonly preAuthentication: {
    readonly sessions: { readonly total: number; readonly list: readonly object[] };
    readonly blocked: { readonly list: readonly object[] };
  };
}

interface Site extends ExchangeSite {
  readonly ldap: Ldap;
  /** Of another virtual service of the same SSO domain, and of one for Staff only. */
  readonly portal: number;
  readonly staff: number;
  browser(): FormClient;
  gate(): Promise<GateStatus>;
  /** The management command with this file. */
  sessions(...args: string[]): Promise<Ending>;
}

async function openSite(t: Test, directory?: { readonly lines: string }): Promise<Site> {
  const { cert, key } = await testCertificate('dc1.corp.example');
  const account = { domain: 'CORP', password };
  const options: LdapOptions = {
    port: 0,
    domain: 'corp.example',
    accounts: [
      { ...account, name: 'alice', memberOf: ['Staff'] },
      { ...account, name: 'bob' },
      { ...account, name: 'carol', trouble: 'must-change' }
    ],
    groups: [{ name: 'Staff' }],
    tls: { key, cert }
  };
  const ldap = await startLdap(options);
  t.teardown(() => ldap.close());
  const ca = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(ca, cert);
  const [portal = 0, staff = 0] = await freePorts(2);
  const gate =
    'sslAcceleration: 1, sslReencrypt: 1, certificates: [mail], checkType: none, ' +
    'espEnabled: 1, allowedHosts: mail.example.com, allowedDirectories: /owa*, ' +
    'inputAuthMode: 2, outputAuthMode: 2, domain: corp.example';
  const servers = `realServers: ['127.0.0.1:1']`;
  const users = ['u1', 'alice', 'bob'].map((name) => ({
    domain: 'CORP',
    name,
    password: directory === undefined ? password : directoryPassword
  }));
  const site = await startSite(t, {
    template: 'Reencrypted with ESP',
    global: 'logLevel: trace',
    service: `    domain: corp.example\n    allowedHosts: ${host}\n`,
    more: `  - { name: Portal, address: 127.0.0.1, port: ${portal}, ${gate}, ${servers} }
  - { name: Staff, address: 127.0.0.1, port: ${staff}, ${gate}, allowedGroups: Staff, ${servers} }
ssoDomains:
  - ${
    directory?.lines ??
    `{ name: corp.example, server: '127.0.0.1:${ldap.port}', caFile: ${ca}, maxFailedAuths: 3 }`
  }
`,
    exchange: { users, owa: { signIn: 'form' } }
  });
  await site.ballast.waitFor((line) => line.msg === 'directory' && line['state'] === 'up');
  const gateStatus = async (): Promise<GateStatus> => {
    const status = (await readStatus(site.admin)) as GateStatus;
    said.push(JSON.stringify(status));
    return status;
  };
  return {
    ...site,
    ldap,
    portal,
    staff,
    gate: gateStatus,
    browser() {
      const browser = new FormClient((port) => dialTls(t, port), site.https);
      browsers.push(browser);
      return browser;
    },
    async sessions(...args) {
      const ending = await startProgram('sessions', ...args, '--config', site.ballast.file).ended;
      said.push(ending.stdout, ending.stderr);
      return ending;
    }
  };
}

const basic = (user: string, secret = password): string => {
  const encoded = Buffer.from(`${user}:${secret}`).toString('base64');
  secrets.add(encoded);
  return `Authorization: Basic ${encoded}\r\n`;
};

t.test('the template with ESP', async (t) => {
  const site = await openSite(t);
  const { ballast, servers } = site;
  const browser = site.browser();
  const isIn = async (port?: number): Promise<boolean> =>
    /User: CORP\\alice/.test((await browser.go('/owa/', port)).body);

  await t.test('nothing reaches a server before a login', async (t) => {
    const before = servers.map(({ records }) => records.length);
    for (const path of ['/owa/', '/ecp/?p=x']) t.ok(isStranger(await browser.ask(path)), path);
    for (const request of [
      'POST /owa/upload HTTP/1.1\r\nContent-Length: 1073741824\r\n',
      'POST /owa/upload HTTP/1.1\r\nContent-Length: 1073741824\r\nExpect: 100-continue\r\n',
      'POST /owa/upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n',
      'POST /Microsoft-Server-ActiveSync?Cmd=Sync HTTP/1.1\r\nContent-Length: 1073741824\r\n'
    ]) {
      const peer = await browser.open();
      peer.send(`${request}Host: ${host}\r\n\r\n`);
      const { head } = await peer.message();
      t.match(head, /^HTTP\/1.1 401 [^]*\r\nConnection: close\r\n/, request);
      t.equal(await peer.ended(), 'end', 'without reading the body');
    }
    // Ballast's own checks come at their own times.
    const records = servers.flatMap((server, n) => server.records.slice(before[n]));
    const asked = records.filter(({ request }) => !request.path.endsWith('/healthcheck.htm'));
    t.strictSame(asked, []);
  });

  await t.test('in, by the form of Ballast and that of the server', async (t) => {
    const answer = await browser.signIn('alice', password);
    t.equal(field(answer.head, 'location'), '/owa/?deep=link');
    t.ok(await isIn());
    t.ok(browser.cookies.has('cadata'), 'with the cookies of the server');
    const peer = await browser.open();
    peer.send(`GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    t.match((await peer.message()).head, /^HTTP\/1.1 401 [^]*NTLM/, 'delegate: the server asks');
  });

  await t.test('a session is good on every worker', async (t) => {
    const pids = new Set<number>();
    const wanted = (await site.gate()).workers.length;
    for (let n = 0; n < 100 && pids.size < wanted; n++) {
      const path = `/owa/worker/${n}`;
      t.match(await browser.ask(path), { head: /^HTTP\/1.1 200 / });
      const line = await ballast.waitFor((one) => one['path'] === path);
      pids.add(Number(line['pid']));
    }
    t.equal(pids.size, wanted);
  });

  await t.test('and on other virtual services, if the groups are right', async (t) => {
    const isLetIn = async (who: FormClient, port: number): Promise<boolean> =>
      !isStranger(await who.ask('/owa/', { port }));
    t.ok(await isLetIn(browser, site.portal));
    t.ok(await isLetIn(browser, site.staff));
    const other = site.browser();
    await other.signIn('bob', password);
    t.ok(await isLetIn(other, site.portal));
    t.notOk(await isLetIn(other, site.staff), 'bob is none of them');
    const refused = await other.signIn('bob', password, { port: site.staff });
    const unknown = await other.signIn('nobody', password, { port: site.staff });
    const plain = ({ body }: Message): string => body.replace(/value="[^"]*"/g, '');
    t.equal(plain(refused), plain(unknown), 'which he is not told');
  });

  await t.test('it outlives workers', async (t) => {
    const before = (await site.gate()).workers.map(({ pid }) => pid);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const born = new Set<unknown>();
    await ballast.waitFor(({ msg, worker }) => {
      if (msg === 'worker serves' && !before.includes(Number(worker))) born.add(worker);
      return born.size === before.length;
    });
    t.ok(await isIn());
  });

  await t.test('and a reload', async (t) => {
    t.match(await ballast.reload(site.yaml.replace('drainTime: 10', 'drainTime: 9')), {
      msg: 'reloaded'
    });
    t.ok(await isIn());
    t.equal((await site.gate()).revision, 2);
  });

  await t.test('the administrator sees who is in', async (t) => {
    const { ssoDomains, preAuthentication } = await site.gate();
    t.match(ssoDomains, [{ name: 'corp.example', status: 'Up', reason: null }]);
    const one = { domain: 'corp.example', mode: 'form', client: '127.0.0.1', private: false };
    t.match(preAuthentication, {
      logons: 2,
      failures: 2,
      sessions: {
        total: 2,
        list: [
          { user: 'alice@corp.example', ...one },
          { user: 'bob@corp.example', ...one }
        ]
      }
    });
    const listed = await site.sessions('list');
    t.match(listed, { code: 0, stderr: '' });
    t.match(
      listed.stdout,
      /^USER .*\nalice@corp\.example +corp\.example +form +127\.0\.0\.1 +public /
    );
    const metrics = await scrape(site);
    t.equal(metrics.sum('ballast_esp_logons_total', { result: 'success' }), 2);
    t.equal(metrics.sum('ballast_esp_sessions', { mode: 'form' }), 2);
    t.equal(metrics.sum('ballast_sso_domain_up'), 1);
  });

  await t.test('and ends it, and all that it does just then', async (t) => {
    const tunnel = await browser.open();
    tunnel.send(
      `GET /owa/ws HTTP/1.1\r\nHost: ${host}\r\n${browser.fields}Connection: Upgrade\r\n` +
        'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    );
    t.match(await tunnel.until('\r\n\r\n'), /^HTTP\/1\.1 101 /);
    tunnel.send('hello');
    await tunnel.until('hello');
    const ping = await browser.open();
    const arrived = nextRecord(servers, 'request', '/microsoft-server-activesync');
    ping.send(
      'POST /Microsoft-Server-ActiveSync?Cmd=Ping&heartbeat=600 HTTP/1.1\r\n' +
        `Host: ${host}\r\n${basic('alice')}Content-Length: 0\r\n\r\n`
    );
    await arrived;
    const others = site.browser();
    await others.signIn('bob', password);
    t.match(await site.sessions('kill', 'ALICE'), {
      code: 0,
      stdout: '2 sessions of ALICE ended\n',
      stderr: ''
    });
    await tunnel.ended();
    t.match(await ping.rest(), /^HTTP\/1.1 403 /);
    await statusWhen(site.admin, (status) =>
      serviceOf(status, 'Mail', 'ActiveSync').realServers.every(
        ({ activeConnections }) => activeConnections === 0
      )
    );
    t.ok(isStranger(await browser.ask('/owa/')));
    t.ok(isStranger(await browser.ask('/owa/', { port: site.portal })));
    t.notOk(isStranger(await others.ask('/owa/')), 'bob stays');
    t.match(await site.sessions('kill', 'alice'), { stdout: '0 sessions of alice ended\n' });
    t.match(await ballast.waitFor('sessions killed'), { user: 'ALICE', ended: 2 });
  });

  await t.test('and lets in again who was blocked', async (t) => {
    const bob = site.browser();
    for (let n = 0; n < 3; n++) await bob.signIn('CORP\\bob', wrong);
    // Of him: the directory is checked meanwhile, too.
    const binds = (): number =>
      site.ldap.records.filter(({ operation, name }) => operation === 'bind' && /bob/i.test(name))
        .length;
    const before = binds();
    t.not(before, 0);
    const blocked = await bob.signIn('bob', password);
    t.equal(statusOf(blocked), 200);
    t.equal(binds(), before, 'the directory is not asked');
    t.match((await site.gate()).preAuthentication.blocked.list, [{ user: 'bob' }]);
    t.match((await site.sessions('list')).stdout, /\nBLOCKED .*\nbob +corp\.example +20/);
    t.match(await site.sessions('unlock', 'bob@corp.example'), {
      code: 0,
      stdout: 'bob@corp.example may try again\n'
    });
    t.match(await site.sessions('unlock', 'bob'), { stdout: 'bob was not blocked\n' });
    t.equal(statusOf(await bob.signIn('bob', password)), 302);
    t.equal((await scrape(site)).sum('ballast_esp_lockouts_total'), 1);
  });

  await t.test('who must change his password is told so, and not let in', async (t) => {
    const carol = site.browser();
    t.match(await carol.signIn('carol', password), { body: /password/i });
    t.ok(isStranger(await carol.ask('/owa/')));
    t.equal(statusOf(await carol.signIn('carol', wrong)), 200);
  });

  await t.test('a directory that is gone: Security Down', async (t) => {
    await browser.signIn('alice', password);
    await site.ldap.close();
    await ballast.waitFor((line) => line.msg === 'directory' && line['state'] === 'down');
    const status = await site.gate();
    t.match(status.ssoDomains, [{ status: 'Security Down', reason: /connection refused/ }]);
    t.match(serviceOf(status, 'Mail', 'OWA'), { status: 'Security Down', reason: /corp\.example/ });
    t.match(serviceOf(status, 'Mail', 'ActiveSync'), { status: 'Security Down' });
    t.match(serviceOf(status, 'Mail', 'EWS'), { status: 'Up', reason: null });
    t.equal(serviceOf(status, 'Mail').status, 'Up', 'as long as one SubVS is');
    t.equal(serviceOf(status, 'Portal').status, 'Security Down');
    const metrics = await scrape(site);
    t.equal(metrics.sum('ballast_sso_domain_up'), 0);
    t.equal(metrics.sum('ballast_service_up', { sub_vs: 'OWA' }), 0);
    t.ok(await isIn(), 'who is in goes on');
    const late = site.browser();
    t.match((await late.signIn('bob', password)).body, /cannot be checked/);
  });

  await t.test('the Authentication Proxy makes nothing up', async (t) => {
    for (const server of servers) await server.close();
    // "Security Down" while the servers of one with a form still count as up.
    const status = await statusWhen(site.admin, (one) => serviceOf(one, 'Mail').status === 'Down');
    t.not(serviceOf(status, 'Mail', 'Authentication Proxy').status, 'Up');
  });

  said.push(JSON.stringify(ballast.lines), ballast.errors());
  t.notOk(ballast.lines.some(({ msg }) => msg === 'unexpected error'));
});

t.test('a real Active Directory', { skip: missingForSamba() }, async (t) => {
  const samba = await startSamba(t);
  const ca = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(ca, samba.caPem);
  secrets.add(directoryPassword);
  const names = 'logonDomain: example.test, logonFormat2: username';
  const lines = `{ name: corp.example, server: ${samba.address}, caFile: ${ca}, ${names} }`;
  const site = await openSite(t, { lines });
  for (const [user, status, about] of [
    ['u1', 302, ''],
    ['u1@example.test', 302, ''],
    ['EXAMPLE\\u1', 302, ''],
    ['u1@elsewhere.test', 200, 'user name'],
    ['nobody', 200, 'user name'],
    ['disabled', 200, 'user name'],
    ['mustchange', 200, 'password'],
    ['expired', 200, 'password']
  ] as const) {
    const browser = site.browser();
    const answer = await browser.signIn(user, directoryPassword);
    t.equal(statusOf(answer), status, user);
    t.match(answer.body, about, user);
    t.equal(browser.cookies.has('__Host-lmdata'), status === 302, user);
  }
  t.match((await site.sessions('kill', 'example.test\\u1')).stdout, '3 sessions of ');
  said.push(JSON.stringify(site.ballast.lines), site.ballast.errors());
});

t.test('no secret was told to anybody', (t) => {
  const all = said.join('\n');
  t.ok(all.includes('alice@corp.example'), 'though much was said');
  for (const { handles } of browsers) for (const handle of handles) secrets.add(handle);
  t.ok(secrets.size > 10);
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), btoa(secret)]) {
      t.notOk(all.includes(form), form);
    }
  }
  t.end();
});

async function scrape({ admin }: Site): Promise<Scrape> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  said.push(text);
  return new Scrape(text);
}
