import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import t from 'tap';
import { openAdmin } from '../../src/primary/admin.ts';
import { listenAddresses, newAddresses, probeListen } from '../../src/primary/listeners.ts';
import { oneAtATime } from '../../src/primary/signals.ts';
import { closedPort } from '../health-check/scripted-server.ts';
import { configurationOf, virtualService } from './configuration.ts';

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

t.test('management listener', async (t) => {
  let notReady: string | undefined = 'starting';
  const source = {
    notReady: () => notReady,
    status: () => ({ revision: 1 }),
    metrics: () => 'a 1\n'
  };
  const server = await openAdmin({ address: '127.0.0.1', port: 0 }, source);
  t.teardown(() => server.close());
  const port = portOf(server);
  const ask = async (path: string, method = 'GET', body: string | null = null) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body });
    return [answer.status, (await answer.text()).trim(), answer.headers.get('content-type')];
  };
  const text = 'text/plain; charset=utf-8';

  t.strictSame(await ask('/live'), [200, 'live', text]);
  t.strictSame(await ask('/ready'), [503, 'starting', text]);
  notReady = undefined;
  t.strictSame(await ask('/ready?verbose'), [200, 'ready', text]);
  t.strictSame(await ask('/status'), [200, '{\n  "revision": 1\n}', 'application/json']);
  const exposition = 'text/plain; version=0.0.4; charset=utf-8';
  t.strictSame(await ask('/metrics'), [200, 'a 1', exposition]);
  t.match(await ask('/'), [404, /\/status/]);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    t.match(await ask('/status', method, 'x'.repeat(100_000)), [405, 'only GET'], method);
  }
  t.match(await ask('/status', 'HEAD'), [405, '']);

  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET /live HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(10_000)}\r\n\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1\.1 431 /, 'limited heads');
  socket.destroy();

  const address = { address: '127.0.0.1', port };
  await t.rejects(openAdmin(address, source), { code: 'EADDRINUSE' });
});

t.test('addresses are tried before anything starts', async (t) => {
  const taken = createServer();
  await once(taken.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => taken.close());
  const used = portOf(taken);
  const free = await closedPort();
  const at = (port: number, owner: string, address = '127.0.0.1') => ({ address, port, owner });

  t.strictSame(await probeListen([at(free, 'web')]), []);
  t.strictSame(await probeListen([at(free, 'web')]), [], 'and let go');
  t.strictSame(await probeListen([at(used, 'web'), at(free, 'b'), at(used, 'management')]), [
    `cannot listen on 127.0.0.1:${used} (web): port in use`,
    `cannot listen on 127.0.0.1:${used} (management): port in use`
  ]);
  t.strictSame(
    await probeListen([at(free, 'web'), at(free, 'again')]),
    [`cannot listen on 127.0.0.1:${free} (again): port in use`],
    'against each other as well'
  );
  t.strictSame(await probeListen([at(free, 'far', '192.0.2.1')]), [
    `cannot listen on 192.0.2.1:${free} (far): this machine has no such address`
  ]);
  const [refusal] = await probeListen([at(free, 'far', '2001:db8::1')]);
  t.match(refusal, `cannot listen on [2001:db8::1]:${free} (far): this machine has no `);
});

t.test('which addresses are new', (t) => {
  const web = virtualService({ name: 'web', port: 80 });
  const old = listenAddresses(configurationOf([web, { ...web, port: 81, enable: false }]));
  t.strictSame(old, [{ address: '127.0.0.1', port: 80, owner: 'web' }], 'disabled ones are not');
  const renamed = listenAddresses(
    configurationOf([
      { ...web, name: 'renamed' },
      { ...web, address: '::1' }
    ])
  );
  t.strictSame(newAddresses(renamed, old), [{ address: '::1', port: 80, owner: 'web' }]);
  const more = listenAddresses(configurationOf([{ ...web, extraPorts: [8080, 81] }]));
  t.strictSame(
    newAddresses(more, old).map(({ port, owner }) => [port, owner]),
    [
      [8080, 'web'],
      [81, 'web']
    ],
    'extra ports too'
  );
  t.end();
});

t.test('one reload at a time, and one more for all that came meanwhile', async (t) => {
  let runs = 0;
  let running = 0;
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const second = Promise.withResolvers<void>();
  const run = oneAtATime(async () => {
    const gate = gates[runs++];
    t.equal(++running, 1);
    if (runs === 2) second.resolve();
    await gate?.promise;
    running--;
  });
  run();
  run();
  run();
  t.equal(runs, 1);
  gates[0]?.resolve();
  await second.promise;
  gates[1]?.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(runs, 2, 'three calls, two runs');
  run();
  t.equal(runs, 3, 'and it can be called again');
});
