// Certificates through the whole program: which one a client is shown, with which chain and OCSP
// response, and what a reload changes.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { dialTls } from '../fixture/exchange-site.ts';
import { missing, run } from '../fixture/programs.ts';
import { issue, serverExtensions } from '../tls/authority.ts';
import { ocspAnswer } from '../tls/ocsp-responder.ts';
import { refusal, served, start, workshopWith } from './tls-scene.ts';

t.setTimeout(90_000);

const skip = missing('openssl');
const message = 'checkType: none, errorCode: 200, errorUrl: hello';

t.test('certificates: two kinds of key, chains from elsewhere, old PFX', { skip }, async (t) => {
  const workshop = workshopWith(t);
  const file = (name: string): string => `file: ${join(workshop.folder, name)}`;
  const mail = serverExtensions('mail.example.com');
  issue(workshop, 'rsa', { kind: 'rsa', issuer: 'between', extensions: mail });
  issue(workshop, 'ec', { kind: 'ec', issuer: 'between', extensions: mail });
  issue(workshop, 'owa', { issuer: 'between', extensions: serverExtensions('owa.example.com') });
  issue(workshop, 'ews', {
    kind: 'rsa',
    issuer: 'between',
    extensions: serverExtensions('ews.example.com')
  });
  workshop.run(
    'pkcs12 -export -legacy -in ews.pem -inkey ews.key -out ews.pfx -passout pass:Old-1'
  );
  writeFileSync(join(workshop.folder, 'old.pass'), 'Old-1\n');
  const { ports } = await start(
    t,
    {
      rsa: file('rsa-all.pem'),
      ec: file('ec-all.pem'),
      owa: file('owa-all.pem'),
      ews: `${file('ews.pfx')}, passphraseFile: ${join(workshop.folder, 'old.pass')}`,
      between: file('between.pem')
    },
    {
      all: `sslAcceleration: true, needHostName: true, certificates: [rsa, ec, owa, ews], ${message}`,
      any: `sslAcceleration: true, certificates: [rsa, ec, owa], ${message}`,
      bare: `sslAcceleration: true, certificates: [owa], intermediateCerts: [], ${message}`,
      named: `sslAcceleration: true, certificates: owa, intermediateCerts: between, ${message}`,
      tls13: `sslAcceleration: true, certificates: [owa], ${message},
        tls13CipherSet: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256'`
    }
  );
  const { all = 0, any = 0, bare = 0, named = 0, tls13 = 0 } = ports;
  const ca = workshop.read('root.pem');
  const kindOf = async (port: number, servername: string, tls: ConnectionOptions) => {
    const socket = await served(t, port, { servername, ca, rejectUnauthorized: true, ...tls });
    const certificate = socket.getPeerX509Certificate();
    return [certificate?.subject.split('CN=')[1], socket.getProtocol()];
  };

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const both = { maxVersion };
    const rsaOnly = {
      maxVersion,
      sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256',
      ...(maxVersion === 'TLSv1.2' && { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })
    };
    for (const [tls, kind] of [
      [both, 'ec'],
      [rsaOnly, 'rsa']
    ] as const) {
      t.same(await kindOf(all, 'mail.example.com', tls), [kind, maxVersion], 'by the offer');
    }
    t.same(await kindOf(all, 'owa.example.com', both), ['owa', maxVersion]);
    t.same(await kindOf(all, 'ews.example.com', both), ['ews', maxVersion], 'from the RC2 PFX');
    t.same(await kindOf(all, 'EWS.example.com', rsaOnly), ['ews', maxVersion]);
    t.match(
      await refusal(all, { servername: 'owa.example.com', ...rsaOnly }),
      /ALERT_HANDSHAKE_FAILURE$/,
      'not the RSA certificate of another name'
    );
    t.same(
      await kindOf(any, 'other.example.com', { ...rsaOnly, rejectUnauthorized: false }),
      ['rsa', maxVersion],
      'no name that fits: the first certificate and its twin'
    );
    t.same(
      await kindOf(any, '', { ...both, rejectUnauthorized: false }),
      ['ec', maxVersion],
      'no name at all'
    );
  }
  t.equal(await refusal(all), 'ERR_SSL_TLSV13_ALERT_MISSING_EXTENSION', 'needHostName');
  t.equal(await refusal(all, { servername: 'x.example.com' }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');

  t.same(await kindOf(named, 'owa.example.com', {}), ['owa', 'TLSv1.3']);
  const short = await served(t, bare, { servername: 'owa.example.com' });
  t.match(String(short.authorizationError), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'no chain');

  for (const [ciphers, chosen] of [
    ['TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
    ['TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256']
  ] as const) {
    t.equal((await served(t, tls13, { ciphers })).getCipher().name, chosen);
  }
  const wrong = { ciphers: 'TLS_AES_256_GCM_SHA384', minVersion: 'TLSv1.3' } as const;
  t.match(await refusal(tls13, wrong), /HANDSHAKE_FAILURE/);
});

t.test('OCSP stapling, and certificate files that change', { skip }, async (t) => {
  const workshop = workshopWith(t);
  const inFolder = (name: string): string => join(workshop.folder, name);
  const text = (name: string): string => workshop.read(name).toString();
  const responder = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () =>
      response.end(
        ocspAnswer({
          request: Buffer.concat(chunks),
          signerPem: text(`${request.url?.slice(1)}.pem`),
          signerKeyPem: text(`${request.url?.slice(1)}.key`),
          nextUpdateMs: Date.now() + 3_600_000
        })
      )
    );
  }).listen(0, '127.0.0.1');
  await once(responder, 'listening');
  t.teardown(() => responder.close().closeAllConnections());
  const responderPort = (responder.address() as AddressInfo).port;
  const renew = (): void => {
    issue(workshop, 'mail', {
      issuer: 'between',
      extensions: [
        ...serverExtensions('mail.example.com'),
        `authorityInfoAccess=OCSP;URI:http://127.0.0.1:${responderPort}/between`
      ]
    });
    issue(workshop, 'owa', {
      kind: 'rsa',
      issuer: 'root',
      extensions: serverExtensions('owa.example.com')
    });
  };
  renew();
  const stapling = `sslAcceleration: true, ocspStapling: true, ${message}`;
  const { ballast, ports, yaml } = await start(
    t,
    {
      mail: `file: ${inFolder('mail-all.pem')}`,
      // The issuer is a root, which no client is sent and every OCSP request needs.
      owa: `file: ${inFolder('owa-all.pem')}, ocspUrl: 'http://127.0.0.1:${responderPort}/root'`,
      between: `file: ${inFolder('between.pem')}`,
      root: `file: ${inFolder('root.pem')}`
    },
    {
      both: `certificates: [mail, owa], ${stapling}`,
      off: `sslAcceleration: true, certificates: [mail], ${message}`,
      none: stapling
    }
  );
  const { both = 0, off = 0, none = 0 } = ports;
  await ballast.waitFor((line) => /no OCSP response is stapled .* self-signed/.test(line.msg));
  const staple = async (port: number, servername: string): Promise<string> => {
    await ballast.waitFor((line) => line.msg === 'OCSP response fetched');
    return run(
      'sh',
      '-c',
      `openssl s_client -connect 127.0.0.1:${port} -servername ${servername} -status -CAfile ` +
        `${inFolder('root.pem')} 2>&1 </dev/null; true`
    );
  };
  const fetched = (name: string): Promise<unknown> =>
    ballast.waitFor((line) => line.msg.startsWith('OCSP') && line['certificate'] === name);
  await Promise.all([fetched('mail'), fetched('owa')]);
  const serialOf = (name: string): string =>
    new X509Certificate(workshop.read(`${name}.pem`)).serialNumber;
  for (const name of ['mail', 'owa']) {
    const said = await staple(both, `${name}.example.com`);
    t.match(said, /OCSP Response Status: successful[^]*Cert Status: good/, name);
    t.match(said, `Serial Number: ${serialOf(name)}`, 'the staple of its own certificate');
    t.match(said, 'Verify return code: 0 (ok)');
  }
  for (const port of [off, none]) {
    t.match(await staple(port, 'mail.example.com'), 'OCSP response: no response sent');
  }

  const before = await dialTls(t, off, { servername: 'mail.example.com' });
  const first = (before.socket as TLSSocket).getPeerX509Certificate()?.serialNumber;
  t.equal(first, serialOf('mail'));
  renew();
  const from = ballast.lines.length;
  t.equal((await ballast.reload(yaml)).msg, 'reloaded');
  const after = await served(t, off, { servername: 'mail.example.com' });
  t.equal(after.getPeerX509Certificate()?.serialNumber, serialOf('mail'), 'the new one');
  t.not(serialOf('mail'), first);
  before.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  t.match((await before.message()).head, /^HTTP\/1\.1 200 /, 'who was there goes on');
  await ballast.waitFor((line) => {
    const at = ballast.lines.indexOf(line);
    return at >= from && line.msg === 'OCSP response fetched' && line['certificate'] === 'mail';
  });
  const renewed = await staple(both, 'mail.example.com');
  t.match(renewed, `Serial Number: ${serialOf('mail')}`, 'with its own staple');
  t.match(renewed, 'Cert Status: good');

  const [worker] = ballast.lines.filter((line) => line.msg === 'worker serves');
  process.kill(Number(worker?.['worker']), 'SIGKILL');
  await ballast.waitFor((line) => line.msg === 'worker serves' && line !== worker);
  t.match(await staple(both, 'mail.example.com'), 'Cert Status: good', 'by a new worker as well');
});
