// Enhanced health checks in the whole program: a service that needs two servers and a critical one,
// checked by POST with fields and a body of its own, and what its clients get meanwhile.

import t, { type Test } from 'tap';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { dialPlain, endBallast, readStatus, serviceOf } from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';
import { scriptedServer, type ScriptedServer } from '../health-check/scripted-server.ts';

t.setTimeout(60_000);

interface Farm {
  readonly ballast: Ballast;
  readonly port: number;
  readonly admin: number;
  readonly servers: readonly ScriptedServer[];
  /** Bodies of the answers to checks, by server. */
  readonly health: string[];
}

const check =
  'POST /check HTTP/1.1\r\nHost: mail.example.com\r\nX-Probe: ballast\r\nContent-Length: 3\r\n' +
  'Connection: close\r\n\r\na=b';

async function startFarm(t: Test): Promise<Farm> {
  const [port = 0, admin = 0] = await freePorts(2);
  const health = ['200 OK', '200 OK', '200 OK'];
  const servers = await Promise.all(
    health.map((_, n) =>
      scriptedServer((socket, heard) => {
        const body = heard === check ? (health[n] ?? '') : `from ${n}`;
        // An interim answer before that of a check is none of its business.
        const interim = heard === check ? 'HTTP/1.1 100 Continue\r\n\r\n' : '';
        const length = `Content-Length: ${body.length}`;
        socket.write(`${interim}HTTP/1.1 200 OK\r\n${length}\r\n\r\n${body}`);
      })
    )
  );
  t.teardown(() => Promise.all(servers.map((server) => server.close())));
  const list = servers.map(
    (server, n) =>
      `{ address: 127.0.0.1, port: ${server.port}, name: EX${n}, critical: ${n === 2} }`
  );
  const ballast = await startBallast(`
global: { workers: 2, checkInterval: 1, checkTimeout: 1, checkRetries: 0 }
admin: { port: ${admin} }
virtualServices:
  - name: web
    address: 127.0.0.1
    port: ${port}
    checkType: http
    checkUrl: /check
    checkUse1.1: true
    checkHost: mail.example.com
    checkUseGet: 2
    checkPostData: a=b
    checkHeaders: X-Probe:ballast
    checkPattern: /^200 OK$/
    enhancedHealthChecks: true
    rsMinimum: 2
    errorCode: 503
    errorUrl: Not enough servers
    realServers: [${list.join(', ')}]
`);
  t.teardown(() => endBallast(ballast));
  return { ballast, port, admin, servers, health };
}

async function ask(client: Peer): Promise<string> {
  client.send('GET / HTTP/1.1\r\nHost: mail.example.com\r\n\r\n');
  const { head, body } = await client.message();
  return `${head.slice(9, 12)} ${/from|Not enough servers/.exec(body)?.[0]}`;
}

/** Sets the servers' health and waits until the service is as the log then must say. */
async function becomes(farm: Farm, health: readonly string[], msg: string): Promise<unknown> {
  const from = farm.ballast.lines.length;
  farm.health.splice(0, 3, ...health);
  const line = await farm.ballast.waitFor(
    (one) => one.msg === msg && farm.ballast.lines.indexOf(one) >= from
  );
  return line['reason'];
}

/** The news reaches both workers a moment after the log; then new and old clients get the same. */
async function allGet(
  t: Test,
  { port }: Farm,
  stays: Peer,
  wanted: string,
  what: string
): Promise<void> {
  const clients = await Promise.all(Array.from({ length: 8 }, () => dialPlain(t, port)));
  for (const client of [...clients, stays]) {
    let got = await ask(client);
    for (let tries = 0; got !== wanted && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      got = await ask(client);
    }
    t.equal(got, wanted, what);
  }
}

t.test('a service is down below rsMinimum and without its critical server', async (t) => {
  const farm = await startFarm(t);
  const stays = await dialPlain(t, farm.port);
  t.equal(await ask(stays), '200 from');
  t.ok(
    farm.servers.every(({ heard }) => heard[0] === check),
    'the check as it was configured'
  );

  t.equal(
    await becomes(farm, ['no', 'no', '200 OK'], 'service down'),
    '1 real servers are up and rsMinimum is 2'
  );
  await allGet(t, farm, stays, '503 Not enough servers', 'one server is up');
  const reason = '1 real servers are up and rsMinimum is 2';
  t.match(serviceOf(await readStatus(farm.admin), 'web'), {
    status: 'Down',
    reason,
    realServers: [{ status: 'Down' }, { status: 'Down' }, { status: 'Up', reason: null }]
  });

  await becomes(farm, ['200 OK', 'no', '200 OK'], 'service up');
  await allGet(t, farm, stays, '200 from', 'two servers are up');

  t.equal(
    await becomes(farm, ['200 OK', '200 OK', 'no'], 'service down'),
    'critical real server EX2 is down'
  );
  await allGet(t, farm, stays, '503 Not enough servers', 'the critical one is down');

  await becomes(farm, ['200 OK', '200 OK', '200 OK'], 'service up');
  await allGet(t, farm, stays, '200 from', 'all are up');
});
