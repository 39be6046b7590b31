// What TLS changes in requests and answers, through the whole program: who may connect, what the
// servers are told of him, what answers carry, and TLS to the servers.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer, type ConnectionOptions } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { dialTls } from '../fixture/exchange-site.ts';
import { missing } from '../fixture/programs.ts';
import { issue, serverExtensions } from '../tls/authority.ts';
import { ask, openOrigin, refusal, served, start, ticketOf, workshopWith } from './tls-scene.ts';

t.setTimeout(90_000);

const skip = missing('openssl');

t.test('certificates of clients, and what the servers are told', { skip }, async (t) => {
  const workshop = workshopWith(t);
  const origin = await openOrigin(t);
  const inFolder = (name: string): string => join(workshop.folder, name);
  issue(workshop, 'mail', { kind: 'rsa', extensions: serverExtensions('mail.example.com') });
  issue(workshop, 'alice', {
    issuer: 'root',
    subject: '/O=Test, Inc./CN=Älice',
    extensions: ['extendedKeyUsage=clientAuth']
  });
  issue(workshop, 'mallory', { extensions: ['extendedKeyUsage=clientAuth'] });
  const common = `sslAcceleration: true, certificates: [mail], checkType: none,
    realServers: ['127.0.0.1:${origin.port}']`;
  const authority = `clientCAFile: ${inFolder('root.pem')}`;
  const services = {
    none: common,
    needed: `${common}, clientCert: 1, ${authority}`,
    names: `${common}, clientCert: 2, ${authority}`,
    ssl: `${common}, clientCert: 3, ${authority}, passCipher: true`,
    x: `${common}, clientCert: 4, ${authority}`,
    cipher: `${common}, passCipher: true`
  };
  const { ballast, ports, yaml } = await start(
    t,
    { mail: `file: ${inFolder('mail-all.pem')}` },
    services
  );
  const key = (name: string): ConnectionOptions => ({
    cert: workshop.read(`${name}.pem`),
    key: workshop.read(`${name}.key`)
  });
  const serial = (name: string): string =>
    new X509Certificate(workshop.read(`${name}.pem`)).serialNumber;
  const der = new X509Certificate(workshop.read('alice.pem')).raw.toString('base64');
  const port = (name: keyof typeof services): number => ports[name] ?? 0;

  await t.test('who may connect', async (t) => {
    for (const name of ['needed', 'names', 'ssl', 'x'] as const) {
      for (const [version, code] of [
        ['TLSv1.2', /ALERT_HANDSHAKE_FAILURE$/],
        ['TLSv1.3', /ALERT_CERTIFICATE_REQUIRED$/]
      ] as const) {
        t.match(await refusal(port(name), { maxVersion: version }), code, `${name} ${version}`);
        const foreign = await refusal(port(name), { maxVersion: version, ...key('mallory') });
        t.ok(['closed', 'ECONNRESET'].includes(foreign), `${name} ${version}: ${foreign}`);
      }
      t.match(await ask(t, port(name), key('alice')), 'HTTP/1.1 200 ');
    }
  });

  await t.test(
    'a session of a service that asks for none does not open one that does',
    async (t) => {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const session = await ticketOf(port('none'), { maxVersion });
        t.ok((await served(t, port('none'), { maxVersion, session })).isSessionReused());
        t.match(await refusal(port('needed'), { maxVersion, session }), /^ERR_SSL_/);
        const good = await ticketOf(port('needed'), { maxVersion, ...key('alice') });
        t.ok((await served(t, port('needed'), { maxVersion, session: good })).isSessionReused());
        // Node closes only when the handshake is done, so this client may have got a ticket too.
        const bad = await ticketOf(port('needed'), { maxVersion, ...key('mallory') });
        t.not(await refusal(port('needed'), { maxVersion, session: bad }), 'an answer');
      }
    }
  );

  const forged = [
    'X-SSL-ClientSubject: CN=root',
    'x_ssl_clientissuer: CN=root',
    'X-Ssl-ClientSerialId: 1',
    'SSL-CLIENT-CERT: forged',
    'SSL_CLIENT_CERT: forged',
    'x-client-cert: forged',
    'X_CLIENT_CERT: forged',
    'X-SSL-Cipher: forged',
    'X-SSL-SNIHost: forged',
    'X-SSL-Client: stays'
  ]
    .map((field) => `${field}\r\n`)
    .join('');
  const told = async (name: keyof typeof services, tls: ConnectionOptions): Promise<string[]> => {
    await ask(t, port(name), { servername: 'mail.example.com', ...tls }, forged);
    return origin
      .fields()
      .split('\n')
      .filter((line) => /^(x|ssl)[-_]/i.test(line))
      .toSorted();
  };

  await t.test('what the servers are told', async (t) => {
    const stays = 'X-SSL-Client: stays';
    const cipher = [
      'X-SSL-Cipher: TLS_AES_256_GCM_SHA384',
      'X-SSL-Protocol: TLSv1.3',
      'X-SSL-SNIHost: mail.example.com',
      `X-SSL-Serialid: ${serial('mail')}`
    ];
    t.same(await told('none', {}), [stays], 'forged fields go from every service');
    t.same(await told('needed', key('alice')), [stays]);
    t.same(await told('names', key('alice')), [
      stays,
      'X-SSL-ClientIssuer: CN=root,O=Test',
      `X-SSL-ClientSerialid: ${serial('alice')}`,
      'X-SSL-ClientSubject: CN=%C3%84lice,O=Test\\, Inc.'
    ]);
    t.same(await told('x', key('alice')), [`X-CLIENT-CERT: ${der}`, stays]);
    t.same(
      await told('ssl', key('alice')),
      [
        `SSL-CLIENT-CERT: ${der}`,
        stays,
        ...cipher,
        `X-SSL-ClientSerialid: ${serial('alice')}`
      ].toSorted()
    );
    t.same(await told('cipher', {}), [stays, ...cipher].toSorted());
  });

  await t.test('a reload that asks for certificates ends who has shown none', async (t) => {
    const client = await dialTls(t, port('none'));
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    t.match((await client.message()).head, /^HTTP\/1\.1 200 /);
    const shown = await dialTls(t, port('names'), key('alice'));
    const next = yaml.replace(`name: none,`, `name: none, clientCert: 1, ${authority},`);
    t.equal((await ballast.reload(next)).msg, 'reloaded');
    t.equal(await client.ended(), 'end');
    shown.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    t.match((await shown.message()).head, /^HTTP\/1\.1 200 /, 'who has shown one goes on');
    t.match(await refusal(port('none')), /CERTIFICATE_REQUIRED/);
  });
});

t.test('Strict-Transport-Security and Location', { skip }, async (t) => {
  const workshop = workshopWith(t);
  const origin = await openOrigin(t);
  issue(workshop, 'mail', { kind: 'rsa', extensions: serverExtensions('mail.example.com') });
  const common = `sslAcceleration: true, certificates: [mail], checkType: none`;
  const server = `realServers: ['127.0.0.1:${origin.port}']`;
  const { ports } = await start(
    t,
    { mail: `file: ${join(workshop.folder, 'mail-all.pem')}` },
    {
      off: `${common}, ${server}`,
      plain: `${common}, ${server}, securityHeaderOptions: 1, sslRewrite: https`,
      sub: `${common}, ${server}, securityHeaderOptions: 2`,
      preload: `${common}, ${server}, securityHeaderOptions: 4`,
      both: `${common}, ${server}, securityHeaderOptions: 6`,
      own: `${common}, securityHeaderOptions: 1, errorCode: 302, errorUrl: 'https://%h%s'`
    }
  );
  const hsts = (head: string): (string | undefined)[] =>
    [...head.matchAll(/^strict-transport-security: (.*)\r$/gim)].map(([, value]) => value);
  const year = 'max-age=31536000';
  for (const [name, expected] of [
    ['off', []],
    ['plain', [year]],
    ['sub', [`${year}; includeSubDomains`]],
    ['preload', [`${year}; preload`]],
    ['both', [`${year}; includeSubDomains; preload`]],
    ['own', [year]]
  ] as const) {
    t.same(hsts(await ask(t, ports[name] ?? 0)), expected, name);
  }
  const { plain = 0, off = 0 } = ports;
  const client = await dialTls(t, plain);
  client.send('GET / HTTP/1.1\r\nHost\r\n\r\n');
  const refused = (await client.message()).head;
  t.match(refused, /^HTTP\/1\.1 400 /);
  t.same(hsts(refused), [year], 'also where there is no request to speak of');
  origin.answer(200, { 'strict-Transport-security': 'max-age=1' });
  t.same(hsts(await ask(t, plain)), ['max-age=1'], 'not where the server has its own');

  const host = `mail.example.com:${plain}`;
  for (const [status, location, expected] of [
    [302, `http://${host}/owa/?a=http://x/#y`, `https://${host}/owa/?a=http://x/#y`],
    [302, 'HTTP://Mail.example.com/owa/', `https://${host}/owa/`],
    [301, 'http://mail.example.com:80', `https://${host}`],
    [201, `http://${host}/ews/1`, `https://${host}/ews/1`],
    [302, 'http://mail.example.com:8080/owa/', undefined],
    [302, 'http://mail.example.com.evil.test/owa/', undefined],
    [302, 'http://mail.example.com@evil.test/owa/', undefined],
    [302, 'http://other.example.com/owa/', undefined],
    [302, `https://${host}/owa/`, undefined],
    [302, '/owa/?http://mail.example.com/', undefined],
    [200, `http://${host}/owa/`, undefined]
  ] as const) {
    origin.answer(status, { Location: location, 'X-After': location });
    const head = await ask(t, plain);
    t.match(head, `HTTP/1.1 ${status} `);
    const untouched = `\r\nLocation: ${location}\r\nX-After: ${location}\r\n`;
    t.ok(
      head.includes(
        expected === undefined ? untouched : `\r\nLocation: ${expected}\r\nX-After: ${location}\r\n`
      ),
      `${status} ${location}`
    );
    t.ok((await ask(t, off)).includes(untouched), 'without sslRewrite as it came');
  }
});

t.test('SNI to the servers, and by which name they are verified', { skip }, async (t) => {
  const workshop = workshopWith(t);
  issue(workshop, 'mail', { kind: 'rsa', extensions: serverExtensions('mail.example.com') });
  issue(workshop, 'server', { issuer: 'root', extensions: serverExtensions('localhost') });
  const names: (string | false | null)[] = [];
  const server = createTlsServer(
    { cert: workshop.read('server.pem'), key: workshop.read('server.key') },
    (socket) => {
      names.push((socket as { servername?: string | false }).servername ?? null);
      socket
        .on('error', () => {})
        .once('data', () => {
          socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        });
    }
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const common = `sslAcceleration: true, certificates: [mail], sslReencrypt: true, checkType: none`;
  const byAddress = `${common}, realServers: ['127.0.0.1:${port}']`;
  const byName = `${common}, realServers: ['localhost:${port}']`;
  const verify = `sslForceServerVerify: true, serverCAFile: ${join(workshop.folder, 'root.pem')}`;
  const { ports } = await start(
    t,
    { mail: `file: ${join(workshop.folder, 'mail-all.pem')}` },
    {
      off: byAddress,
      pass: `${byAddress}, passSni: true`,
      both: `${byAddress}, passSni: true, reverseSNIHostname: ex.example.com`,
      verified: `${byName}, ${verify}`,
      passed: `${byName}, ${verify}, passSni: true`,
      reverse: `${byAddress}, ${verify}, passSni: true, reverseSNIHostname: localhost`,
      misnamed: `${byName}, ${verify}, reverseSNIHostname: ex.example.com`,
      address: `${byAddress}, ${verify}`,
      fooled: `${byAddress}, ${verify}, passSni: true`
    }
  );
  for (const [name, servername, status, sent] of [
    ['off', 'mail.example.com', 200, false],
    ['pass', 'mail.example.com', 200, 'mail.example.com'],
    ['pass', undefined, 200, false],
    ['both', 'mail.example.com', 200, 'mail.example.com'],
    ['both', undefined, 200, 'ex.example.com'],
    ['verified', 'mail.example.com', 200, 'localhost'],
    ['passed', 'mail.example.com', 200, 'mail.example.com'],
    ['reverse', 'mail.example.com', 200, 'mail.example.com'],
    ['reverse', undefined, 200, 'localhost'],
    ['misnamed', 'mail.example.com', 502, undefined],
    ['address', 'localhost', 502, undefined],
    ['fooled', 'localhost', 502, undefined]
  ] as const) {
    names.length = 0;
    const head = await ask(t, ports[name] ?? 0, servername === undefined ? {} : { servername });
    t.match(head, `HTTP/1.1 ${status} `, `${name}, asked for ${servername}`);
    if (sent !== undefined) t.same(names, [sent], 'the SNI that the server sees');
  }
});
