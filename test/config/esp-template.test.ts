// The two templates for HTTPS with ESP against the deployment guide, chapters 4.2 and 5.1.

import t from 'tap';
import type { EspSettings, VirtualService } from '../../src/config/model.ts';
import { listTemplates, renderTemplate } from '../../src/config/template.ts';
import { espGuideFile, guideFile } from './guide-rows.ts';
import { load, problemsOf, serviceOf, type Outcome } from './support.ts';

const offloaded = 'Exchange 2016 HTTPS Offloaded with ESP';
const reencrypted = 'Exchange 2016 HTTPS Reencrypted with ESP';
const hosts = ['mail.example.com', 'autodiscover.example.com'];
const ssoDomains = 'ssoDomains: [{ name: corp.example, server: 127.0.0.1 }]\n';

/** An entry with what the guide lists as required. */
function use(template: string, more = ''): string {
  return (
    `${ssoDomains}virtualServices:\n  - template: ${template}\n    name: main\n` +
    `    allowedHosts: ${hosts.join(' ')}\n    realServers: [10.0.0.11]\n${more}`
  );
}

/** Nothing is checked in the Authentication Proxy, so it does not matter how. */
function comparable({ subVSs, ...main }: VirtualService): object {
  return {
    ...main,
    // Stated in the templates for the SubVSs to take over; a service with SubVSs has none.
    check: undefined,
    subVSs: subVSs.map((sub) =>
      sub.check.type === 'none' ? { ...sub, check: { type: 'none' } } : sub
    )
  };
}

function espOf(outcome: Outcome, name = 'main'): Map<string, EspSettings | undefined> {
  return new Map(serviceOf(outcome, name).subVSs.map((sub) => [sub.name, sub.esp]));
}

t.test("both templates have the guide's values, every one", async (t) => {
  t.ok([offloaded, reencrypted].every((name) => listTemplates().includes(name)));
  for (const [template, reencrypt, server] of [
    [offloaded, 0, '10.0.0.11:80'],
    [reencrypted, 1, '10.0.0.11:443']
  ] as const) {
    const guide = await load(t.testdir({}), espGuideFile(reencrypt, server));
    const ours = await load(t.testdir({}), use(template));
    t.strictSame(
      comparable(serviceOf(ours, 'main')),
      comparable(serviceOf(guide, 'main')),
      template
    );
    // As printed, hosts and all: nothing of it hides behind what the entry says.
    const shown = renderTemplate(template) ?? '';
    const alone = await load(t.testdir({}), `${ssoDomains}${shown}`);
    t.strictSame(espOf(alone, template), espOf(guide), `${template} as it is shown`);
    t.match(shown, /# Get-Mailbox -Arbitration/);
    const [redirect] = guide.configuration.virtualServices;
    t.strictSame(serviceOf(ours, 'main - HTTP Redirect'), {
      ...redirect,
      name: 'main - HTTP Redirect'
    });
  }
});

t.test('and they come out of it as these', async (t) => {
  const outcome = await load(t.testdir({}), use(reencrypted));
  const main = serviceOf(outcome, 'main');
  t.equal(main.esp, undefined, 'a request that is for no SubVS gets no further');
  t.strictSame(
    main.subVSs.map(({ name, esp, realServers }) => [
      name,
      esp?.clientMode,
      esp?.serverMode,
      esp?.domain,
      esp?.allowedDirectories.join(' '),
      esp?.greeting,
      esp?.logoff.join(' '),
      realServers.length
    ]),
    [
      ['Authentication Proxy', 'form', 'form', 'corp.example', '/*', greeting, '', 0],
      ['ActiveSync', 'basic', 'basic', 'corp.example', '/microsoft-server-activesync*', '', '', 1],
      ['Autodiscover', 'delegate', 'none', '', '/autodiscover*', '', '', 1],
      ['ECP', 'form', 'form', 'corp.example', '/ecp*', greeting, '', 1],
      ['EWS', 'delegate', 'none', '', '/ews*', '', '', 1],
      ['MAPI', 'delegate', 'none', '', '/mapi*', '', '', 1],
      ['OAB', 'delegate', 'none', '', '/oab*', '', '', 1],
      ['OWA', 'form', 'form', 'corp.example', '/owa*', greeting, '/owa/logoff.owa', 1],
      ['PowerShell', 'delegate', 'none', '', '/powershell*', '', '', 1],
      ['RPC', 'delegate', 'none', '', '/rpc*', '', '', 1]
    ]
  );
  for (const { name, esp } of main.subVSs) {
    t.match(esp, { allowedHosts: hosts, excludedDirectories: [], passwordChange: undefined }, name);
    t.strictSame(esp?.logs, { user: true, security: true, connection: true }, name);
  }
  t.match(main.subVSs[0], {
    rules: [{ name: 'Authentication_Proxy', pattern: '/^\\/lm_auth_proxy.*/', noCase: true }],
    check: { type: 'none' },
    notAvailable: { code: 503, urlOrText: 'Endpoint not available' }
  });
  t.match(outcome.warnings.join('\n'), /sign in by form.*ActiveSync by Basic/);
  t.match(outcome.warnings.join('\n'), /main\/OWA: \/owa\/guid@smtpdomain\* .*guide's example/);
  t.equal(guideFile(1, 'x:1').includes('Esp'), false, 'the tables without ESP are still without');
});

const greeting = 'Please enter your Exchange credentials';

t.test('what the guide leaves to the administrator is asked for', async (t) => {
  const bare = `virtualServices: [{ template: ${offloaded}, realServers: [] }]\n`;
  t.match(await problemsOf(t.testdir({}), `${ssoDomains}${bare}`), [
    /^2:19 virtualServices\[0\]: the host names are still the example .*; add allowedHosts with/
  ]);
  const two = ssoDomains.replace(']', ', { name: b, server: 127.0.0.1 }]');
  t.match(await problemsOf(t.testdir({}), use(offloaded).replace(ssoDomains, two)), [
    /^3:5 virtualServices\[0\]: which directory is asked .*; add domain with one of corp\.example, b$/
  ]);
});

t.test('an entry overrides its template, for all SubVSs or for one', async (t) => {
  const outcome = await load(
    t.testdir({}),
    use(
      offloaded,
      `    domain: CORP.Example
    espLogs: 2
    allowedGroups: Mail Users; VPN
    subVSs:
      - name: OWA
        outputAuthMode: basic
        excludedDirectories: /owa/5F2c@example.com* /owa/auth/expiredpassword.aspx
        userPwdChangeUrl: https://mail.example.com/owa/auth/expiredpassword.aspx?url=/owa/auth.owa
        userPwdChangeMsg: Change it
      - { name: RPC, espEnabled: false }
      - { name: Authentication Proxy, realServers: ['10.0.0.13:80'] }
`
    )
  );
  const esp = espOf(outcome);
  t.match(esp.get('OWA'), {
    domain: 'corp.example',
    clientMode: 'form',
    serverMode: 'basic',
    excludedDirectories: ['/owa/5f2c@example.com*', '/owa/auth/expiredpassword.aspx'],
    passwordChange: {
      url: 'https://mail.example.com/owa/auth/expiredpassword.aspx?url=/owa/auth.owa',
      message: 'Change it'
    },
    allowedGroups: ['Mail Users', 'VPN'],
    logs: { user: false, security: true, connection: false }
  });
  t.equal(esp.get('RPC'), undefined);
  t.match(esp.get('ECP'), { serverMode: 'form', allowedGroups: ['Mail Users', 'VPN'] });
  t.match(serviceOf(outcome, 'main').subVSs[0]?.realServers, [{ address: '10.0.0.13' }]);
  t.match(
    outcome.warnings.filter((warning) => !/Offloaded|self-signed/.test(warning)),
    [
      'main/RPC: pre-authentication is off (espEnabled: false)',
      /^main: allowedHosts has only an example /,
      /^main\/Autodiscover, main\/EWS, .*main\/PowerShell: allowedGroups is not asked about/
    ]
  );
});

t.test('ESP of a template that is switched off is told of', async (t) => {
  const mail =
    'virtualServices: [{ template: Exchange 2016 SMTP with ESP, espEnabled: N, realServers: [] }]';
  for (const text of [use(offloaded, '    espEnabled: N\n'), mail]) {
    const { warnings } = await load(t.testdir({}), text);
    t.match(warnings.join('\n'), /: pre-authentication is off \(espEnabled: false\)$/m);
  }
});
