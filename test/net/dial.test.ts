// A connection to a server, or the reason why there is none, within a time.

import { once } from 'node:events';
import t from 'tap';
import { dial, type DialOptions } from '../../src/net/dial.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { listenPeer, type PeerServer } from '../fixture/peer.ts';

function to(server: PeerServer, more: Partial<DialOptions> = {}): DialOptions {
  const { port } = server;
  return {
    address: '127.0.0.1',
    port,
    localAddress: undefined,
    tls: undefined,
    timeoutMs: 2000,
    ...more
  };
}

const tls = { rejectUnauthorized: false };

t.test('connects, in clear and by TLS', async (t) => {
  const { chainPem, keyPem } = await selfSignedCertificate('a', ['a']);
  for (const secure of [false, true]) {
    const server = await listenPeer(t, secure ? { cert: chainPem, key: keyPem } : undefined);
    const more = { localAddress: '127.0.0.3', ...(secure && { tls }) };
    const socket = await dial(to(server, more)).socket;
    t.equal(socket.listenerCount('error'), 0, 'its errors are the caller’s now');
    socket.on('error', () => {}).resume();
    const peer = await server.next();
    t.equal(peer.socket.remoteAddress, '127.0.0.3');
    socket.write('hello');
    t.equal(await peer.until('hello'), 'hello');
    peer.socket.end();
    await once(socket, 'end');
    t.equal(socket.writable, true, 'half-open');
    socket.destroy();
  }
});

t.test('refused', async (t) => {
  const server = await listenPeer(t);
  server.stop();
  await t.rejects(dial(to(server)).socket, { code: 'ECONNREFUSED' });
  await t.rejects(dial(to(server, { tls })).socket, { code: 'ECONNREFUSED' });
});

t.test('a server that does not finish the handshake', async (t) => {
  const server = await listenPeer(t);
  const options = to(server, { tls, timeoutMs: 50 });
  await t.rejects(dial(options).socket, /no connection within 50 ms/);
  const dialling = dial(to(server, { tls }));
  await server.next();
  const closing = await server.next();
  closing.socket.destroy();
  await t.rejects(dialling.socket);
});

t.test('given up', async (t) => {
  const server = await listenPeer(t);
  const dialling = dial(to(server, { tls }));
  const refused = t.rejects(dialling.socket, /connection closed/);
  const peer = await server.next();
  dialling.abort();
  await refused;
  await peer.ended();
});
