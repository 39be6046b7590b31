// Pre-authentication: how services and SSO domains may be written, and what is said of unwise ones.

import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { EspSettings, SsoDomain, TcpSettings } from '../../src/config/model.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { load, problemsOf, serviceOf, type Outcome } from './support.ts';

const domain = 'ssoDomains: [{ name: Corp.example, server: 127.0.0.1 }]\n';
const hosts = 'allowedHosts: mail.corp.example';

/** One service with TLS and these lines of its own. */
async function outcome(t: Test, lines: string, head = domain): Promise<Outcome> {
  const own = lines.replaceAll(/^ */gm, '    ');
  return load(
    t.testdir({}),
    `${head}virtualServices:\n  - name: owa\n    port: 443\n    sslAcceleration: 1\n` +
      `    realServers: []\n${own}\n`
  );
}

async function espOf(t: Test, lines: string, head?: string): Promise<EspSettings | undefined> {
  return serviceOf(await outcome(t, lines, head), 'owa').esp;
}

/** But for the one about the certificate. */
function warningsOf({ warnings }: Outcome): string[] {
  return warnings.filter((warning) => !warning.includes('self-signed'));
}

t.test('the defaults of a service with ESP, and of one without', async (t) => {
  t.equal(await espOf(t, 'espEnabled: 0\ninputAuthMode: 2\nlogoff: /x', domain), undefined);
  t.strictSame(
    await espOf(t, `espEnabled: 1\ninputAuthMode: 2\n${hosts}\nallowedDirectories: /*`),
    {
      clientMode: 'form',
      serverMode: 'form',
      domain: 'Corp.example',
      logs: { user: true, security: true, connection: true },
      allowedHosts: ['mail.corp.example'],
      allowedDirectories: ['/*'],
      excludedDirectories: [],
      allowedGroups: [],
      nestedGroups: false,
      logoff: [],
      greeting: '',
      asksPublicPrivate: true,
      passwordChange: undefined,
      serverForm: {
        path: '/owa/auth.owa',
        post:
          'destination=%s%23authRedirect=true&flags=4&forcedownlevel=0' +
          '&username=%s&password=%s&passwordText=&isUtf8=1',
        usernameOnly: false
      }
    }
  );
});

t.test('names and values in the spellings of guide and LoadMaster', async (t) => {
  const body = 'u=%s&name=%s&word=%s';
  const cases: [lines: string, where: (esp: EspSettings) => unknown, value: unknown][] = [
    ['InputAuthMode: 0', (e) => [e.clientMode, e.serverMode, e.domain], ['delegate', 'none', '']],
    ['InputAuthMode: 1', (e) => [e.clientMode, e.serverMode], ['basic', 'basic']],
    ['InputAuthMode: Form\nOutputAuthMode: 0', (e) => e.serverMode, 'none'],
    ['inputAuthMode: form based\noutputAuthMode: Basic', (e) => e.serverMode, 'basic'],
    ['inputAuthMode: basic\ndomain: CORP.EXAMPLE', (e) => e.domain, 'Corp.example'],
    ['ESPLog: 5', (e) => e.logs, { user: true, security: false, connection: true }],
    ['ESPLogs: 0', (e) => e.logs, { user: false, security: false, connection: false }],
    ['AllowedHosts: Mail.example.com%20autodiscover.example.com.', (e) => e.allowedHosts.length, 2],
    ['AllowedHosts: "\\n Mail.EXAMPLE.com"', (e) => e.allowedHosts, ['mail.example.com']],
    ['allowedHosts: [a.example, "b.example c.example"]', (e) => e.allowedHosts.length, 3],
    ['allowedHosts: a.example A.example', (e) => e.allowedHosts, ['a.example']],
    ['allowedHosts: "*.example.com"', (e) => e.allowedHosts, ['*.example.com']],
    ['allowedHosts: büro.example', (e) => e.allowedHosts, ['xn--bro-hoa.example']],
    ['allowedHosts: 192.0.2.10 [2001:db8::1]', (e) => e.allowedHosts.length, 2],
    ['Allowed Directories: %0A%2F%2A', (e) => e.allowedDirectories, ['/*']],
    ['AllowedDirectories: %2Fowa%2A%0A', (e) => e.allowedDirectories, ['/owa*']],
    ['allowedDirectories: "*"', (e) => e.allowedDirectories, ['/*']],
    ['allowedDirectories: ""', (e) => e.allowedDirectories, []],
    ['allowedDirectories: [/OWA*, /ecp]', (e) => e.allowedDirectories, ['/owa*', '/ecp']],
    [
      'inputAuthMode: 1\nExcludeDirectories: %2Fowa%2F5f2c%40example.com%2A',
      (e) => e.excludedDirectories,
      ['/owa/5f2c@example.com*']
    ],
    [
      'inputAuthMode: 1\nexcludedDirectories: /owa/guid@smtpdomain*',
      (e) => e.excludedDirectories,
      []
    ],
    [
      'inputAuthMode: 1\nallowedGroups: Mail Users;VPN;',
      (e) => e.allowedGroups,
      ['Mail Users', 'VPN']
    ],
    ['inputAuthMode: 1\nincludeNestedGroups: Y', (e) => e.nestedGroups, true],
    [
      'inputAuthMode: 2\nLogoff: %2Fowa%2FLogoff.owa /x',
      (e) => e.logoff,
      ['/owa/logoff.owa', '/x']
    ],
    ['inputAuthMode: 2\nSingleSignInMessage: a`b`c', (e) => e.greeting, 'abc'],
    [
      'inputAuthMode: 2\nSSO Greeting Message: "3 < 4 &\\n<it@a.b>"',
      (e) => e.greeting,
      '3 < 4 &\n<it@a.b>'
    ],
    ['inputAuthMode: 2\nAllowed Virtual Hosts: a.b', (e) => e.allowedHosts, ['a.b']],
    [
      'inputAuthMode: 2\nPre-Authorization Excluded Directories: /owa/x',
      (e) => e.excludedDirectories,
      ['/owa/x']
    ],
    ['inputAuthMode: 2\nUser Password Form: /change', (e) => e.passwordChange?.url, '/change'],
    ['inputAuthMode: 1\nallowedGroups: "Mail, all;E=mc2"', (e) => e.allowedGroups.length, 2],
    [
      'inputAuthMode: 2\nsingleSignOnMessage: Please%20sign%20in',
      (e) => e.greeting,
      'Please sign in'
    ],
    ['inputAuthMode: 2\nDisplayPubPriv: 0', (e) => e.asksPublicPrivate, false],
    [
      'inputAuthMode: 2\nuserPwdChangeUrl: /change?x=1',
      (e) => e.passwordChange?.url,
      '/change?x=1'
    ],
    ['inputAuthMode: 2\nServerFbaPath: /Auth', (e) => e.serverForm.path, '/auth'],
    [`inputAuthMode: 2\nserverFBAPost: ${body}`, (e) => e.serverForm.post, body],
    [`inputAuthMode: 2\nserverFBAPost: ${btoa(body)}`, (e) => e.serverForm.post, body],
    ['inputAuthMode: 2\nServerFbaUsernameOnly: 1', (e) => e.serverForm.usernameOnly, true]
  ];
  for (const [lines, where, value] of cases) {
    const esp = await espOf(t, `EnableESP: 1\n${lines}`);
    t.strictSame(esp && where(esp), value, lines);
  }
});

t.test('a service hands ESP down, and a SubVS has the last word', async (t) => {
  const loaded = await outcome(
    t,
    `espEnabled: true
inputAuthMode: form
outputAuthMode: basic
${hosts}
allowedDirectories: /*
logoff: /owa/logoff.owa
subVSs:
  - { name: OWA, rules: [owa] }
  - { name: EWS, rules: [ews], inputAuthMode: 0, outputAuthMode: 0, allowedDirectories: /ews* }
  - { name: Free, rules: [default], espEnabled: false }`.replaceAll(/^ {2}-/gm, '-'),
    `${domain}rules: [{ name: owa, pattern: ^/owa }, { name: ews, pattern: ^/ews }]\n`
  );
  const service = serviceOf(loaded, 'owa');
  t.equal(service.esp, undefined);
  t.match(service.subVSs, [
    { esp: { clientMode: 'form', serverMode: 'basic', logoff: ['/owa/logoff.owa'] } },
    { esp: { clientMode: 'delegate', serverMode: 'none', allowedDirectories: ['/ews*'] } },
    { esp: undefined }
  ]);
  t.strictSame(warningsOf(loaded), ['owa/Free: pre-authentication is off (espEnabled: false)']);
});

t.test('what may be meant is told', async (t) => {
  const on = `espEnabled: 1\ninputAuthMode: 2\n`;
  const full = `${on}${hosts}\nallowedDirectories: /owa* /autodiscover*\n`;
  const away = 'dc1.corp.example';
  const unused = 'ssoDomains: [{ name: a, server: 127.0.0.1 }]\n';
  const cases: [lines: string, warning: RegExp | undefined, head?: string][] = [
    [full, undefined],
    [`${on}allowedDirectories: /*`, /^owa: nobody gets in, for there are no allowedHosts$/],
    [`${on}${hosts}`, /^owa: nobody gets in, for there are no allowedDirectories$/],
    [
      `${on}allowedHosts: mail.example.com example.com\nallowedDirectories: /owa*`,
      /^owa: allowedHosts has only an example \(mail\.example\.com example\.com\); name yours$/
    ],
    [`${on}allowedHosts: mail.example.com notexample.com\nallowedDirectories: /owa*`, undefined],
    [`${on}allowedHosts: '*'\nallowedDirectories: /*`, /lets in who asks for any host/],
    [`${full}excludedDirectories: /ews/x`, /\/ews\/x of excludedDirectories stays shut/],
    [
      `${full}excludedDirectories: /autodiscover/autodiscover.json`,
      /ProxyShell \(CVE-2021-34473\)/
    ],
    [`${full}excludedDirectories: /autodiscover/*`, /ProxyShell/],
    [`${full}excludedDirectories: /owa/au*`, /the login of the servers/],
    [`${full}excludedDirectories: /owa/auth/logon.aspx`, /leads to the login of the servers/],
    [`${full}allowedGroups: Mail, Managers`, /one group, called "Mail, Managers"; .* semicolons$/],
    [`${full}allowedGroups: 'Mail, Managers; VPN'`, undefined],
    [`espEnabled: 0\n${hosts}`, /^owa: pre-authentication is off \(espEnabled: false\)$/, '\n'],
    ['espEnabled: 0\ninputAuthMode: 0', undefined, '\n'],
    [`${full}excludedDirectories: /owa/guid@smtpdomain*`, /guide's example .* guide 4\.2\.2/],
    [`${full}logoff: /ecp/logoff.owa`, /ends no session, for it is not in allowedDirectories/],
    [`${full}logoff: /owa/x\nexcludedDirectories: /owa/x`, /ends no session, .* among excluded/],
    [`${full}userPwdChangeUrl: /owa/change`, /\/owa\/change wants him to; add it to excludedDir/],
    [`${full}userPwdChangeUrl: https://MAIL.corp.example/owa/Change?a`, /\/owa\/change wants him/],
    [`${full}userPwdChangeUrl: /owa/change\nexcludedDirectories: /owa/change`, undefined],
    [`${full}userPwdChangeUrl: https://password.example.com/`, undefined],
    [`${full}requestRules: [r]`, /the rule r changes a URL after ESP/, `${domain}${rules}`],
    [`${full.replace('2', '1')}sslAcceleration: 0`, /passwords come in clear \(inputAuthMode: 1\)/],
    ['espEnabled: 0', /^ssoDomains a: no service asks it$/, unused],
    [full, /in clear; use authType: ldap-starttls/, sso(`server: ${away}, authType: ldap`)],
    [
      full,
      /whoever answers for dc1\.corp\.example; use/,
      sso(`server: ${away}, serverCertVerify: 0`)
    ],
    [full, undefined, sso('server: localhost, authType: LDAP-Unencrypted')],
    [
      full,
      /^ssoDomains a: localhost:636 is spoken to by starttls, .*use authType: ldap-ldaps$/,
      sso('server: localhost:636')
    ],
    [
      full,
      /localhost:3269 .* use authType: ldap-ldaps$/,
      sso('server: localhost:3269, authType: ldap')
    ],
    [
      full,
      /localhost:3268 is spoken to by ldaps, .* use authType: ldap-starttls$/,
      sso('server: localhost:3268, authType: ldaps')
    ],
    [full, undefined, sso("server: 'localhost:3269 localhost:1389 localhost', authType: ldaps")],
    [full, /tried without end; use maxFailedAuths/, sso('server: localhost, maxFailedAuths: 0')],
    [full, /ends after 1800 s, .* sessToutIdlePub/, sso('server: localhost, sessToutIdlePub: 3600')]
  ];
  for (const [lines, warning, head] of cases) {
    const own = lines.includes('sslAcceleration') ? lines.replace('sslAcceleration: 0', '') : lines;
    const loaded =
      own === lines
        ? await outcome(t, lines, head)
        : await load(
            t.testdir({}),
            `${domain}virtualServices:\n  - name: owa\n    port: 80\n    realServers: []\n` +
              own.replaceAll(/^ */gm, '    ')
          );
    t.match(warningsOf(loaded), warning === undefined ? [] : [warning], lines);
    t.equal(warningsOf(loaded).length, warning === undefined ? 0 : 1, lines);
  }
});

const rules = "rules: [{ name: r, type: modifyUrl, pattern: '^/$', replacement: /owa/ }]\n";

function sso(fields: string): string {
  return `ssoDomains: [{ name: a, ${fields} }]\n`;
}

t.test('an SSO domain, least and most', async (t) => {
  const { chainPem } = await selfSignedCertificate('dc', ['dc1.corp.example']);
  const folder = t.testdir({ 'ca.pem': chainPem, pass: 'secret word\n' });
  const { configuration } = await load(
    folder,
    `ssoDomains:
  - { name: corp.example, server: dc1.corp.example }
  - name: Other one
    auth_type: LDAP-LDAPS
    server: "DC1.corp.example dc2.corp.example:3269\\n[2001:db8::1]:637 2001:db8::2"
    caFile: ca.pem
    timeout: 60
    logon_domain: OTHER
    logon_fmt: Username
    logon_fmt2: Not Specified
    baseDn: ou=people,dc=other
    max_failed_auths: 3
    reset_fail_tout: 90
    unblock_tout: 600
    sess_tout_type: max duration
    sess_tout_idle_pub: 60
    sess_tout_duration_pub: 120
    sess_tout_idle_priv: 600
    sess_tout_duration_priv: 604800
    vinterval: 10
    testUser: check
    testPassFile: pass
virtualServices: []
`
  );
  const [least, most] = configuration.ssoDomains;
  const usual: SsoDomain = {
    name: 'corp.example',
    servers: [{ host: 'dc1.corp.example', port: 389 }],
    transport: 'starttls',
    verify: true,
    caPem: undefined,
    timeoutMs: 5000,
    realm: 'corp.example',
    logonFormat: 'principal',
    serverLogonFormat: 'principal',
    searchBase: undefined,
    lockout: { failuresMax: 10, resetMs: 60_000, blockedMs: 1_800_000 },
    sessionEndsBy: 'idle',
    publicSession: { idleMs: 900_000, ageMs: 1_800_000 },
    privateSession: { idleMs: 900_000, ageMs: 28_800_000 },
    revalidateMs: 60_000,
    testUser: undefined
  };
  t.strictSame(least, usual);
  t.strictSame(most, {
    name: 'Other one',
    servers: [
      { host: 'dc1.corp.example', port: 636 },
      { host: 'dc2.corp.example', port: 3269 },
      { host: '2001:db8::1', port: 637 },
      { host: '2001:db8::2', port: 636 }
    ],
    transport: 'ldaps',
    verify: true,
    caPem: chainPem,
    timeoutMs: 60_000,
    realm: 'OTHER',
    logonFormat: 'username',
    serverLogonFormat: 'as-typed',
    searchBase: 'ou=people,dc=other',
    lockout: { failuresMax: 3, resetMs: 90_000, blockedMs: 600_000 },
    sessionEndsBy: 'age',
    publicSession: { idleMs: 60_000, ageMs: 120_000 },
    privateSession: { idleMs: 600_000, ageMs: 604_800_000 },
    revalidateMs: 10_000,
    testUser: { name: 'check', password: 'secret word' }
  });
  for (const [password, problem] of [
    ['\n', /pass is empty; write the password into it$/],
    ['a\nb', /several lines; write nothing but the password/]
  ] as const) {
    writeFileSync(join(folder, 'pass'), password);
    const text = `ssoDomains: [{ name: a, server: b, testUser: c, testPassFile: pass }]\n`;
    const problems = await problemsOf(folder, `${text}virtualServices: []\n`);
    t.match(problems, [problem]);
    t.equal(problems.length, 1);
  }
});

t.test('mail for permitted domains alone', async (t) => {
  const recipients = async (lines: string): Promise<TcpSettings['recipients']> => {
    const text = lines.replaceAll(/^/gm, '    ').replace('   ', '  -');
    const loaded = await load(t.testdir({}), `virtualServices:\n${text}\n    realServers: []\n`);
    const [service] = loaded.configuration.virtualServices;
    t.equal(service?.esp, undefined, 'nobody signs in');
    return service?.tcp?.recipients;
  };
  const gen = 'name: in\nport: 25\nserverInit: smtp';
  const always = { user: false, security: true };
  t.equal(await recipients(gen), undefined);
  t.equal(await recipients(`${gen}\nespEnabled: 0\nsmtpAllowedDomains: a.example`), undefined);
  t.strictSame(await recipients(`${gen}\nEnableESP: 1\nSmtppallow: '"Example.com"'`), {
    allowedDomains: ['example.com'],
    logs: { ...always, connection: true }
  });
  t.strictSame(
    await recipients(
      `name: in\nport: 25\nvsType: tls\nstartTLSMode: smtp\nsslAcceleration: 1\nespEnabled: 1\n` +
        `espLogs: 0\nPermitted Domains: [%22a.example%20*.b.example%22, büro.example]`
    ),
    {
      allowedDomains: ['a.example', '*.b.example', 'xn--bro-hoa.example'],
      logs: { ...always, connection: false }
    }
  );
  t.match(await recipients(`${gen}\nespEnabled: 1\nlineLimit: 2000\nsmtpAllowedDomains: a`), {});
  const warned = async (line: string, on = 'espEnabled: 1, '): Promise<readonly string[]> =>
    (
      await load(
        t.testdir({}),
        `virtualServices: [{ name: in, port: 25, serverInit: smtp, ${on}${line}realServers: [] }]\n`
      )
    ).warnings;
  t.match(await warned(''), [/^in: no mail is taken, for there are no smtpAllowedDomains$/]);
  t.match(await warned('smtpAllowedDomains: "*", '), [/^in: mail is taken for everybody/]);
  t.strictSame(await warned('smtpAllowedDomains: a.example, '), []);
  t.match(await warned('smtpAllowedDomains: example.com, '), [/Domains has only an example/]);
  const off = /: pre-authentication is off \(espEnabled: false\)$/;
  t.match(await warned('espEnabled: 0, smtpAllowedDomains: a.example, ', ''), [off]);
  t.strictSame(await warned('espEnabled: 0, ', ''), []);
});
