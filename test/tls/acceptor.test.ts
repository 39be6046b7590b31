// Which certificate a client is shown, and who is turned away, by its hello.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { Connection } from '../../src/net/connection.ts';
import { TlsAcceptor, type HandshakeEvents } from '../../src/tls/acceptor.ts';
import { findCipherSet } from '../../src/tls/cipher-sets.ts';
import { buildServerTls } from '../../src/tls/contexts.ts';
import { tlsSettings } from '../fixture/tls-settings.ts';
import { certificate, handshake, listen, openPort } from './handshake.ts';

const ticketKeys = randomBytes(48);
const wide = findCipherSet('Intermediate_compatibility') ?? [];

const [mail, wildcard, other] = await Promise.all([
  certificate('mail', ['mail.example.com', 'autodiscover.example.com', '127.0.0.1']),
  certificate('wildcard', ['*.example.com', 'example.com']),
  certificate('other', ['owa.other.test'])
]);

t.test('certificates by server name', async (t) => {
  const settings = tlsSettings({ ciphers: wide });
  const port = await listen(t, buildServerTls(settings, [mail, wildcard, other], ticketKeys));
  const cases: readonly [string, string][] = [
    ['mail.example.com', 'mail'],
    ['MAIL.Example.COM', 'mail'],
    ['mail.example.com.', 'mail'],
    ['autodiscover.example.com', 'mail'],
    ['owa.example.com', 'wildcard'],
    ['OWA.EXAMPLE.COM.', 'wildcard'],
    ['example.com', 'wildcard'],
    ['a.b.example.com', 'mail'],
    ['.example.com', 'mail'],
    ['owa.other.test', 'other'],
    ['mail.other.test', 'mail'],
    ['com', 'mail'],
    ['*', 'mail']
  ];
  for (const [name, expected] of cases) {
    t.match(await handshake(port, { servername: name }), { commonName: expected }, name);
  }
  t.match(await handshake(port), { commonName: 'mail' }, 'no SNI: the first certificate');

  const two = [wildcard, { ...other, dnsNames: ['*.example.com', 'a.example.com'] }];
  const again = await listen(t, buildServerTls(settings, two, ticketKeys));
  const seen = (servername: string) => handshake(again, { servername });
  t.match(await seen('b.example.com'), { commonName: 'wildcard' }, 'of two wildcards the first');
  t.match(await seen('a.example.com'), { commonName: 'other' }, 'exact before wildcard');
});

t.test('one certificate is served under every name', async (t) => {
  const tls = buildServerTls(tlsSettings({ ciphers: wide }), [mail], ticketKeys);
  t.notOk(tls.mustChoose, 'without a look at the hello');
  const port = await listen(t, tls);
  t.match(await handshake(port, { servername: 'x.test' }), { commonName: 'mail' });
});

t.test('needHostName', async (t) => {
  const settings = tlsSettings({ ciphers: wide, needHostName: true });
  for (const certificates of [[mail], [mail, wildcard]]) {
    const port = await listen(t, buildServerTls(settings, certificates, ticketKeys));
    t.match(await handshake(port, { servername: 'MAIL.example.com' }), { commonName: 'mail' });
    for (const servername of ['x.test', 'example.org', 'a.b.example.com']) {
      t.equal(await handshake(port, { servername }), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', servername);
    }
    t.equal(await handshake(port), 'ERR_SSL_TLSV13_ALERT_MISSING_EXTENSION');
    const old = await handshake(port, { maxVersion: 'TLSv1.2' });
    t.equal(old, 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'no SNI and TLS 1.2');
  }
});

t.test('a hello in crumbs, and one that never becomes whole', async (t) => {
  const tls = buildServerTls(tlsSettings({ ciphers: wide }), [mail, wildcard], ticketKeys);
  let failures = 0;
  const more = { failed: Promise.withResolvers<void>() };
  const acceptor = new TlsAcceptor(tls, undefined);
  const events: HandshakeEvents = {
    begin: (socket) => void socket.on('error', () => {}).end('hello'),
    failed: () => {
      failures++;
      more.failed.resolve();
    }
  };
  const server = createTcpServer({ allowHalfOpen: true }, (socket) =>
    acceptor.accept(socket, events)
  );
  const port = await openPort(t, server);
  // A relay before it that cuts what clients say.
  const relay = createTcpServer((client) => {
    const inner = connectTcp({ port, host: '127.0.0.1', noDelay: true });
    let sent = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += 97) {
        const crumb = chunk.subarray(at, at + 97);
        sent = sent.then(() => new Promise((done) => inner.write(crumb, () => setImmediate(done))));
      }
    });
    client.on('error', () => inner.destroy()).on('end', () => void sent.then(() => inner.end()));
    inner.on('error', () => client.destroy()).pipe(client);
  });
  const slow = await openPort(t, relay);
  t.match(await handshake(slow, { servername: 'owa.example.com' }), { commonName: 'wildcard' });
  t.equal(failures, 0);
  for (const begun of ['', '\x16\x03\x01\x02']) {
    more.failed = Promise.withResolvers();
    const before = failures;
    const client = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {});
    client.end(Buffer.from(begun, 'latin1'));
    await more.failed.promise;
    t.equal(failures, before + 1, 'a client that hangs up before its hello is a failure');
  }
  more.failed = Promise.withResolvers();
  const plain = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {});
  plain.resume().write('GET / HTTP/1.1\r\n\r\n');
  await once(plain, 'close');
  await more.failed.promise;
  t.equal(failures, 3, 'and so is one that speaks no TLS');
});

t.test('a client that never finishes its handshake is closed', async (t) => {
  const built = buildServerTls(tlsSettings({ ciphers: wide }), [mail], ticketKeys);
  const options = built.options.map((one) => ({ ...one, handshakeTimeout: 100 }));
  const port = await listen(t, { ...built, options });
  for (const [what, begun, half] of [
    ['silent', '', false],
    ['in the middle of its hello', '\x16\x03\x01\x02', false],
    ['that ended its side too', '\x16\x03\x01\x02', true]
  ] as const) {
    const client = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }).resume();
    const ended = once(client, 'end');
    client.write(Buffer.from(begun, 'latin1'));
    if (half) client.end();
    await ended; // once the server has let go; without that the test runs into its limit
    t.pass(what);
    client.destroy();
  }
});

t.test('needHostName: a hello in too many pieces names nobody', async (t) => {
  const settings = tlsSettings({ ciphers: wide, needHostName: true });
  const port = await listen(t, buildServerTls(settings, [mail], ticketKeys));
  const client = connectTcp({ port, host: '127.0.0.1' });
  const first = Buffer.from([22, 3, 1, 0, 5, 1, 0, 1, 0, 3]);
  const more = Buffer.from([22, 3, 1, 0, 1, 0]);
  client.write(Buffer.concat([first, ...Array.from({ length: 20 }, () => more)]));
  const [bytes] = (await once(client, 'data')) as [Buffer];
  t.strictSame([...bytes], [21, 3, 3, 0, 2, 2, 112], 'unrecognized_name');
  client.destroy();
});

t.test('TLS in mid-session, on the socket that asked for it', async (t) => {
  for (const certificates of [[mail], [mail, wildcard]]) {
    const tls = buildServerTls(tlsSettings({ ciphers: wide }), certificates, ticketKeys, []);
    const acceptor = new TlsAcceptor(tls, undefined);
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      const connection = new Connection(socket);
      connection.receive({
        onBytes(bytes) {
          const said = String(bytes);
          connection.write(Buffer.from('220 go\r\n'));
          acceptor.accept(connection.release(), {
            begin: (encrypted) => void encrypted.on('error', () => {}).end(`hello ${said}`),
            failed: (reason) => t.fail(reason)
          });
        },
        onEnd() {},
        onClose() {},
        onDrain() {}
      });
    });
    const port = await openPort(t, server);
    // Both under way at the same time: the one that asked last gets through first.
    const clients = [1, 2].map(() => connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true }));
    for (const [n, client] of clients.entries()) {
      client.write(`${n}`);
      t.equal(String((await once(client, 'data'))[0]), '220 go\r\n');
    }
    for (const [n, client] of [...clients.entries()].reverse()) {
      const encrypted = connectTls({
        socket: client,
        rejectUnauthorized: false,
        ALPNProtocols: ['imap']
      });
      t.equal(String((await once(encrypted, 'data'))[0]), `hello ${n}`);
      t.equal(encrypted.alpnProtocol, false, 'any name is welcome, and none is agreed on');
      encrypted.destroy();
    }
  }
});

t.test('who fails in mid-session is told why, once', async (t) => {
  for (const certificates of [[mail], [mail, wildcard]]) {
    const built = buildServerTls(tlsSettings({ ciphers: wide }), certificates, ticketKeys, []);
    const options = built.options.map((one) => ({ ...one, handshakeTimeout: 100 }));
    const acceptor = new TlsAcceptor({ ...built, options }, undefined);
    const reasons: string[] = [];
    let failed = Promise.withResolvers<void>();
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      const connection = new Connection(socket);
      connection.receive({
        onBytes() {
          connection.write(Buffer.from('220 go\r\n'));
          acceptor.accept(connection.release(), {
            begin: () => t.fail('nobody got this far'),
            failed: (reason) => {
              reasons.push(reason);
              failed.resolve();
            }
          });
        },
        onEnd() {},
        onClose() {},
        onDrain() {}
      });
    });
    const port = await openPort(t, server);
    for (const said of ['NOOP\r\n', '\x16\x03\x01\x02\x00']) {
      for (const how of ['end', 'resetAndDestroy', 'write'] as const) {
        if (how === 'write' && said !== 'NOOP\r\n') continue; // that one may go on for 20 s
        failed = Promise.withResolvers();
        const client = connectTcp({ port, host: '127.0.0.1' }).on('error', () => {});
        client.write('STARTTLS\r\n');
        await once(client, 'data');
        client.write(Buffer.from(said, 'latin1'));
        if (how !== 'write') client[how]();
        await failed.promise;
        client.destroy();
      }
    }
    t.equal(reasons.length, 5);
    const known = /^(wrong version number|client gone|no TLS hello|TLS handshake timeout)$/;
    for (const reason of reasons) t.match(reason, known);
    t.equal(reasons[2], 'wrong version number');
  }
});
