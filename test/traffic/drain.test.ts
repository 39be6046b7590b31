// What a session does with a connection whose server drains, and with the sorry server.

import t, { type Test } from 'tap';
import { configuration } from '../fixture/configuration.ts';
import { listenPeer, type Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const ntlm = 'GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM TlRM\r\n\r\n';
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

interface Scene {
  readonly site: Site;
  readonly client: Peer;
  /** The client's connection as the server that drains sees it. */
  readonly server: Peer;
  readonly other: PeerServer;
}

/** A client whose request the first of two servers has. */
async function scene(t: Test, request: string): Promise<Scene> {
  const origins = [await listenPeer(t), await listenPeer(t)] as const;
  const ports = origins.map(({ port }) => port);
  const fixed = { schedule: 'fixed' } as const;
  const site = await openSite(t, { servers: ports, service: fixed });
  const client = await site.client();
  client.send(request);
  const server = await origins[0].next();
  await server.until('\r\n\r\n');
  const [first = 0, second = 0] = ports;
  site.reload({ servers: [{ port: first, enable: false }, second], service: fixed });
  return { site, client, server, other: origins[1] };
}

/** As a worker does: at once, and again when the drain time is over. */
function dismiss({ site }: Scene, when: 'at once' | 'at the end'): void {
  const server = site.server('ex1');
  server.drained = when === 'at the end';
  server.dismiss();
}

t.test('an answer under way is finished, then the client is served elsewhere', async (t) => {
  const it = await scene(t, get);
  dismiss(it, 'at once');
  it.server.send(ok);
  const first = await it.client.message();
  t.notMatch(first.head, /Connection/, 'the client need not know');
  t.equal(await it.server.ended(), 'end', 'what is not needed any more is let go');
  t.equal(it.site.server('ex1').active, 0);
  it.client.send(get);
  const next = await it.other.next();
  await next.until('\r\n\r\n');
  next.send(ok);
  await it.client.message();
});

t.test('an idle connection is let go at once, the client stays', async (t) => {
  const it = await scene(t, get);
  it.server.send(ok);
  await it.client.message();
  dismiss(it, 'at once');
  await it.server.ended();
  it.client.send(get);
  const next = await it.other.next();
  await next.until('\r\n\r\n');
  next.send(ok);
  await it.client.message();
  t.equal(it.client.ending, undefined);
});

t.test('who is signed in stays until the end, then his client learns it', async (t) => {
  const it = await scene(t, ntlm);
  dismiss(it, 'at once');
  it.server.send(ok);
  await it.client.message();
  it.client.send(get);
  await it.server.until('\r\n\r\n');
  dismiss(it, 'at the end');
  it.server.send(ok);
  const last = await it.client.message();
  t.match(last.head, /^Connection: close\r$/m, 'with the present answer');
  t.equal(await it.client.ended(), 'end');
  await it.server.ended();
  t.equal(it.site.server('ex1').active, 0);
});

t.test('who is signed in and idle is ended at the end', async (t) => {
  const it = await scene(t, ntlm);
  it.server.send(ok);
  await it.client.message();
  dismiss(it, 'at the end');
  t.equal(await it.client.ended(), 'end');
  await it.server.ended();
});

t.test('a tunnel goes on until it is cut', async (t) => {
  const it = await scene(t, upgrade);
  it.server.send(switching);
  await it.client.until('\r\n\r\n');
  dismiss(it, 'at once');
  dismiss(it, 'at the end');
  it.client.send('question');
  t.equal((await it.server.take(8)).toString(), 'question');
  it.server.send('answer');
  t.equal((await it.client.take(6)).toString(), 'answer');
  it.site.server('ex1').cutConnections();
  await Promise.all([it.client.ended(), it.server.ended()]);
});

t.test('the sorry server, and the answer when it fails as well', async (t) => {
  const refusing = await listenPeer(t);
  const sorry = await listenPeer(t);
  refusing.stop();
  const notAvailable = { code: 503, urlOrText: 'Closed for today' };
  const [like] = configuration({ servers: [sorry.port] }).virtualServices[0]?.realServers ?? [];
  if (like === undefined) throw new Error('no server');
  const standby = { ...like, id: 'site/sorry', name: 'sorry' };
  const site = await openSite(t, { servers: [refusing.port], service: { standby, notAvailable } });
  const client = await site.client();
  client.send(get);
  const server = await sorry.next();
  await server.until('\r\n\r\n');
  server.send(ok);
  t.match((await client.message()).head, /^HTTP\/1\.1 200 /, 'it goes before errorCode');
  t.match(site.lines, [{ server: 'sorry', status: 200 }]);
  t.equal(site.plan.realServers.get('site/sorry')?.active, 1);
  sorry.stop();
  await server.ended();
  site.setHealth('ex1', { state: 'down', reason: 'test' });
  const last = await site.client();
  last.send(get);
  const { head, body } = await last.message();
  t.match(head, /^HTTP\/1\.1 503 /);
  t.match(body, 'Closed for today');
  t.match(site.lines[1], { closed: 'no-server', server: 'sorry' });
});
