// Re-encrypted: TLS with a server is resumed from one client's connection to the next.

import { TLSSocket } from 'node:tls';
import t from 'tap';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { listenPeer } from '../fixture/peer.ts';
import { openSite } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const { chainPem, keyPem } = await selfSignedCertificate('mail', ['127.0.0.1']);
const blind = { serverName: undefined, passServerName: false, verify: false, caPem: undefined };
const verified = { ...blind, verify: true, caPem: chainPem };

t.test('a server is met again, until a reload says how to know it', async (t) => {
  const origin = await listenPeer(t, { cert: chainPem, key: keyPem });
  const servers = [origin.port];
  const site = await openSite(t, { servers, service: { reencrypt: blind } });

  /** Whether the server saw a session that it knows. */
  async function visit(): Promise<boolean> {
    const client = await site.client();
    client.send(get);
    const server = await origin.next();
    t.equal(await server.until('\r\n\r\n'), get);
    server.send(ok);
    t.equal((await client.message()).body, 'ok');
    client.socket.destroy();
    if (!(server.socket instanceof TLSSocket)) throw new Error('not by TLS');
    return server.socket.isSessionReused();
  }

  t.same([await visit(), await visit(), await visit()], [false, true, true]);
  site.reload({ servers, service: { reencrypt: verified } });
  t.same([await visit(), await visit()], [false, true], 'verified, and then met again');
});

t.test('a connection that is open is not known by the rules of before', async (t) => {
  const origin = await listenPeer(t, { cert: chainPem, key: keyPem });
  const servers = [origin.port];
  const other = {
    ...verified,
    caPem: (await selfSignedCertificate('mail', ['127.0.0.1'])).chainPem
  };
  const site = await openSite(t, { servers, service: { reencrypt: blind } });
  const client = await site.client();
  const ask = async (): Promise<string> => {
    client.send(get);
    const server = await origin.next();
    await server.until('\r\n\r\n');
    server.send(ok);
    return (await client.message()).body;
  };
  t.equal(await ask(), 'ok');
  site.reload({ servers, service: { reencrypt: { ...blind } } });
  const kept = site.session().servers.current;
  t.not(kept, undefined);
  site.reload({ servers, service: { reencrypt: verified } });
  t.equal(await ask(), 'ok', 'anew, and verified');
  t.not(site.session().servers.current, kept);
  site.reload({ servers, service: { reencrypt: other } });
  client.send(get);
  t.match((await client.message()).head, /^HTTP\/1.1 502 /);
});
