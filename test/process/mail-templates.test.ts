// All twelve mail templates of the guide before two Dovecot and two Postfix, used by the clients
// that people use.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { mailPassword, missingForMail } from '../fixture/mail-store.ts';
import {
  delivered,
  mailServices,
  messagesOf,
  startMailSite,
  type MailService,
  type MailSite
} from '../fixture/mail-site.ts';
import { run } from '../fixture/programs.ts';

t.setTimeout(100_000);

const clients = ['curl', 'fetchmail', 'mbsync', 'msmtp', 'openssl', 'python3', 'swaks'];
const skip = missingForMail(...clients);

t.test('the twelve templates', { skip }, async (t) => {
  const site = await startMailSite(t, { services: mailServices });
  await t.test('smtplib', (t) => trySmtplib(t, site));
  await t.test('other clients that send', (t) => sendByOthers(t, site));
  await t.test('imaplib', (t) => tryImaplib(t, site));
  await t.test('poplib', (t) => tryPoplib(t, site));
  await t.test('other clients that read', (t) => readByOthers(t, site));
  await t.test('openssl s_client', (t) => tryOpenssl(t, site));
  await t.test('one line a session in the log', async (t) => {
    for (const service of mailServices) {
      const line = await site.ballast.waitFor(
        (one) => one.msg === 'session' && one['virtualService'] === service
      );
      t.match(line, { level: 'info', server: /^mx[12]$/, client: '127.0.0.1' }, service);
      if (service.endsWith('Offloaded')) t.match(line['tls'], /^TLSv1\.[23]$/);
    }
  });
});

interface Told {
  readonly greeting?: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Names in the certificate that the client saw; undefined without TLS. */
  readonly names?: readonly string[];
  readonly clear?: string;
  readonly second?: string | number;
  readonly [more: string]: unknown;
}

/** What one of the Python clients told about each service of its protocol. */
async function python(
  site: MailSite,
  script: 'mail_imap' | 'mail_pop' | 'mail_smtp',
  services: readonly MailService[]
): Promise<Record<string, Told>> {
  const given = {
    services: Object.fromEntries(services.map((service) => [service, site.port[service]])),
    ca: site.caFile,
    user: 'u1',
    password: mailPassword
  };
  const file = fileURLToPath(new URL(`../fixture/${script}.py`, import.meta.url));
  return JSON.parse(await run('python3', file, JSON.stringify(given))) as Record<string, Told>;
}

function servicesOf(protocol: 'imap' | 'pop' | 'smtp'): MailService[] {
  return mailServices.filter((service) => service.startsWith(protocol));
}

/** Who ended TLS, by the certificate. */
function endedBy(told: Told | undefined): 'Ballast' | 'the server' | 'nobody' {
  if (told?.names === undefined) return 'nobody';
  return told.names.includes('mail.example.test') ? 'Ballast' : 'the server';
}

async function trySmtplib(t: Test, site: MailSite): Promise<void> {
  const told = await python(site, 'mail_smtp', servicesOf('smtp'));
  const { smtp, smtps, smtpsOffloaded, smtpStartTls } = told;
  t.match(smtp?.before, ['8bitmime'], 'in the clear');
  t.ok(smtp?.before.includes('starttls'), "the server's own STARTTLS passes");
  t.equal(endedBy(smtps), 'the server');
  t.equal(endedBy(smtpsOffloaded), 'Ballast');
  t.equal(endedBy(smtpStartTls), 'Ballast');
  t.match(smtpStartTls, { starttls: /ready|begin|start|go ahead/i, second: 503, auth: 235 });
  t.ok(smtpStartTls?.before.includes('starttls'), 'offered before TLS');
  t.notOk(smtpStartTls?.before.includes('auth'), 'and no login');
  t.notOk(smtpStartTls?.after.includes('starttls'), 'not offered again under TLS');
  t.ok(smtpStartTls?.after.includes('auth'), 'but the login is');
  for (const [service, { quit }] of Object.entries(told)) t.equal(quit, 221, service);
  await delivered(site, 'u1', 4);
  const texts = messagesOf(site, 'u1').map((file) => readFileSync(file, 'latin1'));
  for (const service of servicesOf('smtp')) {
    const text = texts.find((one) => one.includes(`Subject: by ${service}\n`)) ?? '';
    t.match(text, /\n\n\.\n\.\.\nQUIT\nSTARTTLS\n$/, `${service}: whole, dots and all`);
  }
}

async function sendByOthers(t: Test, site: MailSite): Promise<void> {
  const { port, store } = site;
  const message = join(store.folder, 'message.eml');
  writeFileSync(
    message,
    'From: a@client.test\r\nTo: u2@example.test\r\nSubject: sent\r\n\r\nhi\r\n'
  );
  const envelope = [
    '--mail-from',
    'a@client.test',
    '--mail-rcpt',
    'u2@example.test',
    '-T',
    message
  ];
  const curl = (url: string, ...more: string[]): Promise<string> =>
    run('curl', '-sS', '--cacert', site.caFile, url, '-T', message, ...envelope, ...more);
  const signedIn = ['-u', `u2:${mailPassword}`];
  await curl(`smtp://localhost:${port.smtp}`);
  await curl(`smtp://localhost:${port.smtp}`, '--ssl-reqd');
  await curl(`smtps://localhost:${port.smtps}`, ...signedIn);
  await curl(`smtps://localhost:${port.smtpsOffloaded}`, ...signedIn);
  await curl(`smtp://localhost:${port.smtpStartTls}`, '--ssl-reqd', ...signedIn);

  const swaks = (service: MailService, ...more: string[]): Promise<string> => {
    const server = ['--server', 'localhost', '--port', String(port[service])];
    const mail = ['--from', 'a@client.test', '--to', 'u2@example.test', '--ehlo', 'client.test'];
    const verify = ['--tls-verify', '--tls-ca-path', site.caFile];
    return run('swaks', ...server, ...mail, ...verify, ...more);
  };
  const auth = ['--auth', 'LOGIN', '-au', 'u2', '-ap', mailPassword];
  t.match(await swaks('smtpStartTls', '--tls', ...auth), /~> QUIT\r?\n<~ +221 /);
  t.match(await swaks('smtpsOffloaded', '--tlsc', ...auth), /~> QUIT\r?\n<~ +221 /);

  for (const [service, startTls] of [
    ['smtpStartTls', 'on'],
    ['smtpsOffloaded', 'off'],
    ['smtps', 'off']
  ] as const) {
    const file = join(store.folder, 'msmtprc');
    writeFileSync(
      file,
      `account default\nhost localhost\nport ${port[service]}\nfrom a@client.test
tls on\ntls_starttls ${startTls}\ntls_trust_file ${site.caFile}
auth plain\nuser u2\npassword ${mailPassword}\nsyslog off\n`,
      { mode: 0o600 }
    );
    await run('sh', '-c', `msmtp -C ${file} u2@example.test < ${message}`);
  }
  await delivered(site, 'u2', 10);
  t.equal(messagesOf(site, 'u2').length, 10, 'each message once');
}

async function tryImaplib(t: Test, site: MailSite): Promise<void> {
  const told = await python(site, 'mail_imap', servicesOf('imap'));
  const { imap, imaps, imapsOffloaded, imapStartTls } = told;
  t.ok(imap?.before.includes('STARTTLS'), "the server's own STARTTLS passes");
  t.equal(endedBy(imaps), 'the server');
  t.equal(endedBy(imapsOffloaded), 'Ballast');
  t.equal(endedBy(imapStartTls), 'Ballast');
  t.match(imapStartTls?.greeting, /^\* OK \[CAPABILITY [^\]]* STARTTLS[^\]]*\] mx[12] ready$/);
  t.match(imapStartTls?.greeting, / LOGINDISABLED[ \]]/);
  t.ok(imapStartTls?.before.includes('LOGINDISABLED'), 'no login in the clear');
  t.not(imapStartTls?.clear, 'taken');
  t.notOk(imapStartTls?.after.includes('STARTTLS'), 'not offered again under TLS');
  t.notOk(imapStartTls?.after.includes('LOGINDISABLED'));
  t.not(imapStartTls?.second, 'OK', 'and refused if asked for');
  let found = 4;
  for (const service of servicesOf('imap')) {
    const expected = { found: found++, append: 'OK', kept: true, logout: 'BYE' };
    t.match(told[service], expected, `${service}: finds what was sent, stores one more`);
  }
}

async function tryPoplib(t: Test, site: MailSite): Promise<void> {
  const told = await python(site, 'mail_pop', servicesOf('pop'));
  const { pop, pops, popsOffloaded, popStartTls } = told;
  t.ok(pop?.before.includes('STLS'), "the server's own STLS passes");
  t.equal(endedBy(pops), 'the server');
  t.equal(endedBy(popsOffloaded), 'Ballast');
  t.equal(endedBy(popStartTls), 'Ballast');
  t.ok(popStartTls?.before.includes('STLS'));
  t.notOk(popStartTls?.before.includes('USER'), 'no login in the clear');
  t.match(popStartTls?.clear, /-ERR/);
  t.notOk(popStartTls?.after.includes('STLS'), 'not offered again under TLS');
  t.ok(popStartTls?.after.includes('USER'));
  t.match(popStartTls?.second, /-ERR/, 'and refused if asked for');
  for (const service of servicesOf('pop')) {
    t.match(told[service], { found: 8, subject: /^Subject: /, quit: /^\+OK/ }, service);
  }
}

async function readByOthers(t: Test, site: MailSite): Promise<void> {
  const { port, store } = site;
  const curl = (url: string, ...more: string[]): Promise<string> =>
    run('curl', '-sS', '--cacert', site.caFile, '-u', `u2:${mailPassword}`, url, ...more);
  const status = ['-X', 'STATUS INBOX (MESSAGES)'];
  for (const [url, ...more] of [
    [`imap://localhost:${port.imap}/INBOX`],
    [`imaps://localhost:${port.imaps}/INBOX`],
    [`imaps://localhost:${port.imapsOffloaded}/INBOX`],
    [`imap://localhost:${port.imapStartTls}/INBOX`, '--ssl-reqd']
  ] as const) {
    t.match(await curl(url, ...more, ...status), /STATUS INBOX \(MESSAGES 10\)/, url);
  }
  for (const [url, ...more] of [
    [`pop3://localhost:${port.pop}/`],
    [`pop3s://localhost:${port.pops}/`],
    [`pop3s://localhost:${port.popsOffloaded}/`],
    [`pop3://localhost:${port.popStartTls}/`, '--ssl-reqd']
  ] as const) {
    t.match(await curl(url, ...more), /^10 \d+\r?$/m, url);
  }

  for (const [service, type] of [
    ['imapStartTls', 'STARTTLS'],
    ['imapsOffloaded', 'IMAPS']
  ] as const) {
    const box = join(store.folder, `mbsync-${service}`);
    const file = join(store.folder, 'mbsyncrc');
    writeFileSync(
      file,
      `IMAPAccount a\nHost localhost\nPort ${port[service]}\nUser u2\nPass ${mailPassword}
SSLType ${type}\nCertificateFile ${site.caFile}\n
IMAPStore far\nAccount a\n
MaildirStore near\nInbox ${box}\n
Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n`
    );
    await run('mbsync', '-c', file, 'c');
    t.equal(await run('sh', '-c', `ls ${box}/new ${box}/cur | grep -c U=`), '10\n', service);
  }

  const file = join(store.folder, 'fetchmailrc');
  const fetched = join(store.folder, 'fetched');
  for (const [service, tls] of [
    ['popStartTls', 'sslproto "TLS1.2+"'],
    ['popsOffloaded', 'ssl']
  ] as const) {
    writeFileSync(
      file,
      `poll localhost service ${port[service]} protocol pop3 user "u2" password "${mailPassword}"
 ${tls} sslcertck sslcertfile ${site.caFile} fetchall keep mda "cat >> ${fetched}-${service}"\n`,
      { mode: 0o600 }
    );
    const pidFile = join(store.folder, 'fetchmail.pid');
    await run('fetchmail', '-f', file, '--nodetach', '--nosyslog', '--pidfile', pidFile);
    const text = readFileSync(`${fetched}-${service}`, 'latin1');
    t.equal(text.match(/^Return-Path: /gm)?.length, 10, `fetchmail: ${service}`);
  }
}

async function tryOpenssl(t: Test, site: MailSite): Promise<void> {
  for (const [service, protocol, byWhom] of [
    ['imapStartTls', 'imap', 'Ballast'],
    ['popStartTls', 'pop3', 'Ballast'],
    ['smtpStartTls', 'smtp', 'Ballast'],
    ['imap', 'imap', 'the server'],
    ['pop', 'pop3', 'the server'],
    ['smtp', 'smtp', 'the server'],
    ['imapsOffloaded', undefined, 'Ballast'],
    ['popsOffloaded', undefined, 'Ballast'],
    ['smtpsOffloaded', undefined, 'Ballast'],
    ['imaps', undefined, 'the server'],
    ['pops', undefined, 'the server'],
    ['smtps', undefined, 'the server']
  ] as const) {
    const starttls = protocol === undefined ? '' : `-starttls ${protocol}`;
    const command = `openssl s_client -connect localhost:${site.port[service]} ${starttls}`;
    const told = await run('sh', '-c', `${command} -CAfile ${site.caFile} </dev/null 2>&1`);
    const name = byWhom === 'Ballast' ? 'mail.example.test' : 'servers.example.test';
    t.match(told, /Verification: OK/, service);
    t.match(told, new RegExp(`subject=.*CN ?= ?${name}`), `${service}: TLS ends at ${byWhom}`);
  }
}
