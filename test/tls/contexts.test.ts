// What contexts agree on with clients: protocol, cipher, ALPN, tickets; and with real servers.

import { randomBytes } from 'node:crypto';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import t from 'tap';
import { importCertificate } from '../../src/tls/certificate.ts';
import { cipherSetNames, findCipherSet } from '../../src/tls/cipher-sets.ts';
import { nullCiphersReason, unknownCiphers } from '../../src/tls/cipher-sets.ts';
import { buildClientTls, buildServerTls } from '../../src/tls/contexts.ts';
import type { ServerCertificate } from '../../src/tls/contexts.ts';
import { protocolsOf } from '../../src/tls/protocols.ts';
import { tlsSettings } from '../fixture/tls-settings.ts';
import { certificate, handshake, listen, listenAs } from './handshake.ts';
import { needsOpenssl, openWorkshop } from './openssl.ts';

const ticketKeys = randomBytes(48);
const blind = { serverName: undefined, passServerName: false, verify: false, caPem: undefined };
const mask = { TLSv1: 2, 'TLSv1.1': 4, 'TLSv1.2': 8, 'TLSv1.3': 16 } as const;
const versions = Object.keys(mask) as (keyof typeof mask)[];
const wide = ciphersOf('Intermediate_compatibility');

const [mail, wildcard, other] = await Promise.all([
  certificate('mail', ['mail.example.com', 'autodiscover.example.com', '127.0.0.1']),
  certificate('wildcard', ['*.example.com', 'example.com']),
  certificate('other', ['owa.other.test'])
]);

function ciphersOf(set: string): readonly string[] {
  const ciphers = findCipherSet(set);
  if (ciphers === undefined) throw new Error(`no set ${set}`);
  return ciphers;
}

/** A client that has just this version, with all that it needs for the old ones. */
function only(version: SecureVersion): ConnectionOptions {
  return { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' };
}

t.test('TLSType switches protocols off', async (t) => {
  for (let tlsType = 1; tlsType <= 31; tlsType += 2) {
    const tls = buildServerTls(tlsSettings({ tlsType, ciphers: wide }), [mail], ticketKeys);
    const port = await listen(t, tls);
    const spoken: string[] = [];
    for (const version of versions) {
      const result = await handshake(port, only(version));
      if (typeof result === 'object') spoken.push(String(result.protocol));
    }
    const expected = versions.filter((version) => (tlsType & mask[version]) === 0);
    t.same(spoken, expected, `TLSType ${tlsType}`);
    t.same(protocolsOf(tlsType), expected, 'and so it is told');
    t.same(protocolsOf(tlsType - 1), expected, 'with or without the bit of SSLv3');
  }
  const tls = buildServerTls(tlsSettings({ tlsType: 0, ciphers: wide }), [mail], ticketKeys);
  t.match(await handshake(await listen(t, tls)), { protocol: 'TLSv1.3' }, 'the newest wins');
});

t.test('the security level is lowered only for those who need it', async (t) => {
  const ciphers = (tlsType: number, set: string): string =>
    String(
      buildServerTls(tlsSettings({ tlsType, ciphers: ciphersOf(set) }), [mail], ticketKeys)
        .options[0]?.ciphers
    );
  t.match(ciphers(1, 'Default'), /:@SECLEVEL=0$/, 'old protocols, old ciphers');
  t.notMatch(ciphers(1, 'BestPractices'), 'SECLEVEL', 'old protocols, new ciphers: of no use');
  t.notMatch(ciphers(7, 'Default'), 'SECLEVEL', 'new protocols');
});

t.test('every cipher set works and offers nothing broken', needsOpenssl, async (t) => {
  const workshop = openWorkshop(t);
  workshop.run(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ec.key -out ec.pem -subj /CN=ec'
  );
  const data = Buffer.concat([workshop.read('ec.pem'), workshop.read('ec.key')]);
  const ec = { name: 'ec', ...importCertificate({ data }) };
  t.same(cipherSetNames, [
    'Default',
    'Default_NoRc4',
    'BestPractices',
    'Intermediate_compatibility',
    'Backward_compatibility',
    'WUI',
    'FIPS',
    'Legacy',
    'ECDSA_Default',
    'ECDSA_BestPractices'
  ]);
  for (const name of cipherSetNames) {
    const ciphers = ciphersOf(name);
    t.same(unknownCiphers(ciphers), [], `${name}: OpenSSL has all of them`);
    t.notMatch(ciphers.join(' '), /RC4|NULL|EXP|DES|MD5|ADH|AECDH|PSK|SRP/, `${name}: none broken`);
    t.equal(new Set(ciphers).size, ciphers.length, `${name}: none twice`);
    for (const certificate of [mail, ec]) {
      if (name.startsWith('ECDSA') && certificate === mail) continue;
      const tls = buildServerTls(tlsSettings({ tlsType: 3, ciphers }), [certificate], ticketKeys);
      const port = await listen(t, tls);
      const kind = certificate.name === 'ec' ? 'ECDSA' : 'RSA';
      const result = await handshake(port, { maxVersion: 'TLSv1.2', ciphers: 'ALL' });
      t.match(result, { protocol: 'TLSv1.2' }, `${name}: TLS 1.2 with ${kind}`);
      t.ok(typeof result === 'object' && ciphers.includes(result.cipher), 'by one of its ciphers');
      t.match(await handshake(port), { protocol: 'TLSv1.3' }, `${name}: TLS 1.3 with ${kind}`);
    }
  }
});

t.test('cipher sets and names', async (t) => {
  t.same(
    ciphersOf('BestPractices').slice(0, 5),
    [
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'DHE-RSA-AES256-GCM-SHA384',
      'ECDHE-RSA-AES256-SHA384',
      'ECDHE-ECDSA-AES256-SHA384'
    ],
    'the six of the guide, but for DSS'
  );
  t.equal(findCipherSet('bestpractices'), findCipherSet('BestPractices'), 'whatever the case');
  t.equal(findCipherSet('BestPractice'), findCipherSet('BestPractices'), "the guide's misprint");
  t.equal(findCipherSet('Modern'), undefined, 'no such set');
  t.equal(findCipherSet('Null_Ciphers'), undefined, 'no protection');
  t.match(nullCiphersReason, 'BestPractices would be right');
  t.same(
    unknownCiphers([
      'ECDHE-RSA-AES128-SHA',
      'ecdhe-rsa-aes128-sha',
      'RC4-SHA',
      'TLS_AES_128_GCM_SHA256',
      'ALL',
      ''
    ]),
    ['RC4-SHA', 'ALL', '']
  );
});

t.test('which cipher is chosen', async (t) => {
  const ciphers = [
    'DHE-RSA-AES256-GCM-SHA384',
    'ecdhe-rsa-aes128-gcm-sha256',
    'ECDHE-RSA-CHACHA20-POLY1305'
  ];
  const tls = buildServerTls(tlsSettings({ tlsType: 3, ciphers }), [mail], ticketKeys);
  const port = await listen(t, tls);
  const chosen = async (offer: string): Promise<string> => {
    const result = await handshake(port, { maxVersion: 'TLSv1.2', ciphers: offer });
    return typeof result === 'object' ? result.cipher : result;
  };
  const [dhe = '', , chacha = ''] = ciphers;
  const aes = 'ECDHE-RSA-AES128-GCM-SHA256';
  t.equal(await chosen(`${aes}:${dhe}`), dhe, 'the first of ours, not of the client');
  t.equal(await chosen(aes), aes, 'a name in lower case counts as well');
  t.equal(await chosen(`${chacha}:${aes}`), chacha, 'but ChaCha20, if the client prefers it');
  t.equal(await chosen(`${aes}:${chacha}`), aes, 'and only then');
  t.match(await chosen('ECDHE-RSA-AES256-GCM-SHA384'), 'ERR_SSL', 'no other');
});

t.test('ALPN: HTTP/1.1 only', async (t) => {
  const tls = buildServerTls(tlsSettings({ tlsType: 3, ciphers: wide }), [mail, other], ticketKeys);
  const port = await listen(t, tls);
  const offers = ['h2', 'http/1.1'];
  t.match(await handshake(port, { ALPNProtocols: offers }), { alpn: 'http/1.1' });
  t.match(await handshake(port), { alpn: false }, 'a client without ALPN');
  t.match(await handshake(port, { ALPNProtocols: ['h2'] }), 'ERR_SSL', 'nothing in common');
});

t.test('a ticket of one process is good at another', async (t) => {
  const settings = tlsSettings({ ciphers: wide });
  const listenWith = (certificates: ServerCertificate[], keys: Buffer): Promise<number> =>
    listen(t, buildServerTls(settings, certificates, keys));
  const first = await listenWith([mail, wildcard], ticketKeys);
  const second = await listenWith([mail, wildcard], Buffer.from(ticketKeys));
  const foreign = await listenWith([mail, wildcard], randomBytes(48));
  const renewed = await listenWith([wildcard, mail], ticketKeys);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const servername of ['mail.example.com', 'owa.example.com']) {
      const client = { minVersion: version, maxVersion: version, servername };
      const full = await handshake(first, client);
      t.match(
        full,
        { reused: false, protocol: version },
        `${version} ${servername}: a full handshake`
      );
      const session = typeof full === 'object' ? full.session : undefined;
      if (session === undefined) throw new Error(`no ticket came with ${version}`);
      const resume = { ...client, session };
      t.match(await handshake(first, resume), { reused: true }, 'resumed where it was made');
      t.match(
        await handshake(second, resume),
        { reused: true },
        'and with the same keys elsewhere'
      );
      t.match(await handshake(foreign, resume), { reused: false }, 'not with other keys');
      t.match(await handshake(renewed, resume), { reused: false }, 'not with other certificates');
    }
  }
});

t.test('towards real servers: verified only when asked', async (t) => {
  const names: (string | false)[] = [];
  const port = await listenAs(t, {
    cert: mail.chainPem,
    key: mail.keyPem,
    SNICallback: (name, done) => {
      names.push(name);
      done(null);
    }
  });
  const server = { address: '127.0.0.1', port: 1, hostName: undefined };
  const client = (serverName?: string, caPem?: string, verify = true): ConnectionOptions =>
    buildClientTls({ serverName, passServerName: false, verify, caPem }).optionsFor(server, 'x.y');
  const { chainPem } = mail;
  t.match(await handshake(port, client(undefined, undefined, false)), { commonName: 'mail' });
  t.same(names, [], 'no server name, no SNI');
  t.match(await handshake(port, client('x.test', undefined, false)), { commonName: 'mail' });
  t.same(names, ['x.test'], 'SNI');
  t.match(await handshake(port, client('mail.example.com', chainPem)), { commonName: 'mail' });
  t.match(await handshake(port, client(undefined, chainPem)), { commonName: 'mail' }, 'by address');
  t.equal(
    await handshake(port, { ...client(undefined, chainPem), host: 'localhost' }),
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'another address'
  );
  t.equal(await handshake(port, client('x.test', chainPem)), 'ERR_TLS_CERT_ALTNAME_INVALID');
  t.equal(await handshake(port, client('mail.example.com')), 'DEPTH_ZERO_SELF_SIGNED_CERT');

  const shared = buildClientTls({ ...blind, serverName: 'x' });
  t.equal(
    shared.optionsFor(server, 'a').secureContext,
    shared.optionsFor(server, 'b').secureContext
  );
});

t.test('towards old real servers', async (t) => {
  const options = buildClientTls(blind).optionsFor(
    { address: '', port: 1, hostName: undefined },
    undefined
  );
  for (const version of versions) {
    const { chainPem: cert, keyPem: key } = mail;
    const port = await listenAs(t, {
      cert,
      key,
      minVersion: version,
      maxVersion: version,
      ciphers: version === 'TLSv1.3' ? 'DEFAULT' : 'AES128-SHA:@SECLEVEL=0'
    });
    t.match(await handshake(port, options), { protocol: version }, version);
  }
});

t.test('mistakes of the caller', async (t) => {
  const settings = tlsSettings({ ciphers: wide });
  t.throws(() => buildServerTls(settings, [], ticketKeys), /at least one certificate/);
  t.throws(() => buildServerTls(settings, [mail], Buffer.alloc(16)), /16 bytes, not 48/);
});
