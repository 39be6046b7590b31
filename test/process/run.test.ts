import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { closedPort } from '../health-check/scripted-server.ts';
import { startProgram, type LogLine, type Program } from './program.ts';

interface Site {
  readonly file: string;
  readonly adminPort: number;
  readonly port: number;
  readonly serverPort: number;
  /** Makes the real server's health page good or bad. */
  healthy: boolean;
  /** Resolves when `/slow` was asked for, with what lets it answer. */
  readonly held: PromiseWithResolvers<() => void>;
  /** The real server goes away. */
  close(): Promise<void>;
  /** Writes the configuration anew. */
  write(more?: string, global?: string): void;
}

/** A real server, free ports, and a configuration file with one service on them. */
async function site(t: Test): Promise<Site> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/health' && !it.healthy ? 503 : 200;
    if (request.url === '/slow') it.held.resolve(() => response.end('at last'));
    else response.end('hello');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const serverPort = (server.address() as AddressInfo).port;
  const [adminPort, port] = [await closedPort(), await closedPort()];
  const it: Site = {
    file: join(t.testdir({}), 'ballast.yaml'),
    adminPort,
    port,
    serverPort,
    healthy: true,
    held: Promise.withResolvers(),
    async close() {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
    write(more = '', global = 'workers: 2') {
      writeFileSync(
        it.file,
        `global: { ${global}, drainTime: 5 }
admin: { port: ${adminPort} }
virtualServices:
  - { name: web, address: 127.0.0.1, port: ${port}, vsType: http, checkType: http,
      checkUrl: /health, checkUseGet: 1, realServers: ['127.0.0.1:${serverPort}'] }
${more}`
      );
    }
  };
  it.write();
  return it;
}

/** The program on this site, ended with the test whatever happens. */
function start(t: Test, { file }: Site): Program {
  const program = startProgram('run', '--config', file);
  t.teardown(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

const get = async (port: number, path = '/'): Promise<[status: number, text: string]> => {
  const headers = { connection: 'close' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
  return [answer.status, await answer.text()];
};

interface Status {
  readonly revision: number;
  readonly workers: readonly { readonly pid: number; readonly state: string }[];
  readonly virtualServices: readonly { readonly status: string }[];
}

const statusOf = async ({ adminPort }: Site): Promise<Status> =>
  JSON.parse((await get(adminPort, '/status'))[1]) as Status;

t.test('what cannot start', async (t) => {
  const it = await site(t);
  await t.test('a bad file', async (t) => {
    it.write('wrong: 1\n');
    const { code, stdout, stderr } = await startProgram('run', '--config', it.file).ended;
    t.equal(code, 1);
    t.equal(stdout, '');
    t.ok(stderr.startsWith(`${it.file}:6:`), stderr);
  });
  await t.test('a port in use', async (t) => {
    it.write(`  - { name: taken, address: 127.0.0.1, port: ${it.serverPort}, errorCode: 404 }\n`);
    t.strictSame(await startProgram('run', '--config', it.file).ended, {
      code: 3,
      stdout: '',
      stderr: `cannot listen on 127.0.0.1:${it.serverPort} (taken): port in use\n`
    });
  });
  await t.test('the management port in use', async (t) => {
    it.write();
    const blocker = createServer();
    await once(blocker.listen(it.adminPort, '127.0.0.1'), 'listening');
    t.match(await startProgram('run', '--config', it.file).ended, {
      code: 3,
      stdout: '',
      stderr: `cannot listen on 127.0.0.1:${it.adminPort} (management): port in use\n`
    });
    await once(blocker.close(), 'close');
  });
});

t.test('a life', async (t) => {
  const it = await site(t);
  const program = start(t, it);
  await program.take('ready');

  await t.test('ready', async (t) => {
    t.strictSame(await get(it.adminPort, '/ready'), [200, 'ready\n']);
    t.strictSame(await get(it.port), [200, 'hello']);
    const status = await statusOf(it);
    t.match(status, {
      revision: 1,
      state: 'ready',
      virtualServices: [{ name: 'web', status: 'Up' }]
    });
    t.equal(status.workers.length, 2);
  });

  await t.test('a bad file changes nothing', async (t) => {
    it.write('wrong: 1\n');
    program.kill('SIGHUP');
    const { problem, level } = await program.take('reload refused');
    t.match(problem, `${it.file}:6:`);
    t.equal(level, 'error');
    t.equal((await statusOf(it)).revision, 1);
    t.strictSame(await get(it.port), [200, 'hello']);
  });

  await t.test('a port in use changes nothing', async (t) => {
    it.write(`  - { name: taken, address: 127.0.0.1, port: ${it.serverPort}, errorCode: 404 }\n`);
    program.kill('SIGHUP');
    const { reason } = await program.take('reload refused');
    t.equal(reason, `cannot listen on 127.0.0.1:${it.serverPort} (taken): port in use`);
    t.equal((await statusOf(it)).revision, 1);
  });

  await t.test('a reload adds a service and takes it away', async (t) => {
    const port = await closedPort();
    const server = `'127.0.0.1:${it.serverPort}'`;
    it.write(
      `  - { name: more, address: 127.0.0.1, port: ${port}, vsType: http, checkType: none, ` +
        `realServers: [${server}] }\n`
    );
    program.kill('SIGHUP');
    t.equal((await program.take('reloaded'))['revision'], 2);
    t.strictSame(await get(port), [200, 'hello']);
    const { workers, virtualServices } = await statusOf(it);
    t.match(virtualServices, [{ status: 'Up' }, { status: 'Unchecked' }]);
    it.write();
    program.kill('SIGHUP');
    await program.take('reloaded');
    await t.rejects(get(port), 'nobody listens there any more');
    t.strictSame(await get(it.port), [200, 'hello']);
    const pids = (status: Pick<Status, 'workers'>) => status.workers.map(({ pid }) => pid);
    t.strictSame(pids(await statusOf(it)), pids({ workers }), 'in the same workers');
  });

  await t.test('a worker that is killed is replaced', async (t) => {
    const before = (await statusOf(it)).workers.map(({ pid }) => pid);
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    const isNew = (line: LogLine) => !before.includes(line['worker'] as number);
    t.equal((await program.take('worker died'))['how'], 'SIGKILL');
    await program.take('worker serves', isNew);
    t.equal((await statusOf(it)).workers.length, 2);
    t.strictSame(await get(it.port), [200, 'hello']);
  });

  await t.test('SIGTERM lets finish what is in flight', async (t) => {
    const slow = get(it.port, '/slow');
    const release = await it.held.promise;
    program.kill('SIGTERM');
    await program.take('draining');
    t.strictSame(await get(it.adminPort, '/ready'), [503, 'draining\n']);
    release();
    t.strictSame(await slow, [200, 'at last']);
    const { code, stderr } = await program.ended;
    t.equal(code, 0);
    t.equal(stderr, '');
    await t.rejects(get(it.port));
    t.strictSame(
      program.logged.filter(({ level }) => level === 'error').map(({ msg }) => msg),
      ['reload refused', 'reload refused', 'worker died'],
      'no error but those that were provoked'
    );
  });
});

t.test('a service that is down', async (t) => {
  const it = await site(t);
  it.healthy = false;
  const program = start(t, it);
  const { reason } = await program.take('real server down');
  t.match(reason, /sent "GET \/health HTTP\/1\.0" to .*; got "HTTP\/1\.1 503 /);
  await program.take('ready');
  t.strictSame(await get(it.adminPort, '/live'), [200, 'live\n']);
  t.strictSame(await get(it.adminPort, '/ready'), [503, 'no usable service\n']);
  t.equal((await get(it.port))[0], 503);
});

t.test('a second SIGTERM ends at once', async (t) => {
  const it = await site(t);
  const program = start(t, it);
  await program.take('ready');
  const slow = get(it.port, '/slow');
  await it.held.promise;
  program.kill('SIGTERM');
  await program.take('draining');
  const cut = t.rejects(slow);
  program.kill('SIGINT');
  t.equal((await program.ended).code, 0);
  await cut;
});

t.test('a failed dial has the server checked at once', async (t) => {
  const it = await site(t);
  it.write('', 'workers: 1, checkInterval: 900, checkRetries: 0');
  const program = start(t, it);
  await program.take('ready');
  await it.close();
  t.equal((await get(it.port))[0], 502);
  const { reason } = await program.take('real server down');
  t.equal(reason, `cannot connect to 127.0.0.1:${it.serverPort}: connection refused`);
});

t.test('the end of the primary is the end of its workers', async (t) => {
  const it = await site(t);
  const program = start(t, it);
  await program.take('ready');
  program.kill('SIGKILL');
  // The workers hold the other end of the output: it closes with the last of them.
  const { code } = await program.ended;
  t.equal(code, null);
  await t.rejects(get(it.port));
});

t.test('a full disk under the log stops nothing, and no end of it', async (t) => {
  const it = await site(t);
  const full = openSync('/dev/full', 'w');
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'run', '--config', it.file], {
    stdio: ['ignore', full, 'inherit']
  });
  closeSync(full);
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  // Its log, which would tell, is lost.
  const isReady = (): Promise<boolean> =>
    get(it.adminPort, '/ready').then(
      ([status]) => status === 200,
      () => false
    );
  while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 20));
  for (let n = 0; n < 200; n++) t.strictSame(await get(it.port), [200, 'hello']);
  const { workers } = await statusOf(it);
  t.ok(await isReady());
  t.equal(workers.length, 2);
  child.kill('SIGTERM');
  t.strictSame(await ended, [0, null]);
});
