// The ClientHello of real clients, whole and in pieces, and whatever else comes to a TLS port.

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { readClientHello } from '../../src/tls/client-hello.ts';

/** What a client says first. */
async function helloOf(t: Test, options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const arrived = once(server, 'connection');
  const client = connect({ host: '127.0.0.1', port, ...options }).on('error', () => {});
  t.teardown(() => client.destroy());
  const [socket] = await arrived;
  const chunks: Buffer[] = [];
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    if (readClientHello(Buffer.concat(chunks)) !== 'incomplete') break;
  }
  return Buffer.concat(chunks);
}

/** The same handshake message in records of this size. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

t.test('what clients offer', async (t) => {
  const modern = await helloOf(t, { servername: 'Mail.Example.com' });
  const read = readClientHello(modern);
  t.match(read, { serverName: 'mail.example.com', offersTls13: true });
  if (typeof read !== 'object') return;
  t.ok(read.signatureSchemes.includes(0x0403) && read.signatureSchemes.includes(0x0804));
  t.ok(read.groups.includes(23) && read.groups.includes(29));
  t.ok(read.cipherSuites.includes(0x1301) && read.cipherSuites.includes(0xc02b));

  const dot = await helloOf(t, { servername: 'mail.example.com.' });
  t.match(readClientHello(dot), { serverName: 'mail.example.com' });
  const old = await helloOf(t, {
    maxVersion: 'TLSv1.2',
    ciphers: 'AES128-SHA',
    sigalgs: 'RSA+SHA256'
  });
  t.match(readClientHello(old), {
    serverName: undefined,
    offersTls13: false,
    signatureSchemes: [0x0401]
  });
  const ancient = await helloOf(t, {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL:@SECLEVEL=0'
  });
  t.match(readClientHello(ancient), { offersTls13: false, signatureSchemes: [] });

  await t.test('in pieces', async (t) => {
    for (let length = 0; length < modern.length; length++) {
      if (readClientHello(modern.subarray(0, length)) !== 'incomplete') t.fail(`${length} bytes`);
    }
    for (const size of [200, 500, 1000]) {
      const cut = inRecords(modern, size);
      t.same(readClientHello(cut), read, `records of ${size} bytes`);
      for (let length = 0; length < cut.length; length++) {
        const part = readClientHello(cut.subarray(0, length));
        if (part !== 'incomplete') t.fail(`records of ${size}, ${length} bytes`);
      }
    }
    t.equal(readClientHello(inRecords(modern, 20)), undefined, 'crumbs');
    const twice = Buffer.concat([modern, Buffer.from('more')]);
    t.same(readClientHello(twice), read, 'what stands behind it does not matter');
  });

  await t.test('damaged', async (t) => {
    for (let at = 5; at < modern.length; at++) {
      for (const value of [0, 0xff]) {
        const damaged = Buffer.from(modern);
        damaged.writeUInt8(value, at);
        t.doesNotThrow(() => readClientHello(damaged));
      }
    }
  });
});

t.test('what is no ClientHello', async (t) => {
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from([0x80, 0x2e, 1, 3, 1]), // SSL 2
    Buffer.from([22, 2, 0, 0, 5, 1, 0, 0, 1, 0]), // no such version
    Buffer.from([22, 3, 1, 0, 5, 2, 0, 0, 1, 0]), // a ServerHello
    Buffer.from([22, 3, 1, 0, 2, 1, 0]), // a record too short for it
    Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]), // 64 KiB
    Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 3]) // one byte of 34
  ]) {
    t.equal(readClientHello(bytes), undefined, bytes.toString('hex'));
  }
  t.equal(readClientHello(Buffer.alloc(0)), 'incomplete');
});
