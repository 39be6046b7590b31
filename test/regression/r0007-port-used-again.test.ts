// A client was cut in its handshake and came back from the same port before the old socket had told that
// it was closed: that close struck the new handshake off the list, and the new client was turned away.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { TlsAcceptor } from '../../src/tls/acceptor.ts';
import { buildServerTls } from '../../src/tls/contexts.ts';
import { tlsSettings } from '../fixture/tls-settings.ts';
import { certificate, openPort } from '../tls/handshake.ts';

t.test('a client that comes back from its port', async (t) => {
  const settings = tlsSettings({ ciphers: ['TLS_AES_128_GCM_SHA256'] });
  const mail = await certificate('mail', ['mail.test']);
  const acceptor = new TlsAcceptor(
    buildServerTls(settings, [mail], randomBytes(48), []),
    undefined
  );
  const server = createServer();
  const port = await openPort(t, server);
  const come = async (): Promise<[client: Socket, accepted: Socket]> => {
    const client = connect(port, '127.0.0.1').on('error', () => {});
    const [accepted] = (await once(server, 'connection')) as [Socket];
    return [client, accepted];
  };

  const [, old] = await come();
  const [client, accepted] = await come();
  Object.defineProperty(old, 'remotePort', { value: accepted.remotePort });
  const outcomes: string[] = [];
  const begun = Promise.withResolvers<void>();
  acceptor.accept(old, { begin: () => {}, failed: () => outcomes.push('old failed') });
  acceptor.accept(accepted, {
    begin: (socket) => {
      outcomes.push('begun');
      socket.destroy();
      begun.resolve();
    },
    failed: () => {
      outcomes.push('failed');
      begun.resolve();
    }
  });
  old.destroy();
  await once(old, 'close');
  connectTls({ socket: client, rejectUnauthorized: false }).on('error', () => {});
  await begun.promise;
  t.strictSame(outcomes, ['old failed', 'begun']);
});
