// How servers hear who the client is: the PROXY header before everything else, and XCLIENT.

import t, { type Test } from 'tap';
import type { TcpSettings } from '../../src/config/model.ts';
import { readProxyHeader } from '../../src/net/proxy-header.ts';
import { relays } from '../fixture/configuration.ts';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';

interface Scene {
  readonly site: Site;
  readonly first: PeerServer;
  readonly second: PeerServer;
}

/** A service with two servers, the first one first. */
async function scene(t: Test, tcp: Partial<TcpSettings>): Promise<Scene> {
  const [first, second] = [await listenPeer(t), await listenPeer(t)];
  const service = { schedule: 'fixed' as const, ...relays(tcp) };
  return {
    site: await openSite(t, { servers: [first.port, second.port], service }),
    first,
    second
  };
}

t.test('the PROXY header comes first', async (t) => {
  for (const proxyProtocol of ['v1', 'v2'] as const) {
    for (const protocol of ['imap', 'none'] as const) {
      const { site, first } = await scene(t, { protocol, proxyProtocol });
      const client = await site.client();
      if (protocol === 'none') client.send('hello');
      const { localPort } = client.socket;
      const server = await first.next();
      const header =
        proxyProtocol === 'v1' ? Buffer.from(await server.until('\r\n')) : await server.take(28);
      t.strictSame(readProxyHeader(header), {
        length: header.length,
        client: { address: '127.0.0.1', port: localPort }
      });
      if (proxyProtocol === 'v2') t.equal(header.readUInt16BE(26), site.port, 'where it went to');
      else t.match(header.toString(), new RegExp(` ${site.port}\r\n$`));
      if (protocol === 'none') t.equal((await server.take(5)).toString(), 'hello');
      server.send('* OK ready\r\n');
      t.equal(await client.until('\r\n'), '* OK ready\r\n');
    }
  }
});

const xclient = { protocol: 'smtp', xclient: true, clearLogin: true } as const;
const offer =
  '250-mx1\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR PROTO HELO PORT LOGIN\r\n250 DSN\r\n';

/** The server has greeted and offered; gives what it was told then. */
async function introduced(server: Peer, greeting = '220 mx1 ESMTP\r\n'): Promise<string> {
  server.send(greeting);
  const hello = await server.until('\r\n');
  t.equal(hello, 'EHLO [127.0.0.1]\r\n');
  server.send(offer);
  return server.until('\r\n');
}

t.test('XCLIENT, and the greeting for the client', async (t) => {
  const { site, first } = await scene(t, xclient);
  const client = await site.client();
  const server = await first.next();
  const said = await introduced(server, '220-mx1 knows\r\n220 Ballast\r\n');
  const { localPort } = client.socket;
  t.equal(said, `XCLIENT ADDR=127.0.0.1 PORT=${localPort} NAME=[UNAVAILABLE]\r\n`);
  t.equal(client.received.length, 0, 'nothing yet');
  server.send('220-mx1\r\n220 knows you\r\n');
  t.equal(await client.until('you\r\n'), '220-mx1\r\n220 knows you\r\n');
  client.send('EHLO client.test\r\n');
  t.equal(await server.until('\r\n'), 'EHLO client.test\r\n');
  server.send(offer);
  t.equal(await client.until('250 DSN\r\n'), '250-mx1\r\n250-PIPELINING\r\n250 DSN\r\n');
  for (const forbidden of ['XCLIENT ADDR=192.0.2.1', 'xforward NAME=spike']) {
    client.send(`${forbidden}\r\n`);
    t.match(await client.until('\r\n'), /^502 /);
  }
  client.send('MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n');
  await server.until('DATA\r\n');
  server.send('250 ok\r\n250 ok\r\n354 go\r\n');
  await client.until('354 go\r\n');
  client.send('XCLIENT ADDR=192.0.2.1\r\n.\r\n');
  t.equal(await server.until('.\r\n'), 'XCLIENT ADDR=192.0.2.1\r\n.\r\n', 'in a mail it is text');
  server.send('250 taken\r\n');
  await client.until('250 taken\r\n');
  client.send('XCLIENT ADDR=192.0.2.1\r\nQUIT\r\n');
  t.match(await client.until('\r\n'), /^502 /, 'to the end of the session');
  t.equal(await server.until('\r\n'), 'QUIT\r\n', 'the server has heard none of it');
  t.strictSame(site.lines, []);
});

t.test('a client that begins like TLS is read all the same', async (t) => {
  const { site, first } = await scene(t, xclient);
  const client = await site.client();
  client.send('\x16\x03\r\nXCLIENT ADDR=192.0.2.1\r\nNOOP\r\n');
  const server = await first.next();
  await introduced(server);
  server.send('220 mx1 knows you\r\n');
  await client.until('knows you\r\n');
  t.match(await client.until('\r\n'), /^500 /);
  t.match(await client.until('\r\n'), /^502 /);
  t.equal(await server.until('\r\n'), 'NOOP\r\n');
});

t.test('at every split point', async (t) => {
  const { site, first } = await scene(t, xclient);
  const whole = '220-a\r\n220 b\r\n';
  for (let cut = 1; cut < whole.length; cut++) {
    const client = await site.client();
    const server = await first.next();
    server.send(whole.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    server.send(whole.slice(cut));
    t.match(await server.until('\r\n'), /^EHLO /);
    const at = cut * 5;
    server.send(offer.slice(0, at));
    await new Promise((resolve) => setImmediate(resolve));
    server.send(offer.slice(at));
    t.match(await server.until('\r\n'), /^XCLIENT ADDR=127/);
    server.send(whole.slice(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    server.send(whole.slice(cut));
    t.equal(await client.until('b\r\n'), whole);
    client.socket.destroy();
  }
});

t.test('only what the server takes', async (t) => {
  const { site, first } = await scene(t, xclient);
  await site.client();
  const server = await first.next();
  server.send('220 mx1\r\n');
  await server.until('\r\n');
  server.send('250-mx1\r\n250 xclient addr\r\n');
  t.equal(await server.until('\r\n'), 'XCLIENT ADDR=127.0.0.1\r\n');
});

t.test('a server that does not offer it', async (t) => {
  const { site, first } = await scene(t, xclient);
  const answers = ['250 mx1\r\n', '250-mx1\r\n250 XCLIENT NAME\r\n', '502 what?\r\n'];
  for (const answer of answers) {
    const client = await site.client();
    const server = await first.next();
    server.send('220 mx1 ESMTP\r\n');
    await server.until('\r\n');
    server.send(answer);
    t.equal(await client.until('\r\n'), '220 mx1 ESMTP\r\n');
    client.send('XCLIENT ADDR=192.0.2.1\r\nNOOP\r\n');
    t.match(await client.until('\r\n'), /^502 /);
    t.equal(await server.until('\r\n'), 'NOOP\r\n');
  }
  t.match(site.lines, [{ virtualService: 'site', server: 'ex1' }], 'is named once');
});

t.test('a server that does not want the client', async (t) => {
  const { site, first, second } = await scene(t, xclient);
  for (const words of ['554 5.7.1 Client host rejected', '450-4.7.1 Not\r\n450 4.7.1 now']) {
    const client = await site.client();
    const server = await first.next();
    await introduced(server);
    server.send(`${words}\r\n`);
    t.equal(await client.rest(), `${words}\r\n`, 'says so to the client, and no more');
    client.socket.end();
  }
  t.equal(second.accepted.length, 0, 'no other one is asked');
  await site.empty();
  const closed = { closed: 'greeting-refused', fault: 'server' };
  t.match(site.lines, [closed, closed]);
  t.match(site.lines[0]?.['reason'], /said "5.7.1 Client host rejected" to XCLIENT/);
  t.strictSame(site.suspects, []);
});

t.test('a server that cannot is passed over', async (t) => {
  const cases: readonly (readonly [string, (server: Peer) => Promise<void>])[] = [
    ['421 to EHLO', async (server) => server.send('421 no more\r\n')],
    ['gone', async (server) => void server.socket.destroy()],
    ['two answers', async (server) => server.send(`${offer}220 x\r\n`)],
    ['no SMTP', async (server) => server.send('hello\r\n')],
    ...['421 no more', '501 bad', '503 now', '354 go'].map(
      (words) =>
        [
          words,
          async (server: Peer) => {
            server.send(offer);
            await server.until('\r\n');
            server.send(`${words}\r\n`);
          }
        ] as const
    )
  ];
  for (const [what, answer] of cases) {
    const { site, first, second } = await scene(t, xclient);
    const client = await site.client();
    const server = await first.next();
    server.send('220 mx1\r\n');
    await server.until('\r\n');
    await answer(server);
    const other = await second.next();
    await introduced(other);
    other.send('220 mx2\r\n');
    t.equal(await client.until('\r\n'), '220 mx2\r\n', what);
    t.strictSame(site.suspects, ['ex1']);
  }
});

t.test('a client that goes meanwhile', async (t) => {
  const { site, first, second } = await scene(t, xclient);
  const client = await site.client();
  const server = await first.next();
  server.send('220 mx1\r\n');
  await server.until('\r\n');
  client.socket.destroy();
  await server.ended();
  await site.empty();
  t.match(site.lines, [{ closed: 'client-closed' }]);
  t.equal(second.accepted.length, 0);
});
