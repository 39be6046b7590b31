// The PROXY header of a connection, with real sockets: who the client is, what is left behind it.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import t, { type Test } from 'tap';
import { Connection } from '../../src/net/connection.ts';
import { formatProxyHeader } from '../../src/net/proxy-header.ts';
import { readProxy, type FromProxy } from '../../src/net/proxy-reader.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { dialPeer } from '../fixture/peer.ts';

interface Came {
  readonly from: FromProxy;
  readonly socket: Socket;
}

const client = { address: '203.0.113.9', port: 54321 };
const here = { address: '192.0.2.1', port: 443 };

/** A listener that reads headers; gives what it found, connection by connection. */
async function listen(t: Test, timeoutMs = 5000, trusted = '127.0.0.1') {
  const came: Came[] = [];
  let wake = Promise.withResolvers<void>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    t.teardown(() => socket.destroy());
    readProxy(socket, { timeoutMs, isTrusted: (address) => address === trusted }, (from) => {
      came.push({ from, socket });
      wake.resolve();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const next = async (): Promise<Came> => {
    for (;;) {
      const first = came.shift();
      if (first !== undefined) return first;
      await wake.promise;
      wake = Promise.withResolvers();
    }
  };
  return { port: (server.address() as AddressInfo).port, next };
}

/** All bytes that a session would get, up to the client's end. */
function received(socket: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    new Connection(socket).receive({
      onBytes: (bytes) => (text += bytes.toString('latin1')),
      onEnd: () => resolve(text),
      onClose: () => resolve(`${text} (closed)`),
      onDrain() {}
    });
  });
}

t.test('the client, and every byte behind the header', async (t) => {
  const { port, next } = await listen(t);
  for (const version of ['v1', 'v2'] as const) {
    const header = formatProxyHeader(version, client, here);
    for (const rest of ['', 'x', 'GET / HTTP/1.1\r\n\r\n'.repeat(10_000)]) {
      const peer = await dialPeer(t, port);
      peer.socket.end(Buffer.concat([header, Buffer.from(rest)]));
      const { from, socket } = await next();
      t.strictSame(from, client);
      t.equal(await received(socket), rest, `${version} and ${rest.length} bytes in one piece`);
    }
    for (let cut = 1; cut < header.length; cut++) {
      const peer = await dialPeer(t, port);
      peer.send(header.subarray(0, cut));
      // Nothing tells us that the other side has read; a tick of both loops is mostly enough.
      await new Promise((resolve) => setImmediate(resolve));
      peer.send(header.subarray(cut));
      const { from, socket } = await next();
      t.strictSame(from, client);
      const all = received(socket);
      peer.socket.end('later');
      t.equal(await all, 'later');
    }
  }
  const peer = await dialPeer(t, port);
  peer.send('PROXY UNKNOWN\r\n');
  const { localPort = 0 } = peer.socket;
  t.strictSame((await next()).from, { address: '127.0.0.1', port: localPort }, 'nobody else');
});

t.test('TLS begins behind the header', async (t) => {
  const { chainPem, keyPem } = await selfSignedCertificate('a', ['a']);
  const tls = createTlsServer(
    { cert: chainPem, key: keyPem },
    (socket) => void socket.end('hello')
  );
  const { port, next } = await listen(t);
  const header = formatProxyHeader('v2', client, here);
  for (const together of [true, false]) {
    const peer = await dialPeer(t, port);
    const { socket } = peer;
    if (together) socket.cork();
    socket.write(header);
    const secure = connectTls({ socket, rejectUnauthorized: false });
    const came = together ? undefined : await next();
    socket.uncork();
    tls.emit('connection', (came ?? (await next())).socket);
    const [bytes] = (await once(secure, 'data')) as [Buffer];
    t.equal(bytes.toString(), 'hello');
    secure.destroy();
  }
});

t.test('refusals', async (t) => {
  const { port, next } = await listen(t, 150);
  const refusal = async (said: string | undefined, end: boolean): Promise<FromProxy> => {
    const peer = await dialPeer(t, port);
    if (said !== undefined) peer.send(said);
    if (end) peer.socket.end();
    const { from, socket } = await next();
    t.notOk(socket.destroyed, 'it is the caller’s to end');
    t.equal(socket.listenerCount('readable'), 0);
    socket.destroy();
    await peer.ended();
    return from;
  };
  t.strictSame(await refusal('GET / HTTP/1.1\r\n\r\n', false), { refused: 'no PROXY header' });
  t.strictSame(await refusal('PROXY TCP4 1.2', true), { refused: 'PROXY header cut short' });
  t.equal(await refusal(undefined, true), 'silent');
  const late = { refused: 'no PROXY header within 150 ms' };
  t.strictSame(await refusal('PROXY TCP4 1.2', false), late);
  t.strictSame(await refusal(undefined, false), late);
  const strict = await listen(t, 150, '127.0.0.2');
  const peer = await dialPeer(t, strict.port);
  peer.send('PROXY UNKNOWN\r\n');
  const untrusted = { refused: 'the peer is none of the trusted proxies' };
  t.strictSame((await strict.next()).from, untrusted);
});
