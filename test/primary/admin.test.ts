import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import t from 'tap';
import { judgeChanger } from '../../src/primary/admin-guard.ts';
import { openAdmin } from '../../src/primary/admin.ts';
import { listenAddresses, newAddresses, probeListen } from '../../src/primary/listeners.ts';
import { oneAtATime } from '../../src/primary/signals.ts';
import { dialPeer } from '../fixture/peer.ts';
import { closedPort } from '../health-check/scripted-server.ts';
import { configurationOf, virtualService } from './configuration.ts';

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

const nobody = { sessions: () => ({}), killSessions: () => 0, unlock: () => 0 };

t.test('management listener', async (t) => {
  let notReady: string | undefined = 'starting';
  const source = {
    notReady: () => notReady,
    status: () => ({ revision: 1 }),
    metrics: () => 'a 1\n',
    ...nobody
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

t.test('sessions over the management listener', async (t) => {
  const asked: string[] = [];
  const source = {
    notReady: () => undefined,
    status: () => ({}),
    metrics: () => '',
    sessions: () => ({ sessions: { total: 1 } }),
    killSessions: (user: string) => asked.push(`kill ${user}`),
    unlock: (user: string) => asked.push(`unlock ${user}`)
  };
  const server = await openAdmin({ address: '127.0.0.1', port: 0 }, source);
  t.teardown(() => server.close());
  const port = portOf(server);
  const json = 'Content-Type: application/json\r\n';
  const ask = async (line: string, fields: string, body = ''): Promise<string> => {
    const client = await dialPeer(t, port);
    const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    client.send(
      Buffer.from(`${line} HTTP/1.1\r\n${fields}${body === '' ? '' : length}\r\n${body}`)
    );
    return client.rest();
  };
  const local = `Host: 127.0.0.1:${port}\r\n`;
  const kill = (fields: string, body = '{"user":"alice"}'): Promise<string> =>
    ask('POST /sessions/kill', fields, body);

  await t.test('what may be', async (t) => {
    t.match(await ask('GET /sessions', local), /^HTTP\/1.1 200 [^]*"total": 1/);
    t.match(await kill(local + json), /^HTTP\/1.1 200 [^]*\r\n\r\n\{\n {2}"ended": 1\n\}\n$/);
    const charset = 'content-type: Application/JSON; charset=utf-8\r\n';
    const unlock = ask('POST /sessions/unlock?x', `Host: localhost\r\n${charset}`, '{"user":"ü"}');
    t.match(await unlock, /^HTTP\/1.1 200 [^]*"unlocked": 2/);
    t.strictSame(asked.splice(0), ['kill alice', 'unlock ü']);
  });

  await t.test('what a web page could send', async (t) => {
    const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
    t.match(await kill(local + form), /^HTTP\/1.1 415 /);
    t.match(await kill(local), /^HTTP\/1.1 415 /, 'or no type');
    t.match(await kill(local + 'Content-Type: text/plain;application/json\r\n'), /^HTTP\/1.1 415 /);
    t.match(await kill(`${local}${json}Origin: http://127.0.0.1:${port}\r\n`), /^HTTP\/1.1 403 /);
    t.match(await kill(`${local}${json}Origin: null\r\n`), /^HTTP\/1.1 403 /);
    const preflight = await ask('OPTIONS /sessions/kill', local);
    t.match(preflight, /^HTTP\/1.1 405 [^]*\r\nAllow: POST\r\n/);
    t.notMatch(preflight, /access-control/i, 'nobody is allowed');
    for (const host of [
      'ballast.evil.example',
      `a.b:${port}`,
      'localhost.evil',
      '127.0.0.1.evil'
    ]) {
      const rebound = `Host: ${host}\r\n`;
      t.match(await kill(rebound + json), /^HTTP\/1.1 421 /, host);
      t.match(await ask('GET /sessions', rebound), /^HTTP\/1.1 421 /, host);
      t.match(await ask('GET /status', rebound), /^HTTP\/1.1 421 /, host);
      t.match(await ask('GET /metrics', rebound), /^HTTP\/1.1 200 /, 'which names nobody');
    }
    for (const host of ['[::1]:8444', '10.0.0.1', 'ballast:8444', 'LOCALHOST']) {
      t.match(await ask('GET /status', `Host: ${host}\r\n`), /^HTTP\/1.1 200 /, host);
    }
    t.strictSame(asked, []);
  });

  await t.test('what makes no sense', async (t) => {
    for (const body of ['', '{', 'null', '[]', '{}', '{"user":""}', '{"user":1}', '"alice"']) {
      t.match(await kill(local + json, body), /^HTTP\/1.1 400 /, body);
    }
    t.match(await kill(local + json, `{"user":"${'a'.repeat(5000)}"}`), /^HTTP\/1.1 413 /);
    t.match(await ask('GET /sessions/kill', local), /^HTTP\/1.1 405 [^]*\r\nAllow: POST\r\n/);
    t.match(await ask('POST /sessions', local + json, '{}'), /^HTTP\/1.1 405 /);
    t.match(await ask('POST /sessions/none', local + json, '{}'), /^HTTP\/1.1 405 /);
    t.match(
      await ask('POST http://127.0.0.1/sessions/kill', local + json, '{}'),
      /^HTTP\/1.1 405 /
    );
    const client = await dialPeer(t, port);
    client.send(`POST /sessions/kill HTTP/1.1\r\n${local}${json}Content-Length: 99\r\n\r\n{`);
    client.socket.end();
    t.notMatch(await client.rest(), /^HTTP\/1.1 200 /, 'broken off');
    t.strictSame(asked, []);
  });
});

t.test('who may change something', (t) => {
  const asker = { host: '10.0.0.1:8444', origin: undefined, contentType: 'application/json' };
  const cases: [remoteAddress: string | undefined, localAddress: string, may: boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.2', '127.0.0.1', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.2', '10.0.0.1', false],
    ['::ffff:10.0.0.2', '::ffff:10.0.0.1', false],
    ['fe80::1%eth0', 'fe80::2%eth0', false],
    ['2001:db8::1', '2001:db8::2', false],
    [undefined, '127.0.0.1', false]
  ];
  for (const [remoteAddress, localAddress, may] of cases) {
    const refused = judgeChanger({ ...asker, remoteAddress, localAddress });
    t.equal(refused?.[0], may ? undefined : 403, `${remoteAddress} to ${localAddress}`);
  }
  t.end();
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
