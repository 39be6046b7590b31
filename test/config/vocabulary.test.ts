// How names and values may be written, and that config/README.md lists them all.

import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Service } from '../../src/config/model.ts';
import { decodePercent, unescapeSlashes } from '../../src/config/percent.ts';
import { fold } from '../../src/config/section.ts';
import { vocabularies } from '../../src/config/vocabulary/file.ts';
import { readmeFile, withTables } from './parameter-tables.ts';
import { load, problemsOf } from './support.ts';

/** The only service of a file with these lines in it. */
async function service(t: Test, lines: string): Promise<Service> {
  const text = `virtualServices:\n  - port: 8080\n    realServers: []\n${lines}`;
  const { configuration } = await load(t.testdir({}), text);
  const [only] = configuration.virtualServices;
  if (only === undefined) throw new Error('no service');
  return only;
}

t.test('names of parameters, without regard to case and in other spellings', async (t) => {
  const spellings: [line: string, where: (service: Service) => unknown, value: unknown][] = [
    ['Idletime: 5', (s) => s.idleTimeMs, 5000],
    ['IDLETIME: 5', (s) => s.idleTimeMs, 5000],
    ['idleTime: "5"', (s) => s.idleTimeMs, 5000],
    ['idleTime: 0', (s) => s.idleTimeMs, 660_000],
    ['Checkversion: 1', (s) => s.check.http11, true],
    ['CheckVersion: 0', (s) => s.check.http11, false],
    ['CheckUse1.1: Y', (s) => s.check.http11, true],
    ['checkUse1.1: yes', (s) => s.check.http11, true],
    ['CheckUseGet: 1', (s) => s.check.method, 'GET'],
    ['CheckUseGet: 0', (s) => s.check.method, 'HEAD'],
    ['CheckUseGet: 2', (s) => s.check.method, 'POST'],
    ['checkUseGet: 3', (s) => s.check.method, 'OPTIONS'],
    ['checkUseGet: 2\n    CheckPostData: a%3Db', (s) => s.check.postData, 'a=b'],
    ['checkUseGet: 1\n    CheckPattern: 200%20OK', (s) => s.check.pattern, '200 OK'],
    ['CheckHeaders: X-A:1', (s) => s.check.headers.join(';'), 'X-A,1'],
    [
      'checkHeaders: "Host: a.b |X-A:b:c|E:"',
      (s) => s.check.headers.join(';'),
      'Host,a.b;X-A,b:c;E,'
    ],
    ['checkHeaders: Host%3Aa', (s) => s.check.headers.join(';'), 'Host,a'],
    ['enable: 1', (s) => s.check.codes.join(), '301,302,401'],
    ['CheckCodes: 404', (s) => s.check.codes.join(), '404'],
    ['checkCodes: 301 404,503', (s) => s.check.codes.join(), '301,404,503'],
    ['checkCodes: [404, 503]', (s) => s.check.codes.join(), '404,503'],
    ['enhancedHealthChecks: Y', (s) => s.rsMinimum, undefined],
    ['Nickname: Exchange%20HTTPS%20 Offloaded', (s) => s.name, 'Exchange HTTPS Offloaded'],
    ['NickName: 2016', (s) => s.name, '2016'],
    ['Schedule: LC', (s) => s.schedule, 'lc'],
    ['schedule: WRR', (s) => s.schedule, 'wrr'],
    ['schedule: wlc', (s) => s.schedule, 'wlc'],
    ['schedule: Fixed', (s) => s.schedule, 'fixed'],
    ['schedule: sh', (s) => s.schedule, 'sh'],
    ['StandbyAddr: 192.0.2.9', (s) => s.standby?.address, '192.0.2.9'],
    ['standbyaddr: 192.0.2.9', (s) => s.standby?.port, 8080],
    ['CheckType: HTTPS', (s) => s.check.type, 'https'],
    ['CheckType: None', (s) => s.check.type, 'none'],
    ['CheckUrl: "%2Fowa%2Fhealthcheck.htm"', (s) => s.check.url, '/owa/healthcheck.htm'],
    ['checkUrl: /owa/a%20b', (s) => s.check.url, '/owa/a%20b'],
    ['checkHost: mail.example.com', (s) => s.check.host, 'mail.example.com'],
    ['Enable: n', (s) => s.enable, false],
    ['enable: FALSE', (s) => s.enable, false],
    ['enable: 0', (s) => s.enable, false],
    ['enable: No', (s) => s.enable, false],
    ['enable: "1"', (s) => s.enable, true]
  ];
  for (const [line, where, value] of spellings) {
    t.equal(where(await service(t, `    ${line}\n`)), value, line);
  }
});

t.test('the usual check goes by the port that is checked', async (t) => {
  const cases: [lines: string, type: string][] = [
    ['port: 80, realServers: [10.0.0.1]', 'http'],
    ['port: 443, realServers: []', 'https'],
    ['port: 8080, realServers: [10.0.0.1:80, 10.0.0.2:80]', 'http'],
    ['port: 8080, realServers: [10.0.0.1:443]', 'https'],
    ['port: 80, realServers: [10.0.0.1:80, 10.0.0.1:443]', 'tcp'],
    ['port: 80, realServers: [10.0.0.1], checkPort: 443', 'https'],
    ['port: 80, realServers: [10.0.0.1], checkPort: 25', 'smtp'],
    ['port: 465, realServers: [10.0.0.1], serverInit: smtp', 'smtp'],
    ['port: 587, realServers: [10.0.0.1], serverInit: smtp', 'smtp'],
    ['port: 2110, realServers: [10.0.0.1:110]', 'pop3'],
    ['port: 995, realServers: [10.0.0.1]', 'pop3'],
    ['port: 143, realServers: [10.0.0.1], serverInit: imap4', 'imap'],
    ['port: 993, realServers: [10.0.0.1, 10.0.0.2]', 'imap'],
    ['port: 80, realServers: [10.0.0.1], checkPort: 26', 'tcp'],
    ['port: 80, realServers: [10.0.0.1], checkType: none', 'none']
  ];
  for (const [lines, type] of cases) {
    const { configuration } = await load(t.testdir({}), `virtualServices: [{ ${lines} }]`);
    t.equal(configuration.virtualServices[0]?.check.type, type, lines);
  }
});

t.test("the guide's harmless parameters say what is done anyway", async (t) => {
  const lines = [
    'ForceL7: 1',
    'forceL4: N',
    'Transparent: 0',
    'prot: TCP',
    'VSType: HTTP',
    'Persist: None',
    'PersistTimeout: 0',
    'ServerInit: 0',
    'StartTLSMode: 0',
    'EspEnabled: 0',
    'InputAuthMode: 0',
    'SSLRewrite: none',
    'AddVia: 0'
  ];
  t.ok(await service(t, lines.map((line) => `    ${line}\n`).join('')));
});

t.test('percent-encoded values', async (t) => {
  const values: [written: string, meant: string][] = [
    ['%2F%5E%5C%2Fowa.%2A%2F', '/^\\/owa.*/'],
    ['https:%5C%2F%5C%2F%25h%25s', 'https:\\/\\/%h%s'],
    ['https:%2F%2F%h%s', 'https://%h%s'],
    ['Endpoint%20not%20available', 'Endpoint not available'],
    ['https://%h%s', 'https://%h%s'],
    ['https://%h/a%20b', 'https://%h/a%20b'],
    ['/^\\/a%20b/', '/^\\/a%20b/'],
    ['100%', '100%'],
    ['%zz%41', '%zz%41'],
    ['%E4', '%E4'],
    ['B%C3%BCro', 'Büro'],
    ['Büro%20x', 'Büro%20x']
  ];
  for (const [written, meant] of values) t.equal(decodePercent(written), meant, written);
  t.equal(unescapeSlashes('https:\\/\\/%h%s'), 'https://%h%s');
});

t.test('rules that change heads, by word and by number', async (t) => {
  const { configuration } = await load(
    t.testdir({}),
    `rules:
  - { name: A, type: 1, header: SSL_Offload, replacement: 'Yes', OnlyOnFlag: 1 }
  - { name: B, Type: DeleteHeaderRule, pattern: /^X-/, onlyOnNoFlag: 2 }
  - { name: C, type: replaceheader, header: Location, pattern: '/^http:(.*)/', replacement: https:\\1 }
  - { name: D, type: modifyURL, pattern: '%2F%5E%5C%2F%24%2F', replacement: %2Fowa, noCase: Y }
  - { name: E, type: matchContent, pattern: ^/owa, setFlagOnMatch: 9 }
virtualServices:
  - port: 8080
    preProcRules: [E]
    RequestRules: [D, A]
    responseRules: [C, B]
    realServers: []
    subVSs:
      - { name: OWA, matchRules: [E, default], preProcessRules: [E], requestRules: [B] }
`
  );
  const [service] = configuration.virtualServices;
  const flags = { setOnMatch: 0, onlyOnFlag: 0, onlyOnNoFlag: 0 };
  const E = {
    name: 'E',
    type: 'matchContent',
    pattern: '^/owa',
    setOnMatch: 9
  };
  const B = { ...flags, name: 'B', type: 'deleteHeader', pattern: '/^X-/', onlyOnNoFlag: 2 };
  t.match(service, {
    preProcessRules: [E],
    requestRules: [
      {
        ...flags,
        name: 'D',
        type: 'modifyUrl',
        pattern: '/^\\/$/',
        noCase: true,
        replacement: '/owa'
      },
      {
        ...flags,
        name: 'A',
        type: 'addHeader',
        header: 'SSL_Offload',
        replacement: 'Yes',
        onlyOnFlag: 1
      }
    ],
    responseRules: [
      {
        ...flags,
        name: 'C',
        type: 'replaceHeader',
        header: 'Location',
        pattern: '/^http:(.*)/',
        noCase: false,
        replacement: 'https:\\1'
      },
      B
    ],
    subVSs: [{ rules: [E], isDefault: true, preProcessRules: [E], requestRules: [B] }]
  });
});

t.test('how many servers a service needs', async (t) => {
  const { configuration } = await load(
    t.testdir({}),
    `rules: [{ name: R, pattern: a }]
virtualServices:
  - port: 8080
    enhancedHealthChecks: true
    rsMinimum: 2
    realServers: [10.0.0.1, { address: 10.0.0.2, critical: Y }]
    subVSs:
      - { name: A, rules: [R] }
      - { name: B, rules: [R], rsMinimum: 1, enable: false, errorCode: 503 }
      - { name: C, rules: [R], enhancedHealthChecks: false }
      - { name: D, rules: [R], rsMinimum: 0 }
      - { name: E, rules: [R], realServers: [], errorCode: 503 }
`
  );
  const [service] = configuration.virtualServices;
  t.strictSame(
    service?.subVSs.map(({ rsMinimum }) => rsMinimum),
    [2, 1, undefined, 1, undefined]
  );
  t.strictSame(
    service?.subVSs[0]?.realServers.map(({ critical }) => critical),
    [false, true]
  );
});

t.test('what is answered instead', async (t) => {
  const answers: [lines: string, code: number, urlOrText: string][] = [
    ['Errorcode: 302\n    ErrorUrl: https:%5C%2F%5C%2F%25h%25s', 302, 'https://%h%s'],
    ['errorCode: 301\n    errorUrl: https:\\/\\/%h%s', 301, 'https://%h%s'],
    ['errorCode: 307\n    errorUrl: /owa%20x', 307, '/owa%20x'],
    ['ErrorCode: 503\n    ErrorUrl: Endpoint%20not%20available', 503, 'Endpoint not available'],
    ['errorCode: 404', 404, ''],
    ['errorCode: 503\n    errorUrl: |\n      <p>down</p>\n      <p>soon up</p>', 503, '']
  ];
  for (const [lines, code, urlOrText] of answers.slice(0, -1)) {
    t.same((await service(t, `    ${lines}\n`)).notAvailable, { code, urlOrText });
  }
  const [long] = answers.at(-1) ?? [''];
  const text = (await service(t, `    ${long}\n`)).notAvailable?.urlOrText;
  t.equal(text, '<p>down</p>\n<p>soon up</p>\n', 'a text may have several lines');
});

t.test('global settings in the words and numbers of the LoadMaster', async (t) => {
  const settings: [line: string, expected: Record<string, unknown>][] = [
    ['expect100: 0', { expect100: 'rfc-2616' }],
    ['Expect100: 1', { expect100: 'require' }],
    ['expect100: RFC-7231', { expect100: 'rfc-7231' }],
    ['expect100: RFC-7231 Complaint', { expect100: 'rfc-7231' }],
    ['addforwardheader: 0', { additionalL7Header: 'x-clientside' }],
    ['additionalL7Header: X-Forwarded-For', { additionalL7Header: 'x-forwarded-for' }],
    ['additionalL7Header: None', { additionalL7Header: 'none' }],
    ['finalPersist: 0', { drainTimeMs: 0 }],
    ['slowstart: 120', { slowStartMs: 120_000 }],
    ['accessLog: off', { accessLog: false }],
    ['logLevel: DEBUG', { logLevel: 'debug' }],
    ['dropOnFail: 1', { dropOnFail: true }],
    ['workers: 3', { workers: 3 }]
  ];
  for (const [line, expected] of settings) {
    const text = `global:\n  ${line}\nvirtualServices: []\n`;
    t.match((await load(t.testdir({}), text)).configuration.global, expected, line);
  }
});

t.test('sorry servers of a service and of a SubVS', async (t) => {
  const text = `virtualServices:
  - name: web
    port: 8080
    standbyAddr: 192.0.2.9
    StandbyPort: 81
    NonLocalSorryServer: Y
    subVSs:
      - { name: A, rules: [default], standbyAddr: '2001:db8::9', realServers: [] }
      - { name: B, rules: [x], standbyAddr: spare.example.com }
`;
  const { configuration } = await load(t.testdir({}), `rules: [{ name: x, pattern: x }]\n${text}`, {
    resolve: () => Promise.resolve('192.0.2.77')
  });
  const [web] = configuration.virtualServices;
  t.same(web?.standby, {
    id: 'web/sorry@192.0.2.9:81',
    name: 'sorry 192.0.2.9:81',
    address: '192.0.2.9',
    port: 81,
    weight: 1000,
    limit: 0,
    enable: true,
    critical: false
  });
  t.match(web?.subVSs, [
    { standby: { id: 'web/A/sorry@[2001:db8::9]:8080', name: 'sorry [2001:db8::9]:8080' } },
    { standby: { id: 'web/B/sorry@192.0.2.77:8080', name: 'sorry spare.example.com:8080' } }
  ]);
  t.equal((await service(t, '')).standby, undefined);
});

t.test('words that are properties of every object are not known', async (t) => {
  const text = `virtualServices:
  - port: 80
    realServers: []
    constructor: 1
    __proto__: { port: 1 }
    persist: toString
    schedule: hasOwnProperty
`;
  t.match(await problemsOf(t.testdir({}), text), [
    /^4:5 .*"constructor" is not known here/,
    /^5:5 .*"__proto__" is not known here/,
    /^6:14 .*"toString" is not right/,
    /^7:15 .*"hasOwnProperty" is not right/
  ]);
});

t.test('no spelling means two parameters', async (t) => {
  for (const [place, vocabulary] of vocabularies) {
    const spellings = Object.entries(vocabulary).flatMap(([key, { aliases }]) =>
      [key, ...aliases].map(fold)
    );
    t.equal(new Set(spellings).size, spellings.length, place);
  }
});

t.test('config/README.md lists every parameter as it is', async (t) => {
  const readme = readFileSync(readmeFile, 'utf8');
  t.equal(readme, withTables(readme), 'else run node test/config/parameter-tables.ts');
  for (const [place, vocabulary] of vocabularies) {
    for (const key of Object.keys(vocabulary))
      t.ok(readme.includes(`\`${key}`), `${place}: ${key}`);
  }
});
