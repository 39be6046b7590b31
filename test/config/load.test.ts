// A configuration file becomes the model: defaults, inheritance, real servers, certificates.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { load, problemsOf, serviceOf } from './support.ts';

const kept = 'ballast-self-signed.pem';

t.test('the defaults', async (t) => {
  const outcome = await load(t.testdir({}), 'virtualServices: [{ port: 8080, realServers: [] }]');
  t.same(outcome.warnings, []);
  t.same(outcome.configuration, {
    global: {
      workers: availableParallelism(),
      expect100: 'rfc-7231',
      additionalL7Header: 'none',
      dropOnFail: false,
      drainTimeMs: 300_000,
      slowStartMs: 0,
      alwaysPersist: false,
      trustedProxies: [],
      logLevel: 'info',
      accessLog: true
    },
    admin: { address: '127.0.0.1', port: 8444 },
    certificates: [],
    ssoDomains: [],
    virtualServices: [
      {
        name: '0.0.0.0:8080',
        enable: true,
        schedule: 'rr',
        idleTimeMs: 660_000,
        check: {
          type: 'tcp',
          port: 0,
          url: '/',
          method: 'HEAD',
          http11: false,
          host: undefined,
          tls: undefined,
          headers: [],
          codes: [301, 302, 401],
          pattern: undefined,
          postData: undefined,
          intervalMs: 9000,
          timeoutMs: 4000,
          retries: 2
        },
        persistence: undefined,
        rsMinimum: undefined,
        preProcessRules: [],
        requestRules: [],
        responseRules: [],
        notAvailable: undefined,
        esp: undefined,
        realServers: [],
        standby: undefined,
        vsType: 'http',
        tcp: undefined,
        extraPorts: [],
        acceptProxyProtocol: false,
        clientConnsLimit: 0,
        address: '0.0.0.0',
        port: 8080,
        tls: undefined,
        reencrypt: undefined,
        subnetOriginating: true,
        subVSs: []
      }
    ]
  });
});

t.test('everything is frozen', async (t) => {
  const text = 'virtualServices: [{ port: 80, realServers: [10.0.0.1] }]';
  const { configuration } = await load(t.testdir({}), text);
  t.throws(() => Object.assign(configuration.global, { workers: 0 }), TypeError);
  t.throws(
    () => Object.assign(configuration.virtualServices[0]?.check ?? {}, { url: '' }),
    TypeError
  );
  t.ok(Object.isFrozen(configuration.virtualServices[0]?.realServers[0]));
});

t.test("the contract's example, as far as it exists now", async (t) => {
  const { chainPem, keyPem } = await selfSignedCertificate('mail.example.com', ['*.Example.com']);
  const folder = t.testdir({
    certs: { 'mail.pem': chainPem, 'mail.key': keyPem, 'mail.pass': 'x\n' }
  });
  const outcome = await load(
    folder,
    `
global:
  workers: 0
  subnetOriginating: true
  expect100: rfc-7231
  additionalL7Header: none
  checkInterval: 9
  checkTimeout: 4
  checkRetries: 2
  dropOnFail: false
  drainTime: 300
  logLevel: info
admin:
  address: 127.0.0.1
  port: 8444
certificates:
  - name: mail
    file: certs/mail.pem
    key: certs/mail.key
    passphraseFile: certs/mail.pass
rules:
  - name: OWA
    matchType: regex
    pattern: '/^\\/owa.*/'
    noCase: true
virtualServices:
  - template: Exchange 2016 HTTPS Reencrypted
    name: Exchange HTTPS
    address: 192.0.2.10
    port: 443
    redirectPort: 80
    certificates: [mail]
    realServers:
      - 10.0.0.11
      - { address: 10.0.0.12, port: 443, weight: 1000, limit: 0, enable: true, name: EX02 }
    idleTime: 1800
    subVSs:
      - { name: ActiveSync, idleTime: 3900 }
  - name: web
    address: 192.0.2.10
    port: 8080
    vsType: http
    schedule: lc
    subVSs:
      - name: OWA
        rules: [OWA]
        schedule: lc
        persist: none
        idleTime: 1800
        checkType: https
        checkPort: 443
        checkUrl: /owa/healthcheck.htm
        checkUseGet: 1
        realServers: [10.0.0.11:80, '[2001:db8::12]:80']
  - name: redirect
    port: 8081
    vsType: http
    errorCode: 302
    errorUrl: https://%h%s
`
  );
  t.same(outcome.configuration.certificates, [
    { name: 'mail', chainPem, keyPem, dnsNames: ['*.example.com'], selfSigned: false }
  ]);
  t.same(serviceOf(outcome, 'Exchange HTTPS').tls?.certificates, ['mail']);
  const [, , web, redirect] = outcome.configuration.virtualServices;
  t.same(
    web?.subVSs[0]?.realServers.map(({ id, name, address }) => [id, name, address]),
    [
      ['web/OWA/10.0.0.11:80', '10.0.0.11:80', '10.0.0.11'],
      ['web/OWA/[2001:db8::12]:80', '[2001:db8::12]:80', '2001:db8::12']
    ]
  );
  t.same(redirect?.notAvailable, { code: 302, urlOrText: 'https://%h%s' });
  t.notMatch(outcome.warnings.join(), /self-signed/);
});

t.test('a SubVS takes over what it does not say itself', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `
rules: [{ name: a, pattern: ^/a }]
virtualServices:
  - name: web
    port: 8080
    schedule: lc
    idleTime: 60
    checkType: http
    checkUrl: /up
    chkInterval: 30
    chkRetryCount: 3
    errorCode: 503
    enable: false
    realServers: [10.0.0.1]
    subVSs:
      - { name: A, rules: [a] }
      - { name: B, rules: [default], schedule: rr, checkUrl: /b, realServers: [10.0.0.2:90] }
`
  );
  const web = serviceOf(outcome, 'web');
  t.same(web.realServers, [], 'its servers are those of its SubVSs');
  const [a, b] = web.subVSs;
  t.match(a, { schedule: 'lc', idleTimeMs: 60_000, enable: true, notAvailable: undefined });
  t.match(a?.check, { type: 'http', url: '/up', intervalMs: 30_000, timeoutMs: 4000, retries: 3 });
  t.match(a?.realServers, [{ id: 'web/A/10.0.0.1:8080', name: '10.0.0.1:8080' }]);
  t.match(b, { schedule: 'rr', isDefault: true, rules: [], check: { type: 'http', url: '/b' } });
  t.match(b?.realServers, [{ id: 'web/B/10.0.0.2:90' }]);
});

t.test('servers that reach nobody are told of', async (t) => {
  const { warnings } = await load(
    t.testdir({}),
    `virtualServices:
  - name: web
    port: 80
    realServers: [10.0.0.1]
    subVSs: [{ name: A, rules: [default], realServers: [10.0.0.2] }]
`
  );
  t.match(warnings, [/^web: its own real servers are used by no SubVS/]);
});

t.test('host names are resolved, each once', async (t) => {
  const asked: string[] = [];
  const resolve = async (host: string): Promise<string> => {
    asked.push(host);
    return host.startsWith('ex01') ? '10.0.0.1' : '2001:db8::2';
  };
  const text = `virtualServices:
  - { name: a, port: 80, realServers: [EX01.corp.example, 'ex02:81'] }
  - { name: b, port: 81, realServers: [{ address: ex01.corp.example, name: one }, ex02] }
`;
  const outcome = await load(t.testdir({}), text, { resolve });
  t.same(asked.toSorted(), ['ex01.corp.example', 'ex02']);
  t.same(
    ['a', 'b'].map((name) =>
      serviceOf(outcome, name).realServers.map(({ id, name: shown }) => [id, shown])
    ),
    [
      [
        ['a/10.0.0.1:80', 'ex01.corp.example:80'],
        ['a/[2001:db8::2]:81', 'ex02:81']
      ],
      [
        ['b/10.0.0.1:81', 'one'],
        ['b/[2001:db8::2]:81', 'ex02:81']
      ]
    ]
  );
});

t.test('two names of one address are one server', async (t) => {
  const text = 'virtualServices: [{ port: 80, realServers: [a.example, b.example] }]';
  const resolve = async (): Promise<string> => '10.0.0.1';
  await t.rejects(load(t.testdir({}), text, { resolve }), /10\.0\.0\.1:80 stands twice/);
});

t.test('subnetOriginating: global first, then each service', async (t) => {
  const services = `virtualServices:
  - { name: a, port: 80, realServers: [], subnetOriginating: false }
  - { name: b, port: 81, realServers: [], subnetOriginating: true }
  - { name: c, port: 82, realServers: [] }
`;
  const choice = async (head: string): Promise<[boolean[], number]> => {
    const { configuration, warnings } = await load(t.testdir({}), `${head}${services}`);
    return [configuration.virtualServices.map((each) => each.subnetOriginating), warnings.length];
  };
  t.same(await choice(''), [[true, true, true], 1], 'the false one has no effect and is told of');
  t.same(await choice('global: { subnetOriginating: false }\n'), [[false, true, false], 0]);
});

t.test('TLS of a service', async (t) => {
  const { chainPem, keyPem } = await selfSignedCertificate('a', ['a.example']);
  const folder = t.testdir({ 'a.pem': chainPem + keyPem, 'ca.pem': chainPem });
  const outcome = await load(
    folder,
    `
certificates:
  - { name: a, file: a.pem }
  - { name: b, file: ./a.pem }
virtualServices:
  - name: full
    port: 443
    sslAcceleration: 1
    certFile: b a
    tlsType: 7
    ciphers: ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA256
    sslReencrypt: 1
    reverseSNIHostname: Mail.example.com
    sslForceServerVerify: yes
    serverCAFile: ca.pem
    realServers: []
  - { name: set, port: 444, sslAcceleration: 1, cipherSet: bestpractice, certificates: [a], realServers: [] }
  - { name: least, port: 445, sslAcceleration: 1, certificates: [a], realServers: [] }
`
  );
  t.match(serviceOf(outcome, 'full'), {
    tls: {
      tlsType: 7,
      certificates: ['b', 'a'],
      ciphers: ['ECDHE-RSA-AES256-GCM-SHA384', 'AES128-SHA256']
    },
    reencrypt: { serverName: 'mail.example.com', verify: true, caPem: chainPem }
  });
  t.match(serviceOf(outcome, 'least'), { tls: { tlsType: 3 }, reencrypt: undefined });
  t.same(serviceOf(outcome, 'set').tls, serviceOf(outcome, 'least').tls);
  t.ok((serviceOf(outcome, 'set').tls?.ciphers.length ?? 0) > 4);
  t.notOk(existsSync(join(folder, kept)), 'no self-signed certificate is needed');
});

const needsOne = 'virtualServices: [{ port: 443, sslAcceleration: 1, realServers: [] }]';

t.test('a self-signed certificate is kept over restarts', async (t) => {
  const folder = t.testdir({});
  const file = join(folder, kept);
  const certificateOf = async (writable: boolean): Promise<string | undefined> => {
    const { configuration, warnings } = await load(folder, needsOne, { writable });
    t.match(warnings, ['0.0.0.0:443: a self-signed certificate is in use']);
    t.match(configuration.certificates, [{ name: 'self-signed', selfSigned: true }]);
    return configuration.certificates[0]?.chainPem;
  };
  await t.rejects(load(folder, `${needsOne}\nglobal: { x: 1 }`, { writable: true }));
  t.same(readdirSync(folder), ['ballast.yaml'], 'a refused file leaves nothing behind');
  t.ok(await certificateOf(false));
  t.same(readdirSync(folder), ['ballast.yaml'], 'check writes nothing');
  const first = await certificateOf(true);
  t.equal(statSync(file).mode & 0o777, 0o600);
  t.same(readdirSync(folder).toSorted(), [kept, 'ballast.yaml']);
  t.equal(await certificateOf(true), first);
  t.equal(await certificateOf(false), first, 'check uses it');
  writeFileSync(file, 'damaged');
  const second = await certificateOf(true);
  t.not(second, first);
  t.equal(await certificateOf(true), second);
});

t.test('where it cannot be kept it lasts for this run', async (t) => {
  const folder = t.testdir({});
  // Nothing can be moved onto a directory; that stops root as well, whom no mode does.
  mkdirSync(join(folder, kept));
  const { configuration, warnings } = await load(folder, needsOne, { writable: true });
  t.equal(configuration.certificates.length, 1);
  t.match(warnings[1], /^the self-signed certificate lasts until the next restart: .*\.pem: E/);
  t.same(readdirSync(folder).toSorted(), [kept, 'ballast.yaml'], 'and nothing is left behind');
});

t.test('a wrong passphrase, a key that does not fit', async (t) => {
  const one = await selfSignedCertificate('a', ['a']);
  const two = await selfSignedCertificate('b', ['b']);
  const folder = t.testdir({ 'a.pem': one.chainPem, 'b.key': two.keyPem });
  const text = `certificates:
  - { name: a, file: a.pem, key: b.key }
  - { name: b, file: a.pem }
  - { name: c, file: a.pem, key: gone.key }
virtualServices: []
`;
  t.match(await problemsOf(folder, text), [
    /^2:22 certificates\[0\]\.file: .+; .+$/,
    /^3:22 certificates\[1\]\.file: .+; .+$/,
    /^4:34 certificates\[2\]\.key: cannot read .*gone\.key: it does not exist; /
  ]);
});

t.test('the management listener away from loopback is told of', async (t) => {
  const text = 'admin: { address: 192.0.2.1 }\nvirtualServices: []\n';
  const { configuration, warnings } = await load(t.testdir({}), text);
  t.equal(configuration.admin.address, '192.0.2.1');
  t.match(warnings, [/^admin: plain HTTP on 192\.0\.2\.1 without TLS$/]);
});

t.test('addresses of both families may share a port', async (t) => {
  const text = `virtualServices:
  - { name: a, port: 80, realServers: [] }
  - { name: b, port: 80, address: '::', realServers: [] }
`;
  const { configuration } = await load(t.testdir({}), text);
  t.same(
    configuration.virtualServices.map(({ address }) => address),
    ['0.0.0.0', '::']
  );
  t.match(
    await problemsOf(t.testdir({}), `${text}  - { port: 80, address: '::1', realServers: [] }\n`),
    [/^4:13 virtualServices\[2\]\.port: \[::1\]:80 is taken by "b" on \[::\]:80; /]
  );
});

t.test('an anchor may stand for values', async (t) => {
  const text = `virtualServices:
  - { name: a, port: 80, realServers: &servers [10.0.0.1, 10.0.0.2] }
  - { name: b, port: 81, realServers: *servers }
`;
  const outcome = await load(t.testdir({}), text);
  t.equal(serviceOf(outcome, 'b').realServers.length, 2);
  t.ok(readFileSync(join(t.testdirName, 'ballast.yaml'), 'utf8').includes('*servers'));
});
