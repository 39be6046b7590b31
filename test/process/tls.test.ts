// TLS at both ends with openssl as the client: which certificate, which version, whose session, and
// what the servers get to see.

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { startExchange } from '../../src/lab/exchange.ts';
import { freePorts, runBallast, startBallast, type Ballast } from '../fixture/ballast.ts';
import { testCertificate } from '../fixture/certificates.ts';
import {
  dialPlain,
  dialTls,
  endBallast,
  ownAddress,
  temporaryFolder
} from '../fixture/exchange-site.ts';
import { missing, run } from '../fixture/programs.ts';

t.setTimeout(60_000);

const skip = missing('openssl');
const message = 'checkType: none, errorCode: 200, errorUrl: hello';

/** What `openssl s_client` says of a handshake; it may fail. */
function handshake(port: number, options: string, input = ''): Promise<string> {
  const bytes = input === '' ? '' : `printf '${input}' |`;
  const from = input === '' ? '</dev/null' : '';
  return run(
    'sh',
    '-c',
    `${bytes} openssl s_client -connect 127.0.0.1:${port} ${options} 2>&1 ${from}; true`
  );
}

async function start(t: Test, yaml: string): Promise<Ballast> {
  const ballast = await startBallast(yaml);
  t.teardown(() => endBallast(ballast));
  return ballast;
}

t.test('certificates by name, versions by tlsType, tickets over workers', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  for (const [file, name] of [
    ['first', 'first.example.com'],
    ['exact', 'mail.example.org'],
    ['wild', '*.example.org']
  ] as const) {
    writeFileSync(join(folder, `${file}.pem`), (await testCertificate(name)).pem);
  }
  const [port = 0, modern = 0, admin = 0] = await freePorts(3);
  const certificates = ['first', 'exact', 'wild'];
  const ballast = await start(
    t,
    `
global: { workers: 4 }
admin: { port: ${admin} }
certificates:
${certificates.map((name) => `  - { name: ${name}, file: ${join(folder, `${name}.pem`)} }`).join('\n')}
virtualServices:
  - { name: all, address: 127.0.0.1, port: ${port}, sslAcceleration: true, cipherSet: Default,
      certificates: [${certificates.join(', ')}], ${message} }
  - { name: modern, address: 127.0.0.1, port: ${modern}, sslAcceleration: true, tlsType: 15,
      certificates: [first], ${message} }
`
  );

  await t.test('SNI', async (t) => {
    for (const [asked, subject] of [
      ['-servername mail.example.org', 'mail.example.org'],
      ['-servername MAIL.example.org', 'mail.example.org'],
      ['-servername owa.example.org', '*.example.org'],
      ['-servername a.b.example.org', 'first.example.com'],
      ['-servername first.example.com', 'first.example.com'],
      ['-servername unknown.example.net', 'first.example.com'],
      ['-noservername', 'first.example.com']
    ] as const) {
      const said = await handshake(port, asked);
      t.equal(/subject=CN ?= ?(\S+)/.exec(said)?.[1], subject, asked);
    }
  });

  await t.test('versions', async (t) => {
    const old = '-cipher ALL:@SECLEVEL=0';
    for (const [at, version, accepted] of [
      [port, `-tls1_1 ${old}`, 'TLSv1.1'],
      [port, '-tls1_2', 'TLSv1.2'],
      [port, '-tls1_3', 'TLSv1.3'],
      [port, `-tls1 ${old}`, undefined],
      [modern, '-tls1_3', 'TLSv1.3'],
      [modern, '-tls1_2', undefined],
      [modern, `-tls1_1 ${old}`, undefined]
    ] as const) {
      const said = await handshake(at, version);
      const made = /New, (?:TLSv[\d.]+|SSLv3), Cipher is (?!\(NONE\))/.test(said);
      t.equal(made, accepted !== undefined, `${version} at ${at === port ? 'all' : 'modern'}`);
      if (accepted !== undefined)
        t.match(said, new RegExp(`Protocol *: ${accepted}|${accepted}, C`));
    }
  });

  await t.test('a ticket of one worker is good at every other', async (t) => {
    for (const [version, name] of [
      ['-tls1_2', 'mail.example.org'],
      ['-tls1_3', 'mail.example.org'],
      ['-tls1_3', 'owa.example.org']
    ] as const) {
      const session = join(folder, `session${version}${name}`);
      const request = `GET / HTTP/1.1\\r\\nHost: ${name}\\r\\nConnection: close\\r\\n\\r\\n`;
      const options = `${version} -servername ${name} -ign_eof`;
      await handshake(port, `${options} -sess_out ${session}`, request);
      t.ok(existsSync(session));
      const pids = new Set<unknown>();
      for (let n = 0; n < 40 && (n < 6 || pids.size < 2); n++) {
        const said = await handshake(port, `${options} -sess_in ${session}`, request);
        t.match(said, /Reused, TLSv1\.[23], Cipher is/, `${version} ${name} try ${n}`);
        const id = /Request (\S+)/.exec(said)?.[1];
        pids.add((await ballast.waitFor((line) => line['id'] === id))['pid']);
      }
      t.ok(pids.size > 1, `by ${pids.size} workers`);
    }
  });
});

t.test('a self-signed certificate stays over a restart', async (t) => {
  const [port = 0, admin = 0] = await freePorts(2);
  const yaml = `
global: { workers: 1 }
admin: { port: ${admin} }
virtualServices:
  - { name: all, address: 127.0.0.1, port: ${port}, sslAcceleration: true, ${message} }
`;
  const folder = temporaryFolder(t);
  const file = join(folder, 'ballast.yaml');
  writeFileSync(file, yaml);
  const fingerprints: string[] = [];
  for (let n = 0; n < 2; n++) {
    const ballast = runBallast('', ['run', '--config', file]);
    t.teardown(() => endBallast(ballast));
    await ballast.waitFor('ready');
    const { socket } = await dialTls(t, port);
    fingerprints.push((socket as TLSSocket).getPeerX509Certificate()?.fingerprint256 ?? '');
    socket.destroy();
    t.equal(await ballast.stop(), 0);
  }
  t.match(fingerprints[0], /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  t.equal(fingerprints[1], fingerprints[0]);
  const [kept = ''] = readdirSync(folder).filter((name) => name.endsWith('.pem'));
  t.equal(statSync(join(folder, kept)).mode & 0o777, 0o600, 'and nobody else can read its key');
});

t.test('subnetOriginating: false comes from the address of the service', async (t) => {
  const service = ownAddress(9);
  const seen: (string | undefined)[] = [];
  const origin = createServer((socket) => {
    seen.push(socket.remoteAddress);
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  await once(origin.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => origin.close());
  const to = `127.0.0.1:${(origin.address() as AddressInfo).port}`;
  const [port = 0, other = 0, admin = 0] = await freePorts(3);
  const common = `vsType: http, checkType: none, realServers: ['${to}']`;
  await start(
    t,
    `
global: { workers: 1, subnetOriginating: false }
admin: { port: ${admin} }
virtualServices:
  - { name: own, address: ${service}, port: ${port}, ${common} }
  - { name: subnet, address: ${service}, port: ${other}, subnetOriginating: true, ${common} }
`
  );
  for (const at of [port, other]) {
    const client = await dialPlain(t, at, service);
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    t.match((await client.message()).head, /^HTTP\/1\.1 200 /);
  }
  t.strictSame(seen, [service, '127.0.0.1']);
});

t.test('servers whose certificate is verified', async (t) => {
  const [good, bad] = [
    await testCertificate('ex.example.com'),
    await testCertificate('evil.example')
  ];
  const [one = 0, two = 0, three = 0, four = 0, admin = 0, serverPort = 0] = await freePorts(6);
  const servers = await Promise.all(
    [good, bad].map(({ key, cert }, n) =>
      startExchange({
        name: `ex0${n + 1}.example.com`,
        https: { host: ownAddress(n), port: serverPort, key, cert },
        authenticate: false
      })
    )
  );
  t.teardown(() => Promise.all(servers.map((server) => server.close())));
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'ca.pem'), good.cert);
  writeFileSync(join(folder, 'both.pem'), good.cert + bad.cert);
  const common = `address: 127.0.0.1, vsType: http, checkType: none, sslAcceleration: true,
      sslReencrypt: true, schedule: rr`;
  const verify = `sslForceServerVerify: true, serverCAFile: ${join(folder, 'ca.pem')},
      reverseSNIHostname: ex.example.com`;
  const [ex1, ex2] = [`'${ownAddress(0)}:${serverPort}'`, `'${ownAddress(1)}:${serverPort}'`];
  const ballast = await start(
    t,
    `
global: { workers: 1 }
admin: { port: ${admin} }
virtualServices:
  - { name: both, port: ${one}, ${common}, ${verify}, realServers: [${ex1}, ${ex2}] }
  - { name: bad, port: ${two}, ${common}, ${verify}, realServers: [${ex2}] }
  - { name: misnamed, port: ${four}, ${common}, ${verify.replace('ca.pem', 'both.pem')},
      realServers: [${ex2}] }
  - { name: trusting, port: ${three}, ${common}, realServers: [${ex2}] }
`
  );
  const ask = async (port: number): Promise<string> => {
    const client = await dialTls(t, port);
    client.send('GET /owa/ HTTP/1.1\r\nHost: ex.example.com\r\n\r\n');
    return (await client.message()).head;
  };
  for (let n = 0; n < 4; n++) {
    t.match(
      await ask(one),
      /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX01\r\n/,
      'the bad one is passed over'
    );
  }
  for (const [port, reason] of [
    [two, /self-signed certificate/],
    [four, /does not match certificate's altnames/]
  ] as const) {
    const refused = await ask(port);
    t.match(refused, /^HTTP\/1\.1 502 /);
    const id = /\r\nX-Request-Id: (\S+)\r\n/.exec(refused)?.[1];
    const line = await ballast.waitFor((entry) => entry['id'] === id);
    t.match(line, { closed: 'cannot-connect', reason });
  }
  t.match(await ask(three), /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX02\r\n/, 'unless nobody asks');
});
