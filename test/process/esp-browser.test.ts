// Pre-authentication as people meet it: a real browser, the real program with the template, stand-ins
// of the directory and of Exchange, whose own form is filled in by Ballast.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startExchange, type Exchange } from '../../src/lab/exchange.ts';
import { startLdap, type Ldap } from '../../src/lab/ldap.ts';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { picture, startChromium, windowWithoutCookies } from '../fixture/browser.ts';
import type { BrowserContext, Chromium, Page } from '../fixture/browser.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { endBallast, ownAddress, temporaryFolder } from '../fixture/exchange-site.ts';
import { missing } from '../fixture/programs.ts';

t.setTimeout(90_000);

const greeting = 'Please enter your Exchange credentials';
const password = 'Right-1';

interface Site {
  readonly origin: string;
  /** Of the service whose server has no forms and takes Basic. */
  readonly basicOrigin: string;
  readonly exchange: Exchange;
  readonly ldap: Ldap;
  readonly ballast: Ballast;
  readonly browser: Chromium;
  /** Asks the management listener. */
  readonly admin: (path: string, body?: object) => Promise<unknown>;
}

t.test('a browser', { skip: missing('chromium') }, async (t) => {
  const site = await startSite(t);
  for (const javaScript of [true, false]) {
    await t.test(`from login to logoff, ${javaScript ? 'with' : 'without'} JavaScript`, (t) =>
      testLogin(t, site, javaScript)
    );
  }
  await t.test('two tabs', (t) => testTabs(t, site));
  await t.test('a session that is over, of a private computer', (t) => testEnd(t, site));
  await t.test('wrong, unknown and forbidden look the same', (t) => testRefusals(t, site));
  await t.test('an expired password, its link, and the new one', (t) => testExpired(t, site));
  await t.test('cookies of Exchange that are over', (t) => testOver(t, site));
  await t.test('a server without forms', (t) => testBasic(t, site));
  await t.test('no cookies', (t) => testNoCookies(t, site));
  // The last one: it ends the directory.
  await t.test('no directory', (t) => testNoDirectory(t, site));
  t.notMatch(JSON.stringify(site.ballast.lines), password, 'no password in the log');
});

async function startSite(t: Test): Promise<Site> {
  const { cert, key, pem } = await testCertificate('mail.example.com');
  const ports = await freePorts(6);
  const [https = 0, http = 0, admin = 0, plain = 0, secure = 0, toBasic = 0] = ports;
  const host = ownAddress(0);
  const person = (name: string) => ({ domain: 'CORP', name, password });
  const users = [...['alice', 'bob', 'mallory'].map(person), { ...person('carol'), expired: true }];
  const exchange = await startExchange({
    name: 'ex01.example.com',
    http: { host, port: plain },
    https: { host, port: secure, key, cert },
    owa: { signIn: 'form' },
    users
  });
  const formless = await startExchange({
    name: 'ex02.example.com',
    http: { host: ownAddress(1) },
    owa: { signIn: 'basic' },
    users
  });
  const ldap = await startLdap({
    domain: 'corp.example.com',
    tls: { key, cert },
    accounts: [
      { ...person('alice'), memberOf: ['Mail Users'] },
      { ...person('bob'), memberOf: ['Mail Users'] },
      { ...person('carol'), memberOf: ['Mail Users'], trouble: 'expired' },
      person('mallory')
    ],
    groups: [{ name: 'Mail Users' }]
  });
  exchange.events.on('password', (user, changed) => ldap.setPassword(user, changed));
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'mail.pem'), pem);
  const ballast = await startBallast(`
global: { workers: 2 }
admin: { port: ${admin} }
certificates: [{ name: mail, file: ${folder}/mail.pem }]
ssoDomains:
  - { name: corp.example.com, server: '127.0.0.1:${ldap.port}', caFile: ${folder}/mail.pem,
      maxFailedAuths: 2 }
virtualServices:
  - template: Exchange 2016 HTTPS Offloaded with ESP
    address: 127.0.0.1
    port: ${https}
    redirectPort: ${http}
    certificates: [mail]
    checkPort: ${secure}
    allowedHosts: mail.example.com
    domain: corp.example.com
    realServers: [{ address: ${host}, port: ${plain} }]
    subVSs:
      - name: OWA
        allowedGroups: Mail Users
        userPwdChangeUrl: /owa/auth/expiredpassword.aspx?url=/owa/auth.owa
        userPwdChangeMsg: Your password is over. Get a new one.
        excludedDirectories: /owa/auth/expiredpassword.aspx
  - name: Without forms
    address: 127.0.0.1
    port: ${toBasic}
    vsType: http
    sslAcceleration: true
    certificates: [mail]
    checkType: none
    realServers: [{ address: ${ownAddress(1)}, port: ${formless.ports.http} }]
    espEnabled: true
    inputAuthMode: form
    outputAuthMode: basic
    domain: corp.example.com
    allowedHosts: mail.example.com
    allowedDirectories: /owa* /ecp*
    logoff: /owa/logoff.owa
`);
  const browser = await startChromium();
  t.teardown(async () => {
    await browser.close();
    await endBallast(ballast);
    await Promise.all([exchange.close(), formless.close(), ldap.close()]);
  });
  return {
    origin: `https://mail.example.com:${https}`,
    basicOrigin: `https://mail.example.com:${toBasic}`,
    exchange,
    ldap,
    ballast,
    browser,
    admin: async (path, body) => {
      const headers = { 'Content-Type': 'application/json' };
      const post = { method: 'POST', headers, body: JSON.stringify(body) };
      const answer = await fetch(`http://127.0.0.1:${admin}${path}`, body && post);
      return answer.json();
    }
  };
}

/** Whatever the browser complains of, such as what a Content-Security-Policy forbids. */
function complaintsOf(context: BrowserContext): string[] {
  const complaints: string[] = [];
  context.on('console', (message) => {
    // Pages of the stand-in have no icon.
    const isIcon = message.location().url.endsWith('/favicon.ico');
    if (message.type() === 'error' && !isIcon) complaints.push(message.text());
  });
  return complaints;
}

async function signIn(page: Page, user: string, typed = password): Promise<void> {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password').fill(typed);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** The page of OWA, which names who it is for. */
async function isMailOf(t: Test, page: Page, user: string): Promise<void> {
  await page.getByRole('heading', { name: 'Mail' }).waitFor();
  t.match(await page.locator('body').innerText(), `User: CORP\\${user}`);
}

async function isLoginPage(t: Test, page: Page, said?: string): Promise<void> {
  await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
  const notice = page.getByRole('alert');
  if (said === undefined) t.equal(await notice.count(), 0);
  else t.match(await notice.innerText(), said);
  t.match(new URL(page.url()).pathname, '/lm_auth_proxy');
}

async function cookieNames(context: BrowserContext): Promise<string[]> {
  const names = (await context.cookies()).map(({ name }) => name);
  return names.filter((name) => /^(__Host-lm|cadata)/.test(name)).toSorted();
}

async function testLogin(t: Test, site: Site, javaScript: boolean): Promise<void> {
  const { origin, exchange, browser } = site;
  const context = await browser.window({ javaScript });
  const complaints = complaintsOf(context);
  const page = await context.newPage();
  const deep = `${origin}/owa/?path=/calendar/view&a=b%20c`;
  const before = exchange.records.length;
  await page.goto(deep);
  await isLoginPage(t, page);
  await picture(page, `login-${javaScript}`);
  t.equal(await page.getByText(greeting).count(), 1);
  t.ok(await page.getByRole('radio', { name: /Public/ }).isChecked());
  t.equal(await page.locator(':focus').getAttribute('name'), 'username');
  await signIn(page, 'CORP\\alice', 'Wrong-1');
  await isLoginPage(t, page, 'check your user name and your password');
  await picture(page, `wrong-${javaScript}`);
  t.equal(await page.getByLabel('User name').inputValue(), 'CORP\\alice');
  t.equal(await page.getByLabel('Password').inputValue(), '');
  const others = exchange.records
    .slice(before)
    .filter(({ request }) => !request.path.endsWith('/healthcheck.htm'));
  t.strictSame(others, [], 'so far the server has seen nothing');

  await signIn(page, 'alice@corp.example.com');
  await isMailOf(t, page, 'alice');
  t.equal(page.url(), deep, 'where he wanted to go');
  const session = (await context.cookies()).find(({ name }) => name === '__Host-lmdata');
  const kind = { httpOnly: true, secure: true, sameSite: 'Lax', path: '/', expires: -1 };
  t.match(session, { ...kind, domain: 'mail.example.com' });
  await page.getByRole('link', { name: 'Options' }).click();
  await page.getByText('User: CORP\\alice').waitFor();
  t.match(page.url(), '/ecp/', 'one session for all');
  await page.goBack();

  await page.getByRole('link', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await picture(page, `signed-out-${javaScript}`);
  t.strictSame(await cookieNames(context), []);
  await page.getByRole('link', { name: 'Sign in again' }).click();
  await isLoginPage(t, page);
  await signIn(page, 'alice');
  await isMailOf(t, page, 'alice');
  const seen = exchange.records.map(({ request }) => request.head.toString('latin1')).join('');
  t.notMatch(seen, /lmdata|lmlogin|logoff|LMLogon/);
  t.strictSame(complaints, []);
  await context.close();
}

async function testTabs(t: Test, { origin, browser }: Site): Promise<void> {
  const context = await browser.window();
  const [one, other] = [await context.newPage(), await context.newPage()];
  await one.goto(`${origin}/owa/?tab=1`);
  await other.goto(`${origin}/ecp/?tab=2`);
  await signIn(one, 'alice');
  await isMailOf(t, one, 'alice');
  // The form in the other tab is over, and the next one ends the session of the first.
  await signIn(other, 'bob');
  await isLoginPage(t, other, 'sign in once more');
  await signIn(other, 'bob');
  await other.getByText('User: CORP\\bob').waitFor();
  t.equal(other.url(), `${origin}/ecp/?tab=2`);
  await one.reload();
  await isMailOf(t, one, 'bob');
  await one.getByRole('link', { name: 'Sign out' }).click();
  await one.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await other.reload();
  await isLoginPage(t, other);
  await context.close();
}

async function testEnd(t: Test, { origin, admin, browser }: Site): Promise<void> {
  const context = await browser.window();
  const page = await context.newPage();
  await page.goto(`${origin}/owa/?before`);
  await page.getByRole('radio', { name: /Private/ }).check();
  await signIn(page, 'bob', 'Wrong-1');
  await isLoginPage(t, page, 'check');
  t.ok(await page.getByRole('radio', { name: /Private/ }).isChecked(), 'asked for once');
  await signIn(page, 'bob');
  await isMailOf(t, page, 'bob');
  t.match(await admin('/sessions'), {
    sessions: { total: Number, list: [{ user: 'bob@corp.example.com', private: true }] }
  });
  t.match(await admin('/sessions/kill', { user: 'bob@corp.example.com' }), { ended: 1 });
  await page.goto(`${origin}/owa/?after`);
  await isLoginPage(t, page);
  await signIn(page, 'bob');
  await isMailOf(t, page, 'bob');
  t.equal(page.url(), `${origin}/owa/?after`);
  await context.close();
}

async function testRefusals(t: Test, { origin, browser }: Site): Promise<void> {
  const context = await browser.window();
  const page = await context.newPage();
  const saidTo = async (user: string, typed: string): Promise<string> => {
    await page.goto(`${origin}/owa/`);
    await signIn(page, user, typed);
    await page.getByRole('alert').waitFor();
    const text = await page.content();
    const token = await page.locator('[name=curlid]').inputValue();
    return text.replace(`value="${user}"`, '').replace(token, '');
  };
  const wrong = await saidTo('alice', 'Wrong-1');
  t.match(wrong, 'check your user name and your password');
  t.equal(await saidTo('nobody', 'Wrong-1'), wrong);
  t.equal(await saidTo('mallory', password), wrong, 'in no permitted group');
  for (const said of ['check', 'check', 'too many attempts']) {
    await signIn(page, 'somebody', 'Wrong-1');
    await isLoginPage(t, page, said);
  }
  await picture(page, 'blocked');
  t.strictSame(await cookieNames(context), ['__Host-lmlogin']);
  await context.close();
}

async function testExpired(t: Test, { origin, browser }: Site): Promise<void> {
  const context = await browser.window({ javaScript: false });
  const page = await context.newPage();
  await page.goto(`${origin}/owa/`);
  await signIn(page, 'carol', 'Wrong-1');
  await isLoginPage(t, page, 'check');
  await signIn(page, 'carol');
  await isLoginPage(t, page, 'Your password is over. Get a new one.');
  await picture(page, 'expired');
  await page.getByRole('link', { name: 'Change your password' }).click();
  await page.getByLabel('Name').fill('carol');
  await page.getByLabel('Current password').fill(password);
  await page.getByLabel('New password', { exact: true }).fill('Right-2');
  await page.getByLabel('New password again').fill('Right-2');
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByRole('link', { name: 'Sign in with it' }).click();
  await isLoginPage(t, page);
  await signIn(page, 'carol', 'Right-2');
  await isMailOf(t, page, 'carol');
  await context.close();
}

async function testOver(t: Test, { origin, exchange, browser }: Site): Promise<void> {
  const context = await browser.window();
  const page = await context.newPage();
  await page.goto(`${origin}/owa/`);
  await signIn(page, 'alice');
  await isMailOf(t, page, 'alice');
  const forms = (): number =>
    exchange.records.filter(({ request }) => request.path === '/owa/auth.owa').length;
  const before = forms();
  await page.goto(`${origin}/owa/?again`);
  t.equal(forms(), before, 'once a session');
  const cookies = await context.cookies();
  const ttl = cookies.find(({ name }) => name === 'cadataTTL');
  t.ok(ttl);
  if (ttl !== undefined) await context.addCookies([{ ...ttl, value: '1.x' }]);
  await page.goto(`${origin}/owa/?later`);
  await isMailOf(t, page, 'alice');
  t.equal(page.url(), `${origin}/owa/?later`);
  t.equal(forms(), before + 1, 'signed in anew, and nobody noticed');
  await context.close();
}

async function testBasic(t: Test, { basicOrigin, browser }: Site): Promise<void> {
  const context = await browser.window();
  const page = await context.newPage();
  await page.goto(`${basicOrigin}/owa/?deep=1`);
  await isLoginPage(t, page);
  await signIn(page, 'CORP\\alice');
  await isMailOf(t, page, 'alice');
  t.equal(page.url(), `${basicOrigin}/owa/?deep=1`);
  t.strictSame(await cookieNames(context), ['__Host-lmdata']);
  await page.getByRole('link', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await page.goBack();
  await isLoginPage(t, page);
  await context.close();
}

async function testNoCookies(t: Test, { origin }: Site): Promise<void> {
  const context = await windowWithoutCookies(temporaryFolder(t));
  try {
    const page = await context.newPage();
    await page.goto(`${origin}/owa/`);
    await isLoginPage(t, page);
    await signIn(page, 'alice');
    await isLoginPage(t, page, 'did not send our cookie back');
    await picture(page, 'cookies');
  } finally {
    await context.close();
  }
}

async function testNoDirectory(t: Test, { origin, ldap, browser }: Site): Promise<void> {
  const context = await browser.window();
  const page = await context.newPage();
  await page.goto(`${origin}/owa/`);
  await signIn(page, 'alice');
  await isMailOf(t, page, 'alice');
  await ldap.close();
  await page.reload();
  await isMailOf(t, page, 'alice');
  const stranger = await browser.window();
  const other = await stranger.newPage();
  await other.goto(`${origin}/owa/`);
  await signIn(other, 'bob');
  await isLoginPage(t, other, 'cannot be checked at the moment');
  await picture(other, 'unavailable');
  await context.close();
  await stranger.close();
}
