// Certificates as administrators have them: written by openssl, read by importCertificate.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import t from 'tap';
import { importCertificate, selfSignedCertificate } from '../../src/tls/certificate.ts';
import { needsOpenssl, openWorkshop, type Workshop } from './openssl.ts';

const newKey = {
  rsa: '-newkey rsa:2048',
  ec: '-newkey ec -pkeyopt ec_paramgen_curve:P-256'
} as const;

/** Makes `<name>.pem` and `<name>.key`; a CA, or a leaf that `issuer` signs, or self-signed. */
function make(
  workshop: Workshop,
  kind: keyof typeof newKey,
  name: string,
  options: { issuer?: string; ca?: boolean; names?: string; subject?: string } = {}
): void {
  const { issuer, ca, names, subject } = options;
  workshop.run(
    `req ${newKey[kind]} -nodes -keyout ${name}.key -x509 -days 30 -out ${name}.pem`,
    '-subj',
    subject ?? `/O=Test/CN=${name}`,
    ...(issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]),
    ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
    '-addext',
    `basicConstraints=critical,CA:${ca === true ? 'TRUE' : 'FALSE'}`
  );
}

function leafOf(chainPem: string): X509Certificate {
  return new X509Certificate(chainPem);
}

function subjectsOf(chainPem: string): string[] {
  return chainPem
    .split(/(?=-----BEGIN)/)
    .map((pem) => /CN=(.*)/.exec(new X509Certificate(pem).subject)?.[1] ?? '');
}

t.test('PEM: any order, leaf first, chain in order, root left out', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  make(workshop, 'ec', 'root', { ca: true });
  make(workshop, 'ec', 'upper', { issuer: 'root', ca: true });
  make(workshop, 'ec', 'lower', { issuer: 'upper', ca: true });
  make(workshop, 'ec', 'stranger');
  make(workshop, 'rsa', 'leaf', {
    issuer: 'lower',
    names: 'DNS:Mail.Example.com,DNS:*.example.com,IP:10.0.0.1,DNS:mail.example.com,email:a@b.c'
  });
  const [root, upper, lower, stranger, leaf] = (
    ['root', 'upper', 'lower', 'stranger', 'leaf'] as const
  ).map((name) => workshop.read(`${name}.pem`)) as [Buffer, Buffer, Buffer, Buffer, Buffer];
  const key = workshop.read('leaf.key');
  const orders = {
    'key last': [leaf, lower, upper, root, key],
    'key first, chain upside down': [key, root, upper, lower, leaf],
    'a stranger among them': [stranger, upper, leaf, key, lower],
    'text between them': [
      Buffer.from('subject=x\r\n'),
      leaf,
      Buffer.from('\nissuer\n'),
      lower,
      key,
      upper
    ]
  };
  for (const [order, parts] of Object.entries(orders)) {
    const { chainPem, keyPem, dnsNames } = importCertificate({ data: Buffer.concat(parts) });
    t.same(subjectsOf(chainPem), ['leaf', 'lower', 'upper'], order);
    t.same(dnsNames, ['mail.example.com', '*.example.com'], 'names in lower case, once, DNS only');
    t.ok(leafOf(chainPem).checkPrivateKey(createPrivateKey(keyPem)), 'the key fits');
  }
  const apart = importCertificate({ data: Buffer.concat([upper, leaf, lower]), key });
  t.same(subjectsOf(apart.chainPem), ['leaf', 'lower', 'upper'], 'key in a file of its own');
  t.same(subjectsOf(importCertificate({ data: Buffer.concat([leaf, key]) }).chainPem), ['leaf']);

  const windows = Buffer.from('\ufeff' + leaf.toString() + key.toString(), 'utf16le');
  t.same(subjectsOf(importCertificate({ data: windows }).chainPem), ['leaf'], 'UTF-16');
  const der = leafOf(leaf.toString()).raw;
  t.same(subjectsOf(importCertificate({ data: der, key }).chainPem), ['leaf'], 'DER, key apart');
});

t.test('PEM: a renewal with the same key', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  make(workshop, 'ec', 'old');
  workshop.run('req -x509 -key old.key -subj /CN=renewed -days 300 -out renewed.pem');
  const parts = ['old.pem', 'renewed.pem', 'old.key'].map((name) => workshop.read(name));
  const { chainPem } = importCertificate({ data: Buffer.concat(parts) });
  t.same(subjectsOf(chainPem), ['renewed'], 'the one that lasts longer');
});

t.test('names: the common name only where there are no others', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  const cases: readonly [string, string | undefined, string[]][] = [
    ['/CN=OWA.example.com', undefined, ['owa.example.com']],
    ['/CN=*.example.com', undefined, ['*.example.com']],
    ['/CN=owa.example.com', 'DNS:other.example.com', ['other.example.com']],
    ['/CN=owa.example.com', 'IP:10.0.0.1', ['owa.example.com']],
    ['/CN=Exchange Server', undefined, []],
    ['/CN=10.0.0.1', undefined, []],
    ['/O=No common name', undefined, []]
  ];
  for (const [subject, names, expected] of cases) {
    make(workshop, 'ec', 'leaf', { subject, ...(names !== undefined && { names }) });
    const data = Buffer.concat([workshop.read('leaf.pem'), workshop.read('leaf.key')]);
    t.same(importCertificate({ data }).dnsNames, expected, `${subject} ${names ?? ''}`);
  }
});

t.test('encrypted PEM keys', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  for (const kind of ['rsa', 'ec'] as const) {
    make(workshop, kind, kind);
    const data = workshop.read(`${kind}.pem`);
    const encryptions = {
      'PKCS#8': `pkcs8 -topk8 -in ${kind}.key -passout pass:secret -out locked.key`,
      traditional: `${kind} -in ${kind}.key -aes256 -passout pass:secret -out locked.key -traditional`
    };
    for (const [name, words] of Object.entries(encryptions)) {
      // `openssl ec` knows no -traditional, it always writes that form.
      workshop.run(kind === 'ec' ? words.replace(' -traditional', '') : words);
      const key = workshop.read('locked.key');
      const { chainPem, keyPem } = importCertificate({ data, key, passphrase: 'secret' });
      t.ok(leafOf(chainPem).checkPrivateKey(createPrivateKey(keyPem)), `${kind} ${name}`);
      t.equal(
        importCertificate({ data: Buffer.concat([key, data]), passphrase: 'secret' }).keyPem,
        keyPem
      );
      t.throws(
        () => importCertificate({ data, key, passphrase: 'wrong' }),
        { message: /^the passphrase does not open its private key; / },
        'wrong passphrase'
      );
      t.throws(
        () => importCertificate({ data, key }),
        { message: 'its private key is encrypted; a passphraseFile would be right' },
        'no passphrase'
      );
    }
  }
});

t.test('PFX', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  make(workshop, 'ec', 'ca', { ca: true });
  make(workshop, 'ec', 'between', { issuer: 'ca', ca: true });
  const variants = {
    'AES-256': '',
    'RC2 and 3DES of old Windows': '-legacy',
    '3DES with SHA-1': '-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1',
    'without MAC': '-nomac'
  };
  for (const kind of ['rsa', 'ec'] as const) {
    make(workshop, kind, kind, { issuer: 'between', names: `DNS:${kind}.example.com` });
    const plain = workshop.read(`${kind}.key`).toString();
    for (const [name, words] of Object.entries(variants)) {
      for (const passphrase of kind === 'rsa' ? ['secret', '', 'Schlüssel€'] : ['secret']) {
        const title = `${kind}, ${name}, passphrase "${passphrase}"`;
        workshop.run(
          `pkcs12 -export -in ${kind}.pem -inkey ${kind}.key -certfile between.pem -out x.pfx`,
          ...words.split(' ').filter((word) => word !== ''),
          '-passout',
          `pass:${passphrase}`
        );
        const data = workshop.read('x.pfx');
        const imported = importCertificate({ data, ...(passphrase !== '' && { passphrase }) });
        t.equal(
          imported.chainPem,
          workshop.read(`${kind}.pem`).toString() + workshop.read('between.pem').toString(),
          `${title}: the certificates come out as they went in`
        );
        t.ok(createPrivateKey(imported.keyPem).equals(createPrivateKey(plain)), 'so does the key');
        t.same(imported.dnsNames, [`${kind}.example.com`]);
        t.throws(
          () => importCertificate({ data, passphrase: 'wrong' }),
          { message: /^the passphrase does not open the PFX file; / },
          `${title}: wrong passphrase`
        );
        if (passphrase === '') continue;
        t.throws(
          () => importCertificate({ data }),
          { message: 'the PFX file needs a passphrase; a passphraseFile would be right' },
          `${title}: no passphrase`
        );
      }
    }
  }
  workshop.run('pkcs12 -export -nokeys -in rsa.pem -out x.pfx -passout pass:x');
  t.throws(
    () => importCertificate({ data: workshop.read('x.pfx'), passphrase: 'x' }),
    { message: /^it holds no private key; / },
    'without a key'
  );
});

t.test('what does not fit, is missing or is too weak', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  make(workshop, 'rsa', 'mail');
  make(workshop, 'ec', 'other');
  workshop.run('req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -subj /CN=weak');
  const file = (...names: string[]): Buffer =>
    Buffer.concat(names.map((name) => workshop.read(name)));
  const broken = Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const brokenKey = Buffer.from('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n');
  const cases: readonly [{ data: Buffer; key?: Buffer }, RegExp][] = [
    [
      { data: file('mail.pem', 'other.key') },
      /^the private key does not fit the certificate \("mail"\); /
    ],
    [{ data: file('mail.pem'), key: file('other.key') }, /^the private key does not fit/],
    [{ data: file('mail.pem') }, /^it holds no private key; the key in the same file, or in key,/],
    [{ data: file('mail.pem'), key: file('mail.pem') }, /^the key file holds no private key; /],
    [{ data: file('mail.key') }, /^it holds no certificate; a certificate and its private key/],
    [{ data: Buffer.from('hello') }, /^it is neither PEM nor PFX; a PEM or PFX \(PKCS#12\) file/],
    [{ data: Buffer.alloc(0) }, /^it is neither PEM nor PFX; /],
    [{ data: Buffer.from([0x30, 0x82, 0xff, 0xff, 0]) }, /^it is neither PEM nor PFX; /],
    [
      { data: Buffer.concat([broken, file('mail.key')]) },
      /^one of its certificates cannot be read; /
    ],
    [{ data: Buffer.concat([file('mail.pem'), brokenKey]) }, /^its private key cannot be read; /],
    [
      { data: file('weak.pem', 'weak.key') },
      /^OpenSSL refuses the certificate: .*key too small; RSA/
    ]
  ];
  for (const [source, message] of cases) {
    t.throws(() => importCertificate(source), { message }, String(message));
  }
});

t.test('an expired certificate is taken', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  workshop.run(
    'req -newkey rsa:2048 -nodes -keyout x.key -subj /CN=expired.example.com -out x.csr'
  );
  workshop.run('x509 -req -in x.csr -key x.key -days -1 -out x.pem');
  const data = Buffer.concat([workshop.read('x.pem'), workshop.read('x.key')]);
  const { chainPem, dnsNames } = importCertificate({ data });
  t.ok(leafOf(chainPem).validToDate.getTime() < Date.now(), 'it has expired');
  t.same(dnsNames, ['expired.example.com']);
});

t.test('a self-signed certificate', async (t) => {
  const made = await selfSignedCertificate('Ballast ' + 'x'.repeat(80), [
    'Mail.example.com',
    '10.0.0.1',
    '2001:db8::1'
  ]);
  t.same(made.dnsNames, ['mail.example.com'], 'its DNS names');
  const certificate = leafOf(made.chainPem);
  t.equal(
    certificate.subjectAltName,
    'DNS:Mail.example.com, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1'
  );
  t.ok(certificate.checkHost('mail.example.com'), 'valid for the name');
  t.ok(certificate.checkIP('2001:db8::1'), 'valid for the address');
  t.equal(certificate.subject.length, 'CN='.length + 64, 'the common name fits its field');
  t.ok(certificate.checkPrivateKey(createPrivateKey(made.keyPem)), 'the key fits');
  t.ok(certificate.verify(certificate.publicKey), 'signed by itself');
  const days =
    (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000;
  t.equal(days, 825, 'as long as clients accept');
  t.ok(certificate.validFromDate.getTime() < Date.now() - 3_600_000, 'for slow clocks too');
  t.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/, 'no minus and no leading zeros');

  const { chainPem, keyPem } = made;
  t.same(importCertificate({ data: Buffer.from(keyPem + chainPem) }), made, 'can be read back');
  t.same((await selfSignedCertificate('owa.example.com', [])).dnsNames, ['owa.example.com']);
  const odd = await selfSignedCertificate('x', ['a, DNS:evil.example.com', 'b.example.com']);
  t.same(odd.dnsNames, ['b.example.com'], 'a comma in a name does not make two');
});
