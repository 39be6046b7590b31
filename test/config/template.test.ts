// The templates against the deployment guide, chapter 5.1, and what an entry does to a template.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { formatProblem } from '../../src/config/problem.ts';
import { listTemplates, readTemplates, renderTemplate } from '../../src/config/template.ts';
import { guideFile, rowLines } from './guide-rows.ts';
import { load, problemsOf, serviceOf } from './support.ts';

const offloaded = 'Exchange 2016 HTTPS Offloaded';
const reencrypted = 'Exchange 2016 HTTPS Reencrypted';
const officeOnline = 'Exchange 2016 Office Online Server';

t.test("both templates have the guide's values, every one", async (t) => {
  for (const [template, reencrypt, server] of [
    [offloaded, 0, '10.0.0.11:80'],
    [reencrypted, 1, '10.0.0.11:443']
  ] as const) {
    const guide = await load(t.testdir({}), guideFile(reencrypt, server));
    const ours = await load(
      t.testdir({}),
      `virtualServices:\n  - template: ${template}\n    name: main\n    realServers: [10.0.0.11]\n`
    );
    const [redirect, main] = guide.configuration.virtualServices;
    // A service with SubVSs has no servers to check; the templates state the check there once, for
    // the SubVSs to take over.
    const { check } = serviceOf(ours, 'main');
    t.same(serviceOf(ours, 'main'), { ...main, check }, template);
    t.equal(redirect?.name, 'Exchange Redirect');
    t.same(
      serviceOf(ours, 'main - HTTP Redirect'),
      // The guide gives the redirector no vsType of its own; that of port 80 is http.
      { ...redirect, name: 'main - HTTP Redirect' },
      `${template}: redirector`
    );
  }
});

t.test('and they come out of it as these', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `virtualServices:\n  - { template: ${reencrypted}, realServers: [10.0.0.11] }\n`
  );
  t.same(
    outcome.configuration.virtualServices.map((each) => each.name),
    [`${reencrypted} - HTTP Redirect`, reencrypted]
  );
  const redirector = serviceOf(outcome, `${reencrypted} - HTTP Redirect`);
  t.match(redirector, {
    address: '0.0.0.0',
    port: 80,
    notAvailable: { code: 302, urlOrText: 'https://%h%s' },
    check: { type: 'none' },
    realServers: [],
    tls: undefined
  });
  const main = serviceOf(outcome, reencrypted);
  t.match(main, {
    port: 443,
    vsType: 'http',
    schedule: 'lc',
    idleTimeMs: 1_800_000,
    subnetOriginating: true,
    tls: { tlsType: 1, certificates: ['self-signed'] },
    reencrypt: { serverName: undefined, verify: false, caPem: undefined },
    realServers: []
  });
  t.same(
    main.subVSs.map((sub) => [sub.name, sub.rules[0]?.pattern, sub.check.url]),
    [
      ['ActiveSync', '/^\\/microsoft-server-activesync.*/', '/microsoft-server-activesync'],
      ['Autodiscover', '/^\\/autodiscover.*/', '/autodiscover'],
      ['ECP', '/^\\/ecp.*/', '/ecp'],
      ['EWS', '/^\\/ews.*/', '/ews'],
      ['MAPI', '/^\\/mapi.*/', '/mapi'],
      ['OAB', '/^\\/oab.*/', '/oab'],
      ['OWA', '/^\\/owa.*/', '/owa'],
      ['PowerShell', '/^\\/powershell.*/', '/powershell'],
      ['RPC', '/^\\/rpc.*/', '/rpc']
    ].map(([name, pattern, folder]) => [name, pattern, `${folder}/healthcheck.htm`])
  );
  for (const sub of main.subVSs) {
    t.match(sub, {
      schedule: 'lc',
      idleTimeMs: 1_800_000,
      isDefault: false,
      rules: [{ noCase: true, matchType: 'regex', header: '', negate: false }],
      check: { type: 'https', port: 443, method: 'GET', http11: false, host: undefined },
      realServers: [
        { id: `${reencrypted}/${sub.name}/10.0.0.11:443`, port: 443, weight: 1000, limit: 0 }
      ]
    });
  }
  const off = await load(
    t.testdir({}),
    `virtualServices:\n  - { template: ${offloaded}, realServers: [10.0.0.11, '10.0.0.12:81'] }\n`
  );
  t.equal(serviceOf(off, offloaded).reencrypt, undefined);
  t.same(
    serviceOf(off, offloaded).subVSs.map((sub) => sub.realServers.map(({ port }) => port)),
    Array.from({ length: 9 }, () => [80, 81])
  );
  t.match(off.warnings.join('\n'), /Offloaded: .*Extended Protection/);
  t.match(off.warnings.join('\n'), /self-signed certificate is in use/);
});

t.test('a template shown is a configuration that could stand in a file', async (t) => {
  const all = listTemplates();
  t.same(all, all.toSorted());
  for (const name of [offloaded, reencrypted, officeOnline]) t.ok(all.includes(name), name);
  t.equal(renderTemplate('Exchange 2019'), undefined);
  for (const name of [offloaded, reencrypted]) {
    const text = renderTemplate(` ${name.toUpperCase()}`) ?? '';
    t.notMatch(text, /^template:/m);
    t.match(text, /^# Exchange 2016 over HTTPS/, 'with its comments');
    t.match(text, /# the screenshots of 4\.1\.1 show 3/);
    t.match(text, /realServers: \[\]/);
    const { configuration } = await load(t.testdir({}), text);
    t.equal(configuration.virtualServices.length, 2, name);
    const filled = text.replace('realServers: []', "realServers: ['10.0.0.11:80']");
    const { configuration: full } = await load(t.testdir({}), filled);
    t.equal(full.virtualServices[1]?.subVSs[8]?.realServers[0]?.address, '10.0.0.11');
  }
});

// Chapter 5.5, all of it. mended: the nickname, "Exchange%20Office%20Online", is the template's.
const officeOnlineRows = `
  port 443 | prot tcp | VStype http | ForceL7 1 | Transparent 0 | SubnetOriginating 1
  Persist Super-src | PersistTimeout 1800 | Schedule lc | Idletime 1800 | SSLAcceleration 1
  SSLReencrypt 1 | TLSType 1 | CipherSet BestPractices | CheckType https | CheckPort 443
  CheckUrl /hosting/discovery | CheckVersion 1 | CheckUseGet 1`;

t.test("Office Online Server has the guide's values, every one", async (t) => {
  const guide = await load(
    t.testdir({}),
    'virtualServices:\n' +
      `  - nickname: ${officeOnline}\n${rowLines(officeOnlineRows, '    ')}` +
      "    realServers: ['10.0.0.21:443', '10.0.0.22:443']\n"
  );
  const servers = 'realServers: [10.0.0.21, 10.0.0.22]';
  const ours = await load(
    t.testdir({}),
    `virtualServices: [{ template: ${officeOnline}, ${servers} }]\n`
  );
  t.same(ours.configuration.virtualServices, guide.configuration.virtualServices);
  t.match(serviceOf(ours, officeOnline), {
    address: '0.0.0.0',
    port: 443,
    schedule: 'lc',
    idleTimeMs: 1_800_000,
    persistence: { mode: 'super-src', timeoutMs: 1_800_000 },
    subnetOriginating: true,
    tls: { tlsType: 1 },
    reencrypt: { verify: false },
    check: { type: 'https', port: 443, url: '/hosting/discovery', method: 'GET', http11: true },
    realServers: [{ address: '10.0.0.21', port: 443 }, { address: '10.0.0.22' }],
    subVSs: []
  });
  const shown = renderTemplate(officeOnline) ?? '';
  t.match(shown, /^# Office Online Server/, 'with its comments');
  const { configuration } = await load(t.testdir({}), shown);
  t.equal(configuration.virtualServices.length, 1, 'and a file of its own');
});

t.test('an entry overrides its template', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `
rules:
  - { name: OWA, pattern: '/^\\/(owa|webmail)/' }
  - { name: root, pattern: '/^\\/$/' }
virtualServices:
  - Template: exchange 2016 https OFFLOADED
    name: Mail
    address: 192.0.2.10
    port: 8443
    redirectPort: 8080
    IdleTime: 900
    schedule: rr
    tlsType: 7
    errorCode: 503
    realServers:
      - { address: 10.0.0.12, weight: 5, limit: 7, enable: 0, name: EX02 }
    subVSs:
      - { name: ActiveSync, idleTime: 3900, checkUseGet: 0 }
      - { name: Root, rules: [root], checkUrl: /x, realServers: ['10.0.0.13:8080'] }
      - { name: RPC, rules: [RPC, root, default], realServers: [] }
`
  );
  const main = serviceOf(outcome, 'Mail');
  t.match(main, { address: '192.0.2.10', port: 8443, idleTimeMs: 900_000, schedule: 'rr' });
  t.match(main, { tls: { tlsType: 7 }, notAvailable: { code: 503, urlOrText: '' } });
  t.match(serviceOf(outcome, 'Mail - HTTP Redirect'), {
    address: '192.0.2.10',
    port: 8080,
    idleTimeMs: 660_000,
    notAvailable: { code: 302 }
  });
  t.same(
    main.subVSs.map(({ name, idleTimeMs, schedule }) => [name, idleTimeMs, schedule]),
    [
      'ActiveSync',
      'Autodiscover',
      'ECP',
      'EWS',
      'MAPI',
      'OAB',
      'OWA',
      'PowerShell',
      'RPC',
      'Root'
    ].map((name) => [name, name === 'ActiveSync' ? 3_900_000 : 900_000, 'rr'])
  );
  const [activeSync] = main.subVSs;
  t.match(activeSync?.check, {
    method: 'HEAD',
    url: '/microsoft-server-activesync/healthcheck.htm'
  });
  t.same(activeSync?.realServers, [
    {
      id: 'Mail/ActiveSync/10.0.0.12:80',
      name: 'EX02',
      address: '10.0.0.12',
      port: 80,
      weight: 5,
      limit: 7,
      enable: false,
      critical: false
    }
  ]);
  t.equal(main.subVSs[6]?.rules[0]?.pattern, '/^\\/(owa|webmail)/', "the file's rule goes first");
  t.match(main.subVSs[9], { isDefault: false, check: { type: 'https', port: 443, url: '/x' } });
  t.match(main.subVSs[9]?.realServers, [{ id: 'Mail/Root/10.0.0.13:8080' }]);
  t.match(main.subVSs[8], { isDefault: true, realServers: [] });
  t.same(
    main.subVSs[8]?.rules.map(({ name }) => name),
    ['RPC', 'root']
  );
});

t.test('redirectPort: false leaves the redirector out', async (t) => {
  const text = `virtualServices: [{ template: ${offloaded}, redirectPort: no, realServers: [] }]\n`;
  const { configuration } = await load(t.testdir({}), text);
  t.same(
    configuration.virtualServices.map(({ name }) => name),
    [offloaded]
  );
});

t.test('two entries of one template on two addresses', async (t) => {
  const entry = (name: string, address: string): string =>
    `  - { template: ${reencrypted}, name: ${name}, address: ${address}, realServers: [10.0.0.11] }\n`;
  const text = `virtualServices:\n${entry('a', '192.0.2.1')}${entry('b', "'2001:db8::1'")}`;
  const { configuration } = await load(t.testdir({}), text);
  t.same(
    configuration.virtualServices.map(({ name, address }) => [name, address]),
    [
      ['a - HTTP Redirect', '192.0.2.1'],
      ['a', '192.0.2.1'],
      ['b - HTTP Redirect', '2001:db8::1'],
      ['b', '2001:db8::1']
    ]
  );
});

t.test("templates of one's own, and broken ones", async (t) => {
  const own = `template:\n  name: Wiki\n  serverPort: 8080\n`;
  const folder = t.testdir({
    'good.yaml': `${own}virtualServices:\n  - name: Wiki\n    port: 80\n    realServers: []\n`,
    'other.txt': 'not read',
    'nameless.yaml': 'virtualServices: []\n',
    'no-main.yaml': `${own}virtualServices:\n  - { name: Wikis, port: 80 }\n`,
    'stranger.yaml': `${own}virtualServices:\n  - { name: Wiki, port: 80 }\n  - { name: X, port: 81 }\n`,
    'misspelt.yaml': `${own}virtualServices:\n  - { name: Wiki, prot: udp, prt: 80 }\n`
  });
  writeFileSync(join(folder, 'latin1.yaml'), Buffer.from([0xe4]));
  const { templates, problems } = readTemplates(`${folder}/`);
  t.same(
    templates.map(({ name, serverPort }) => [name, serverPort]),
    [['Wiki', 8080]]
  );
  t.match(
    problems.map((problem) => formatProblem(problem).replace(`${folder}/`, '')),
    [
      /^latin1\.yaml:1:1 file: .* is not UTF-8; save it as UTF-8$/,
      'misspelt.yaml:5:25 virtualServices[0].prot: "udp" cannot be had',
      'misspelt.yaml:5:30 virtualServices[0].prt: "prt" is not known here; the nearest known key is',
      'nameless.yaml:1:1 file: the template has no name; add template with a name',
      'no-main.yaml:2:9 file: no virtual service is called "Wiki"; give one this name',
      'stranger.yaml:6:5 file: "X" does not belong to the template; begin with "Wiki - "'
    ]
  );
  t.equal(problems.length, 6);
});

t.test('settings of the template and of the entry keep their own places', async (t) => {
  const text = `virtualServices:
  - template: ${reencrypted}
    sslReencrypt: false
    reverseSNIHostname: mail.example.com
    chkTimeout: 20
    realServers: [10.0.0.11]
`;
  t.same(await problemsOf(t.testdir({}), text), [
    '4:25 virtualServices[0].reverseSNIHostname: the servers are not spoken to over TLS; add sslReencrypt: true',
    '5:17 virtualServices[0].chkTimeout: 2 retries of 20 s do not fit into an interval of 9 s; use an interval of at least 41 s'
  ]);
});
