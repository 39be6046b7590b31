// Servers that are silent, ill in one service, cut off within an answer, or all gone.

import t from 'tap';
import { freePorts, startBallast } from '../fixture/ballast.ts';
import {
  basic,
  dialPlain,
  endBallast,
  listenSilently,
  ownAddress,
  serviceOf,
  startSite,
  statusWhen
} from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(60_000);

const host = 'Host: mail.example.com\r\n';

function get(client: Peer, path: string): ReturnType<Peer['message']> {
  client.send(`GET ${path} HTTP/1.1\r\n${host}${basic.alice}\r\n`);
  return client.message();
}

function requestId(head: string): string {
  return /\r\nX-Request-Id: (\S+)\r\n/.exec(head)?.[1] ?? 'none';
}

t.test('a server that accepts and never answers', async (t) => {
  const hole = ownAddress(7);
  const [holePort = 0, port = 0, securePort = 0, admin = 0] = await freePorts(4);
  await listenSilently(t, hole, holePort);
  const ballast = await startBallast(`
global: { workers: 1 }
admin: { port: ${admin} }
virtualServices:
  - { name: plain, address: 127.0.0.1, port: ${port}, vsType: http, checkType: tcp, idleTime: 1,
      realServers: ['${hole}:${holePort}'] }
  - { name: secure, address: 127.0.0.1, port: ${securePort}, vsType: http, checkType: tcp,
      sslAcceleration: true, sslReencrypt: true, realServers: ['${hole}:${holePort}'] }
`);
  t.teardown(() => endBallast(ballast));
  t.equal(serviceOf(await statusWhen(admin, () => true), 'plain').status, 'Up', 'its port is open');

  const begin = performance.now();
  const { head } = await get(await dialPlain(t, port), '/owa/');
  const tookMs = performance.now() - begin;
  t.match(head, /^HTTP\/1\.1 504 /, 'the service gives up, not the client');
  t.ok(tookMs > 990 && tookMs < 4000, `after its idle time (${Math.round(tookMs)} ms)`);
  const line = await ballast.waitFor((one) => one['id'] === requestId(head));
  t.match(line, { msg: 'request', status: 504, closed: 'server-timeout', service: 'plain' });
});

t.test('a server whose TLS is silent is passed over', async (t) => {
  const site = await startSite(t, { servers: 1, workers: 1 });
  const hole = ownAddress(7);
  await listenSilently(t, hole, site.serverPort);
  const both = site.yaml
    .replace('    realServers:\n', `    realServers:\n      - ${hole}:${site.serverPort}\n`)
    .replace('name: Mail\n', 'name: Mail\n    checkType: tcp\n    schedule: rr\n');
  t.equal((await site.ballast.reload(both)).msg, 'reloaded');
  for (const path of ['/owa/1', '/owa/2']) {
    const { head } = await get(await site.client(), path);
    t.match(head, /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX01\r\n/, path);
  }
  const lines = await Promise.all(
    ['/owa/1', '/owa/2'].map((path) => site.ballast.waitFor((line) => line['path'] === path))
  );
  const waits = lines.map((line) => Number(line['connectMs'])).toSorted((a, b) => a - b);
  t.ok(
    (waits[1] ?? 0) > 3900,
    `one of them waited for the silent server: ${waits.join(' and ')} ms`
  );
  t.ok((waits[0] ?? 0) < 2000, 'the other one did not');
});

t.test('what is ill in one service', async (t) => {
  const site = await startSite(t);
  const [first, second] = site.servers;

  await t.test('takes only that one down, and says what came back', async (t) => {
    first?.setComponent('owa', false, '503');
    const status = await statusWhen(site.admin, (now) =>
      serviceOf(now, 'Mail', 'OWA').realServers.some((server) => server.status === 'Down')
    );
    const [bad, good] = serviceOf(status, 'Mail', 'OWA').realServers;
    t.match(bad, { name: 'EX01', status: 'Down' });
    t.match(bad?.reason, /sent "GET \/owa\/healthcheck\.htm HTTP\/1\.[01]" to https:\/\/127/);
    t.match(bad?.reason, /got "HTTP\/1\.1 503 Service Unavailable", body "Inactive"/);
    t.match(good, { name: 'EX02', status: 'Up' });
    const others = serviceOf(status, 'Mail').subVSs.filter(({ name }) => name !== 'OWA');
    t.equal(others.length, 8);
    for (const { name, realServers } of others) {
      t.ok(
        realServers.every((server) => server.status === 'Up'),
        `${name} is up on both`
      );
    }
    for (let n = 0; n < 4; n++) {
      t.match((await get(await site.client(), '/owa/')).head, /\r\nX-FEServer: EX02\r\n/);
    }
  });

  await t.test('on every server: 503 for it, and the others go on', async (t) => {
    second?.setComponent('owa', false);
    await statusWhen(site.admin, (now) => serviceOf(now, 'Mail', 'OWA').status === 'Down');
    const client = await site.client();
    const { head } = await get(client, '/owa/');
    t.match(head, /^HTTP\/1\.1 503 /);
    const line = await site.ballast.waitFor((one) => one['id'] === requestId(head));
    t.match(line, { status: 503, closed: 'no-server', service: 'OWA', path: '/owa/' });
    t.match((await get(client, '/ews/')).head, /^HTTP\/1\.1 200 /, 'on the same connection');
    t.equal((await fetch(`http://127.0.0.1:${site.admin}/ready`)).status, 200);
    first?.setComponent('owa', true);
    await statusWhen(site.admin, (now) => serviceOf(now, 'Mail', 'OWA').status === 'Up');
    t.match((await get(client, '/owa/')).head, /^HTTP\/1\.1 200 [^]*\r\nX-FEServer: EX01\r\n/);
  });

  await t.test('cut off within an answer: never taken for complete', async (t) => {
    const client = await site.client();
    client.send(`GET /owa/download?bytes=50000000&chunked HTTP/1.1\r\n${host}${basic.alice}\r\n`);
    t.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 200 /);
    client.socket.pause();
    await first?.kill();
    client.socket.resume();
    const rest = await client.rest();
    t.ok(rest.length < 50_000_000, `only ${rest.length} bytes came`);
    t.not(rest.slice(-5), '0\r\n\r\n', 'and no last chunk');
    const line = await site.ballast.waitFor((one) => one['closed'] === 'truncated-answer');
    t.match(line, { status: 200, server: 'EX01' });
  });
});

t.test('all servers gone', async (t) => {
  const site = await startSite(t);
  await Promise.all(site.servers.map((server) => server.kill()));
  const status = await statusWhen(site.admin, (now) =>
    serviceOf(now, 'Mail').subVSs.every((subVS) => subVS.status === 'Down')
  );
  for (const { realServers } of serviceOf(status, 'Mail').subVSs) {
    for (const { name, reason } of realServers) t.match(reason, /connection refused/, name);
  }
  const { head, body } = await get(await site.client(), '/ews/Exchange.asmx');
  t.match(head, /^HTTP\/1\.1 503 /);
  const id = requestId(head);
  t.ok(body.includes(id), 'the page shows the request id');
  const line = await site.ballast.waitFor((one) => one['id'] === id);
  t.match(line, { msg: 'request', status: 503, closed: 'no-server', service: 'EWS' });
  t.match(line['reason'], /EWS/, 'and the log tells why');
  const ready = await fetch(`http://127.0.0.1:${site.admin}/ready`);
  t.equal(ready.status, 503);
});
