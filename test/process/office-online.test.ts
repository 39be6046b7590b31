// The template for Office Online Server: its check, clients that stay with their server, and
// co-editing over WebSockets. Two stand-ins that speak literal bytes, before them the real program.

import { createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { testCertificate } from '../fixture/certificates.ts';
import { freePorts, startBallast } from '../fixture/ballast.ts';
import { dialTls, endBallast, ownAddress, serviceOf } from '../fixture/exchange-site.ts';
import { statusWhen, temporaryFolder } from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(60_000);

interface Stand {
  /** Heads of the requests that came. */
  readonly heads: string[];
}

/** It knows /hosting/discovery, says its name, and echoes behind an upgrade. */
async function startOfficeOnline(
  t: Test,
  name: string,
  at: { readonly host: string; readonly port: number },
  tls: { readonly cert: string; readonly key: string }
): Promise<Stand> {
  const heads: string[] = [];
  const answer = (body: string): string =>
    `HTTP/1.1 200 OK\r\nX-Server: ${name}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const server = createServer(tls, (socket: TLSSocket) => {
    let head = '';
    let upgraded = false;
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (upgraded) return void socket.write(bytes);
      head += bytes.toString('latin1');
      if (!head.endsWith('\r\n\r\n')) return;
      heads.push(head);
      upgraded = /\r\nUpgrade: websocket\r\n/i.test(head);
      socket.write(
        upgraded
          ? `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Server: ${name}\r\n\r\n`
          : answer(head.startsWith('GET /hosting/discovery ') ? '<wopi-discovery/>' : name)
      );
      head = '';
    });
  });
  t.teardown(() => server.close());
  await once(server.listen(at.port, at.host), 'listening');
  return { heads };
}

async function serverOf(client: Peer, fields = ''): Promise<string> {
  client.send(`GET /we/wordeditorframe.aspx HTTP/1.1\r\nHost: office.example.com\r\n${fields}\r\n`);
  const { head } = fields === '' ? await client.message() : await client.message('bodyless');
  return /\r\nX-Server: (\S+)/.exec(head)?.[1] ?? head;
}

t.test('Office Online Server by its template', async (t) => {
  const { cert, key, pem } = await testCertificate('office.example.com');
  const [https = 0, admin = 0, port = 0] = await freePorts(3);
  const hosts = [ownAddress(0), ownAddress(1)];
  const stands = await Promise.all(
    hosts.map((host, n) => startOfficeOnline(t, `OOS${n + 1}`, { host, port }, { cert, key }))
  );
  const certificate = join(temporaryFolder(t), 'office.pem');
  writeFileSync(certificate, pem);
  const ballast = await startBallast(`
global: { workers: 4 }
admin: { port: ${admin} }
certificates: [{ name: office, file: ${certificate} }]
virtualServices:
  - template: Exchange 2016 Office Online Server
    name: Office
    address: 127.0.0.1
    port: ${https}
    certificates: [office]
    checkPort: ${port}
    realServers: [${hosts.map((host) => `'${host}:${port}'`).join(', ')}]
`);
  t.teardown(() => endBallast(ballast));
  await statusWhen(admin, (now) =>
    serviceOf(now, 'Office').realServers.every(({ status }) => status === 'Up')
  );
  for (const { heads } of stands) {
    t.match(heads[0], /^GET \/hosting\/discovery HTTP\/1\.1\r\n/, 'the check of the guide');
  }

  const first = await dialTls(t, https);
  const home = await serverOf(first);
  t.match(home, /^OOS[12]$/);
  for (let n = 0; n < 8; n++) {
    const client = await dialTls(t, https);
    t.equal(await serverOf(client), home, 'whichever worker serves, he comes back');
  }
  const editors = await Promise.all([dialTls(t, https), dialTls(t, https)]);
  const wants = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  for (const editor of editors)
    t.equal(await serverOf(editor, wants), home, 'to the same document');
  const frame = Buffer.from('\x82\x7e\xff\xff' + 'edit'.repeat(16_383), 'latin1');
  for (const editor of editors) {
    editor.send(frame);
    t.ok((await editor.take(frame.length)).equals(frame), 'through the tunnel and back');
  }
  editors[0].socket.end();
  t.equal(await editors[0].ended(), 'end');
  editors[1].send('still');
  t.equal((await editors[1].take(5)).toString(), 'still');
});
