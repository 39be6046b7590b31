// Sessions that are relayed as bytes: the server is found before the client notices, both directions
// go on until both have ended, and who must be turned away is told so.

import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { relays, type SmallSettings } from '../fixture/configuration.ts';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';
import { testCertificate } from '../fixture/certificates.ts';

const imap = relays({ protocol: 'imap' });
const greeting = '* OK ready\r\n';

/** A service with two servers, the first one first. */
async function scene(
  t: Test,
  service: SmallSettings['service'],
  tls?: Parameters<typeof openSite>[1]['tls']
): Promise<{ site: Site; first: PeerServer; second: PeerServer }> {
  const first = await listenPeer(t);
  const second = await listenPeer(t);
  const site = await openSite(t, {
    servers: [first.port, second.port],
    service: { schedule: 'fixed', ...service },
    ...(tls !== undefined && { tls })
  });
  return { site, first, second };
}

/** A client that has been greeted, and what its server sees of it. */
async function greeted(site: Site, server: PeerServer): Promise<{ client: Peer; peer: Peer }> {
  const client = await site.client();
  const peer = await server.next();
  peer.send(greeting);
  t.equal(await client.until('\r\n'), greeting);
  return { client, peer };
}

t.test('a server that speaks first is dialled before the client says anything', async (t) => {
  const { site, first } = await scene(t, relays());
  const client = await site.client();
  const peer = await first.next();
  peer.send('hello');
  t.equal((await client.take(5)).toString(), 'hello');
});

t.test('a server that waits for the client is dialled with its first byte', async (t) => {
  const { site, first } = await scene(t, relays({ protocol: 'none' }));
  const silent = await site.client();
  const client = await site.client();
  client.send('x');
  const peer = await first.next();
  t.equal((await peer.take(1)).toString(), 'x');
  t.equal(first.accepted.length, 1, 'who said nothing has no server');
  silent.socket.end();
  t.equal(await silent.ended(), 'end');
});

t.test('both directions, half-close, and the line in the log', async (t) => {
  const { site, first } = await scene(t, imap);
  const { client, peer } = await greeted(site, first);
  client.send('a LOGOUT\r\n');
  client.socket.end();
  t.equal(await peer.until('\r\n'), 'a LOGOUT\r\n');
  t.equal(await peer.ended(), 'end', 'the client has ended its side');
  peer.send('* BYE\r\na OK\r\n');
  t.equal(await client.until('a OK\r\n'), '* BYE\r\na OK\r\n', 'and still hears');
  peer.socket.end();
  t.equal(await client.ended(), 'end');
  await site.empty();
  t.match(site.lines, [
    {
      client: '127.0.0.1',
      virtualService: 'site',
      server: 'ex1',
      bytesToServer: 10,
      bytesToClient: 25,
      closed: 'client-ended'
    }
  ]);
  t.equal(site.server('ex1').active, 0);
});

t.test('a slow reader stops the writer, and nothing is lost', async (t) => {
  const { site, first } = await scene(t, relays());
  const client = await site.client();
  const peer = await first.next();
  const bytes = randomBytes(24 * 1024 * 1024);
  client.socket.pause();
  let accepted = true;
  peer.socket.write(bytes, () => (accepted = false));
  const up = randomBytes(1024 * 1024);
  client.send(up);
  t.same((await peer.take(up.length)).equals(up), true, 'the other direction goes on');
  t.equal(accepted, true, 'not all of it was taken');
  client.socket.resume();
  t.same((await client.take(bytes.length)).equals(bytes), true);
});

t.test('a reset is handed on as a reset', async (t) => {
  const { site, first } = await scene(t, imap);
  const one = await greeted(site, first);
  one.peer.socket.resetAndDestroy();
  t.equal(await one.client.ended(), 'reset');
  const two = await greeted(site, first);
  two.client.socket.resetAndDestroy();
  t.equal(await two.peer.ended(), 'reset');
  await site.empty();
  t.match(site.lines, [{ closed: 'server-closed' }, { closed: 'client-closed' }]);
});

const refusals = {
  'a refused dial': (_peer: Peer | undefined, server: PeerServer) => server.stop(),
  'a refusal': (peer: Peer | undefined) => peer?.send('* BYE not now\r\n'),
  'an end without a word': (peer: Peer | undefined) => peer?.socket.end(),
  'a reset': (peer: Peer | undefined) => peer?.socket.resetAndDestroy(),
  'another protocol': (peer: Peer | undefined) => peer?.send('HTTP/1.1 400 Bad Request\r\n'),
  'too much': (peer: Peer | undefined) => peer?.send(`* OK ${'x'.repeat(10_000)}`)
};
for (const [name, refuse] of Object.entries(refusals)) {
  t.test(`the next server is taken after ${name}`, async (t) => {
    const { site, first, second } = await scene(t, imap);
    if (name === 'a refused dial') refuse(undefined, first);
    const client = await site.client();
    client.send('a NOOP\r\n'); // an impatient client is not sent to a server that refuses
    if (name !== 'a refused dial') refuse(await first.next(), first);
    const peer = await second.next();
    peer.send(greeting);
    t.equal(await client.until('\r\n'), greeting);
    t.equal(await peer.until('\r\n'), 'a NOOP\r\n');
    t.strictSame(site.suspects, ['ex1']);
    t.equal(site.server('ex1').active, 0);
    t.equal(first.accepted[0]?.received.length ?? 0, 0, 'the first server heard nothing');
  });
}

t.test('when none is left the client is told', async (t) => {
  const { site, first, second } = await scene(t, imap);
  const client = await site.client();
  (await first.next()).send('* BYE no\r\n');
  (await second.next()).send('* BYE no\r\n');
  t.match(await client.rest(), /^\* BYE [ -~]*no server [ -~]*\(test-0\)[ -~]*\r\n$/);
  site.sweepAfter(5000); // who does not hang up is hung up on
  await site.empty();
  t.match(site.lines, [{ id: 'test-0', closed: 'greeting-refused', reason: /BYE no/ }]);
  site.setHealth('ex1', { state: 'down', reason: 'test' });
  site.setHealth('ex2', { state: 'down', reason: 'test' });
  t.match(await (await site.client()).rest(), /^\* BYE/);
});

t.test('TLS through to the server: nothing is judged, nothing is said', async (t) => {
  const { site, first, second } = await scene(t, imap);
  const client = await site.client();
  const hello = Buffer.from('160301', 'hex');
  client.send(hello);
  const peer = await first.next();
  t.same(await peer.take(3), hello, 'no greeting is waited for');
  peer.send('* BYE this is no greeting');
  t.equal((await client.take(25)).toString(), '* BYE this is no greeting');
  first.stop();
  second.stop();
  const unlucky = await site.client();
  unlucky.send(hello);
  t.equal(Buffer.from(await unlucky.rest(), 'latin1').toString('hex'), '15030300020250');
});

t.test('TLS through to the server by its STARTTLS: nothing is said from then on', async (t) => {
  const { site, first } = await scene(t, imap);
  const { client, peer } = await greeted(site, first);
  client.send('a STARTTLS\r\n');
  await peer.until('\r\n');
  peer.send('a OK\r\n');
  await client.until('\r\n');
  client.send('\x16\x03\x01\0\x01\n');
  await peer.take(6);
  peer.send('\x17\x03\x03\0\x01\n');
  await client.take(6);
  for (const session of site.traffic.sessions) session.destroy();
  t.equal(await client.rest(), '');
});

t.test('an idle session ends with a word where the protocol has one', async (t) => {
  const { site, first } = await scene(t, { ...imap, idleTimeMs: 60_000 });
  const { client, peer } = await greeted(site, first);
  site.sweepAfter(59_000);
  peer.send('* 1 EXISTS\r\n');
  await client.until('\r\n');
  site.sweepAfter(61_000);
  t.match(await client.rest(), /^\* BYE/);
  t.equal(await peer.ended(), 'end');
  const other = await greeted(site, first);
  other.peer.send('* 2 EX');
  await other.client.take(6);
  site.sweepAfter(61_000);
  t.equal(await other.client.rest(), '', 'in the midst of a line there is nothing to say');
  await site.empty();
  t.match(site.lines, [{ closed: 'idle' }, { closed: 'idle' }]);
});

t.test('while Ballast goes down, who waits for the client is let go', async (t) => {
  const { site, first } = await scene(t, imap);
  const idle = await greeted(site, first);
  const busy = await greeted(site, first);
  busy.client.send('a FETCH\r\n');
  await busy.peer.until('\r\n');
  for (const session of site.traffic.sessions) session.drain();
  site.sweepAfter(5000);
  t.match(await idle.client.rest(), /^\* BYE/);
  t.equal(busy.client.ending, undefined, 'an answer is owed');
  busy.peer.send('a OK\r\n');
  await busy.client.until('\r\n');
  site.sweepAfter(5000);
  t.match(await busy.client.rest(), /^\* BYE/);
});

t.test('while Ballast goes down, TLS that passes through is let go as well', async (t) => {
  const { site, first } = await scene(t, imap);
  const client = await site.client();
  client.send(Buffer.from('160301', 'hex'));
  const peer = await first.next();
  await peer.take(3);
  for (const session of site.traffic.sessions) session.drain();
  site.sweepAfter(5000);
  peer.send('answer');
  t.equal((await client.take(6)).toString(), 'answer', 'one was owed');
  site.sweepAfter(5000);
  t.equal(await client.rest(), '');
});

t.test('who has ended his side is not waited for as long as others', async (t) => {
  const { site, first } = await scene(t, { ...imap, idleTimeMs: 3_600_000 });
  const one = await greeted(site, first);
  one.client.socket.end();
  t.equal(await one.peer.ended(), 'end');
  site.sweepAfter(500_000);
  one.peer.send('* 1 EXISTS\r\n');
  await one.client.until('\r\n');
  site.sweepAfter(700_000);
  await one.client.ended();
  await site.empty();
});

t.test('a server that is taken out keeps its sessions for the drain time', async (t) => {
  const { site, first, second } = await scene(t, imap);
  const { client, peer } = await greeted(site, first);
  const servers = [{ port: first.port, enable: false }, second.port];
  site.reload({ servers, service: { schedule: 'fixed', ...imap } });
  site.server('ex1').dismiss();
  await greeted(site, second);
  client.send('a NOOP\r\n');
  t.equal(await peer.until('\r\n'), 'a NOOP\r\n');
  site.server('ex1').drained = true;
  site.server('ex1').dismiss();
  t.match(await client.rest(), /^\* BYE/);
});

t.test('a session that is cut can tell', async (t) => {
  const { site, first } = await scene(t, imap);
  const idle = await greeted(site, first);
  const busy = await greeted(site, first);
  busy.client.send('a FETCH 1 ALL\r\n');
  await busy.peer.until('\r\n');
  busy.peer.send('* 1 FETCH (');
  await busy.client.until('(');
  for (const session of site.traffic.sessions) session.destroy();
  t.match(await idle.client.rest(), /^\* BYE \[UNAVAILABLE\] going down.*\r\n$/);
  t.equal(await busy.client.ended(), 'reset', 'in the midst of a line without a word');
  await site.empty();
});

t.test('a client is known by its address', async (t) => {
  const persistence = {
    mode: 'src',
    timeoutMs: 60_000,
    refresh: false,
    name: '',
    maskBits: 32,
    maskBits6: 128
  } as const;
  const { site, first, second } = await scene(t, { ...imap, persistence });
  await greeted(site, first);
  site.setHealth('ex1', { state: 'down', reason: 'test' });
  await greeted(site, second);
  site.setHealth('ex1', { state: 'up', sinceMs: 0 });
  await greeted(site, second);
  t.equal(first.accepted.length, 1, 'although the scheduler would take the first');
});

t.test('TLS ends here', async (t) => {
  const tls = await testCertificate();
  const { site, first } = await scene(t, imap, tls);
  const { client, peer } = await greeted(site, first);
  client.send('a NOOP\r\n');
  t.equal(await peer.until('\r\n'), 'a NOOP\r\n');
  peer.socket.end();
  t.equal(await client.ended(), 'end');
  client.socket.end();
  await site.empty();
  t.match(site.lines, [{ tls: 'TLSv1.3', closed: 'server-ended' }]);
});
