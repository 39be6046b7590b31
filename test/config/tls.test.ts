// What the TLS parameters of a file become, with certificates of several kinds and makers.

import { X509Certificate } from 'node:crypto';
import t, { type Test } from 'tap';
import type { ServiceTls } from '../../src/config/model.ts';
import { issue, openAuthority, serverExtensions } from '../tls/authority.ts';
import { needsOpenssl, openWorkshop, type Workshop } from '../tls/openssl.ts';
import { load, problemsOf, serviceOf, type Outcome } from './support.ts';

const ocspUrl = 'http://ocsp.example.com/x';

function workshopWith(t: Test): Workshop {
  const workshop = openWorkshop(t);
  openAuthority(workshop);
  const mail = serverExtensions('mail.example.com');
  issue(workshop, 'mail', {
    issuer: 'between',
    extensions: [...mail, `authorityInfoAccess=OCSP;URI:${ocspUrl}`]
  });
  issue(workshop, 'rsa', { kind: 'rsa', issuer: 'root', extensions: mail });
  issue(workshop, 'nameless', { subject: '/O=Nobody' });
  return workshop;
}

const certificates = `certificates:
  - { name: mail, file: mail-all.pem }
  - { name: rsa, file: rsa-all.pem, ocspUrl: 'http://127.0.0.1/' }
  - { name: nameless, file: nameless-all.pem }
  - { name: root, file: root.pem }
  - { name: between, file: between.pem }
`;

function file(...services: string[]): string {
  const lines = services.map((line, n) => {
    const port = `name: s${n}, port: ${n + 1}, realServers: [], sslAcceleration: true`;
    return `  - { ${port}, ${line} }\n`;
  });
  return `${certificates}virtualServices:\n${lines.join('')}`;
}

function tlsOf(outcome: Outcome, n = 0): ServiceTls {
  const { tls } = serviceOf(outcome, `s${n}`);
  if (tls === undefined) throw new Error('no TLS');
  return tls;
}

t.test('chains', needsOpenssl, async (t) => {
  const workshop = workshopWith(t);
  const outcome = await load(
    workshop.folder,
    file(
      'certificates: [mail, rsa]',
      'certificates: [mail], intermediateCerts: []',
      'certificates: [mail], intermediateCerts: root+between',
      'certificates: [mail], intermediateCerts: [root, between]'
    )
  );
  const found = outcome.configuration.certificates.map(({ name, chainPem, ocsp }) => [
    name,
    [...chainPem.matchAll(/-----BEGIN[^]*?-----END [A-Z]+-----/g)].map(
      ([pem]) => new X509Certificate(pem).subject.split('CN=')[1]
    ),
    ocsp?.url,
    ocsp && new X509Certificate(ocsp.issuerPem).subject.split('CN=')[1]
  ]);
  t.same(found, [
    ['mail', ['mail', 'between'], ocspUrl, 'between'],
    ['rsa', ['rsa'], 'http://127.0.0.1/', 'root'],
    ['mail/', ['mail'], undefined, undefined],
    ['mail/root+between', ['mail', 'between'], ocspUrl, 'between'],
    ['nameless', [undefined], undefined, undefined]
  ]);
  t.same(
    [0, 1, 2, 3].map((n) => tlsOf(outcome, n).certificates),
    [['mail', 'rsa'], ['mail/'], ['mail/root+between'], ['mail/root+between']]
  );
  t.same(outcome.warnings, []);
});

t.test('settings', needsOpenssl, async (t) => {
  const workshop = workshopWith(t);
  const outcome = await load(
    workshop.folder,
    file(
      'certificates: [mail]',
      `certificates: [mail], needHostName: 1, clientCert: 2, clientCAFile: root.pem, passCipher: Y,
       ocspStapling: true, securityHeaderOptions: 6, SSLRewrite: 2, cipherSet: FIPS,
       tls13CipherSet: 'tls_aes_128_gcm_sha256 TLS_AES_256_GCM_SHA384'`,
      'certificates: [nameless], ocspStapling: true, tls13CipherSet: TLS_AES_128_GCM_SHA256',
      'ocspStapling: true, clientCert: 4, clientCAFile: between.pem, sslRewrite: https'
    )
  );
  const { ciphers, ...plain } = tlsOf(outcome);
  t.same(plain, {
    tlsType: 3,
    needHostName: false,
    clientCaPem: undefined,
    ocspStapling: false,
    certificates: ['mail'],
    clientCertFields: 'none',
    connectionFields: false,
    strictTransportSecurity: '',
    rewriteLocation: false
  });
  t.equal(ciphers[0], 'ECDHE-ECDSA-AES256-GCM-SHA384');
  const all = tlsOf(outcome, 1);
  t.match(all, {
    needHostName: true,
    clientCaPem: workshop.read('root.pem').toString(),
    ocspStapling: true,
    clientCertFields: 'names',
    connectionFields: true,
    strictTransportSecurity: 'max-age=31536000; includeSubDomains; preload',
    rewriteLocation: true
  });
  t.same(all.ciphers.slice(0, 3), [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'ECDHE-ECDSA-AES256-GCM-SHA384'
  ]);
  t.equal(all.ciphers.filter((name) => name.startsWith('TLS_')).length, 2, "not the set's own");
  t.match(tlsOf(outcome, 3), { clientCertFields: 'x-client-cert', rewriteLocation: true });
  t.same(
    outcome.warnings.filter((warning) => warning.includes('OCSP')).map((text) => text.slice(0, 70)),
    [
      's2: no OCSP response is stapled to the certificate nameless: it names ',
      's3: no OCSP response is stapled to the certificate self-signed: it nam'
    ]
  );
});

t.test('problems', needsOpenssl, async (t) => {
  const { folder } = workshopWith(t);
  const at = (n: number): RegExp => new RegExp(`^${n}:\\d+ `);
  const first = certificates.split('\n').length + 1;
  const cases: readonly [string, string | undefined][] = [
    ['certificates: [between]', '"between" holds no private key; the key in the same file, or in'],
    [
      'certificates: [mail], intermediateCerts: [rsa]',
      '"rsa" has a key and is no intermediate certificate; name an entry without a key'
    ],
    [
      'certificates: [rsa], cipherSet: ECDSA_Default',
      'there is no cipher in it for an RSA key, which is all the certificates have; use another'
    ],
    [
      'certificates: [mail], ciphers: AES128-SHA',
      'there is no cipher in it for an ECDSA key, which is all the certificates have; use another'
    ],
    ['certificates: [mail, rsa], ciphers: AES128-SHA', undefined],
    [
      'certificates: [rsa], ciphers: TLS_AES_128_GCM_SHA256, tlsType: 19',
      'tlsType 19 switches off all that they are for; use others'
    ],
    ['certificates: [rsa], ciphers: TLS_AES_128_GCM_SHA256', undefined],
    ['certificates: [rsa, mail], cipherSet: ECDSA_Default', undefined],
    ['certificates: [mail], cipherSet: ECDSA_Default', undefined],
    ['certificates: [rsa], cipherSet: ECDSA_Default, tlsType: 15', undefined],
    [
      'certificates: [nameless], needHostName: true',
      'no certificate has a DNS name, so nobody could connect; name one that has'
    ],
    ['certificates: [nameless, mail], needHostName: true', undefined]
  ];
  for (const [line, problem] of cases) {
    const found = await problemsOf(folder, file(line));
    if (problem === undefined) {
      t.same(found, [], line);
    } else {
      t.equal(found.length, 1, line);
      t.match(found[0], at(first), line);
      t.ok(found[0]?.includes(problem), found[0] ?? line);
    }
  }
  const leaf = certificates.replace('between.pem', 'mail.pem');
  t.match(await problemsOf(folder, `${leaf}virtualServices: []\n`), [
    /^6:28 certificates\[4\]\.file: it holds no private key and not only authorities; the certif/
  ]);
});
