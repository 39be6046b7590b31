// Servers that leave and come, and the one that says sorry, with four workers: a reload disables or
// removes a server, enables it again, and all of them fail.

import t, { type Test } from 'tap';
import { startExchange } from '../../src/lab/exchange.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { freePorts } from '../fixture/ballast.ts';
import { basic, ownAddress, readStatus, serviceOf } from '../fixture/exchange-site.ts';
import { startSite, statusWhen } from '../fixture/exchange-site.ts';
import { activeOf, again, hold, holdMany, holdOn, holdSignedIn } from '../fixture/farm.ts';
import { open, serverOf, startFarm, type Farm } from '../fixture/farm.ts';

t.setTimeout(60_000);

const without: Record<string, readonly (string | undefined)[]> = {
  disabled: ['enable: false', '', ''],
  removed: [undefined, '', '']
};

for (const [how, servers] of Object.entries(without)) {
  t.test(`a server is ${how}: who is signed in stays for the drain time`, async (t) => {
    const farm = await startFarm(t, { authenticate: true, global: 'drainTime: 2' });
    const alice = await holdOn('EX01', () => holdSignedIn(t, farm, 'alice'));
    const bob = await holdOn('EX01', () => hold(t, farm));
    const beginMs = performance.now();
    await farm.reload({ servers });
    t.match((await again(alice)).head, /^HTTP\/1\.1 200 [^]*\r\nX-User: CORP\\alice\r\n/);
    t.equal(serverOf((await again(bob, basic.bob)).head).slice(0, 3), 'EX0');
    t.not(serverOf((await again(bob, basic.bob)).head), 'EX01', 'who is not goes elsewhere');
    const more = await holdMany(t, farm, 8);
    t.notOk(
      more.some(({ by }) => by === 'EX01'),
      'nobody new comes'
    );
    t.ok((open(farm)[0] ?? 0) >= 1);
    if (how === 'disabled') {
      const status = await statusWhen(farm.admin, (now) => activeOf(now)[0] === open(farm)[0]);
      t.match(serviceOf(status, 'web').realServers[0], { status: 'Disabled' }, 'and what is left');
    }
    t.equal(serverOf((await again(alice)).head), 'EX01', 'as often as she likes');
    t.equal(await alice.client.ended(), 'end');
    const tookMs = performance.now() - beginMs;
    t.ok(tookMs > 1900 && tookMs < 4500, `her time was ${Math.round(tookMs)} ms`);
    t.equal(serverOf((await again(bob, basic.bob)).head).slice(0, 3), 'EX0', 'the others stay');
    t.equal(open(farm)[0], 0);
  });
}

t.test('without a drain time all is cut at once, also in mid-answer', async (t) => {
  const farm = await startFarm(t, { authenticate: true, global: 'drainTime: 0' });
  const alice = await holdOn('EX01', () => holdSignedIn(t, farm, 'alice'));
  const bob = await holdOn('EX01', () => hold(t, farm));
  bob.client.send(`RPC_OUT_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: x\r\n${basic.bob}`);
  bob.client.send(`Content-Length: 76\r\n\r\n${'x'.repeat(76)}`);
  await bob.client.until('\r\n\r\n');
  await farm.reload({ servers: ['enable: false', '', ''] });
  await Promise.all([alice.client.ended(), bob.client.ended()]);
  t.equal(bob.client.ending, 'reset', 'what was cut does not look complete');
  await emptyOf(farm, 'EX01');
});

t.test('a server that is enabled again in time keeps all', async (t) => {
  const farm = await startFarm(t, { authenticate: true, global: 'drainTime: 1' });
  const alice = await holdOn('EX01', () => holdSignedIn(t, farm, 'alice'));
  await farm.reload({ servers: ['enable: false', '', ''] });
  await farm.reload({ servers: ['', '', ''] });
  const endMs = performance.now() + 2500;
  while (performance.now() < endMs) {
    t.equal(serverOf((await again(alice)).head), 'EX01');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
});

t.test('records for a server that drains are honoured by all workers', async (t) => {
  const service = ['checkType: none', 'persist: src', 'persistTimeout: 300'];
  const farm = await startFarm(t, { global: 'drainTime: 3', service });
  const from = '127.1.2.3';
  const { by } = await hold(t, farm, from);
  const servers = ['EX01', 'EX02', 'EX03'].map((name) => (name === by ? 'enable: false' : ''));
  await farm.reload({ servers });
  const during = await Promise.all(Array.from({ length: 8 }, () => hold(t, farm, from)));
  t.same(new Set(during.map((one) => one.by)), new Set([by]), 'he comes back');
  const strangers = await Promise.all(['127.1.2.4', '127.1.2.5'].map((one) => hold(t, farm, one)));
  t.notOk(
    strangers.some((one) => one.by === by),
    'nobody else does'
  );
  await Promise.all(during.map(({ client }) => again({ client, by, status: 200 })));
  await emptyOf(farm, by);
  const after = await Promise.all(Array.from({ length: 8 }, () => hold(t, farm, from)));
  t.notOk(
    after.some((one) => one.by === by),
    'until its time is over'
  );
  t.equal(new Set(after.map((one) => one.by)).size, 1, 'then he has another one');
});

/** Until this server has no connection any more. */
async function emptyOf(farm: Farm, name: string): Promise<void> {
  await statusWhen(farm.admin, (now) =>
    serviceOf(now, 'web').realServers.some(
      (server) => server.name === name && server.activeConnections === 0
    )
  );
}

t.test('slow start: a server that is enabled is not flooded', async (t) => {
  const off = { servers: ['enable: false', '', ''] };
  for (const [slowStart, least, most] of [
    [600, 0, 4],
    [0, 10, 12]
  ] as const) {
    const farm = await startFarm(t, { ...off, global: `slowStart: ${slowStart}` });
    await holdMany(t, farm, 24);
    t.equal(open(farm)[0], 0);
    await farm.reload({ servers: ['', '', ''] });
    await holdMany(t, farm, 12);
    const got = open(farm)[0] ?? 0;
    t.ok(got >= least && got <= most, `slowStart ${slowStart}: it got ${got} of 12`);
  }
});

t.test('the sorry server, over TLS', async (t) => {
  const { cert, key } = await testCertificate('sorry.example.com');
  const host = ownAddress(9);
  const [port = 0] = await freePorts(1);
  const sorry = await startExchange({
    name: 'sorry.example.com',
    https: { host, port, key, cert },
    authenticate: false
  });
  t.teardown(() => sorry.close());
  const service = `    standbyAddr: ${host}\n    standbyPort: ${port}\n`;
  const site = await startSite(t, { workers: 4, service, exchange: { authenticate: false } });
  const client = await site.client();
  t.match(await ask(client, t), /^EX0[12]$/);
  for (const server of site.servers) await server.kill();
  await statusWhen(site.admin, (now) =>
    serviceOf(now, 'Mail', 'OWA').realServers.every((one) => one.activeConnections === 0)
  );
  t.equal(await ask(client, t), 'SORRY', 'the client stays');
  for (let n = 0; n < 8; n++) t.equal(await ask(await site.client(), t), 'SORRY');
  const status = await statusWhen(site.admin, (now) => serviceOf(now, 'Mail').status === 'Sorry');
  t.match(serviceOf(status, 'Mail', 'OWA'), {
    status: 'Sorry',
    realServers: [{ status: 'Down' }, {}]
  });
  t.match(serviceOf(status, 'Mail'), { sorryServer: { name: `sorry ${host}:${port}` } });
  t.equal((await fetch(`http://127.0.0.1:${site.admin}/ready`)).status, 503, 'no work is done');
  const line = await site.ballast.waitFor((one) => String(one['server']).startsWith('sorry'));
  t.match(line, { server: `sorry ${host}:${port}`, virtualService: 'Mail', service: 'OWA' });

  const { cert: itsCert, key: itsKey } = await testCertificate('mail.example.com');
  const https = {
    host: site.addresses[0] ?? '',
    port: site.serverPort,
    key: itsKey,
    cert: itsCert
  };
  const back = await startExchange({ name: 'ex01.example.com', https, authenticate: false });
  t.teardown(() => back.close());
  await statusWhen(site.admin, (now) => serviceOf(now, 'Mail', 'OWA').status === 'Up');
  t.equal(await ask(client, t), 'EX01', 'and who was there before comes back');
  await back.kill();
  await sorry.kill();
  const last = await site.client();
  last.send('GET /owa/ HTTP/1.1\r\nHost: mail.example.com\r\n\r\n');
  t.match((await last.message()).head, /^HTTP\/1\.1 503 /, 'nobody is left');
  t.equal((await readStatus(site.admin)).state, 'ready');
});

/** Who answers the next request on this connection. */
async function ask(client: Parameters<typeof again>[0]['client'], t: Test): Promise<string> {
  const { head } = await again({ client, by: '', status: 0 });
  t.match(head, /^HTTP\/1\.1 200 /);
  return serverOf(head);
}
