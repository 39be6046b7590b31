// Who gets a new connection, when several workers choose without asking each other: the spread over
// three servers as the servers see it.

import t, { type Test } from 'tap';
import { startExchange, type Exchange } from '../../src/lab/exchange.ts';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import {
  dialPlain,
  endBallast,
  ownAddress,
  readStatus,
  serviceOf,
  statusWhen
} from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(60_000);

interface Farm {
  readonly ballast: Ballast;
  readonly servers: readonly Exchange[];
  readonly port: number;
  readonly admin: number;
  yaml(schedule: string, servers?: readonly string[]): string;
}

interface Held {
  readonly client: Peer;
  /** Name of the server that answered. */
  readonly by: string;
  readonly status: number;
}

async function startFarm(t: Test, workers: number, schedule: string): Promise<Farm> {
  const [port = 0, admin = 0, serverPort = 0] = await freePorts(3);
  const addresses = [0, 1, 2].map((n) => ownAddress(n));
  const servers = await Promise.all(
    addresses.map((host, n) =>
      startExchange({
        name: `ex0${n + 1}.example.com`,
        http: { host, port: serverPort },
        authenticate: false
      })
    )
  );
  t.teardown(() => Promise.all(servers.map((server) => server.close())));
  const yaml = (schedule: string, settings: readonly string[] = []): string => `
global: { workers: ${workers} }
admin: { port: ${admin} }
virtualServices:
  - name: web
    address: 127.0.0.1
    port: ${port}
    vsType: http
    schedule: ${schedule}
    checkType: none
    realServers:
${addresses.map((host, n) => `      - { address: ${host}, port: ${serverPort}, name: EX0${n + 1}, ${settings[n] ?? ''} }`).join('\n')}
`;
  const ballast = await startBallast(yaml(schedule));
  t.teardown(() => endBallast(ballast));
  return { ballast, servers, port, admin, yaml };
}

/** A client with one answered request, whose connection stays open; and who answered. */
async function held(t: Test, { port }: Farm): Promise<Held> {
  const client = await dialPlain(t, port);
  client.send('GET /owa/ HTTP/1.1\r\nHost: mail.example.com\r\n\r\n');
  const { head } = await client.message();
  return {
    client,
    by: /\r\nX-FEServer: (\S+)/.exec(head)?.[1] ?? '',
    status: Number(head.slice(9, 12))
  };
}

/**
 * Workers tell each other of connections every 25 ms by way of the primary, so what comes at the
 * same moment is chosen without knowing of each other. Clients here come fifty a second.
 */
async function holdMany(t: Test, farm: Farm, count: number): Promise<Held[]> {
  const all: Promise<Held>[] = [];
  for (let n = 0; n < count; n++) {
    all.push(held(t, farm));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return Promise.all(all);
}

const open = ({ servers }: Farm): number[] => servers.map(({ connections }) => connections.open);

function checkSpread(t: Test, farm: Farm, count: number, message: string): void {
  const each = open(farm);
  const even = count / each.length;
  t.equal(
    each.reduce((sum, n) => sum + n, 0),
    count
  );
  t.ok(
    each.every((n) => Math.abs(n - even) <= 2),
    `${message}: ${each.join(', ')}`
  );
}

t.test('lc over four workers', async (t) => {
  const farm = await startFarm(t, 4, 'lc');
  const all = await holdMany(t, farm, 60);
  checkSpread(t, farm, 60, 'sixty held connections');

  await t.test('those who leave make room', async (t) => {
    const leaving = all.filter(({ by }) => by === 'EX02');
    for (const { client } of leaving) client.socket.destroy();
    const left = 60 - leaving.length;
    await statusWhen(
      farm.admin,
      (now) =>
        serviceOf(now, 'web').realServers.reduce((sum, one) => sum + one.activeConnections, 0) ===
        left
    );
    t.equal(open(farm)[1], 0);
    const back = await holdMany(t, farm, 20);
    t.ok(back.filter(({ by }) => by === 'EX02').length >= 16, 'new ones go where there are least');
    checkSpread(t, farm, left + 20, 'even again');
  });

  await t.test('a server that is not enabled gets none', async (t) => {
    const before = open(farm)[0] ?? 0;
    const settings = ['enable: false, weight: 7', 'weight: 500'];
    t.equal((await farm.ballast.reload(farm.yaml('lc', settings))).msg, 'reloaded');
    const servers = serviceOf(await readStatus(farm.admin), 'web').realServers;
    t.match(servers, [
      { name: 'EX01', status: 'Disabled', weight: 7 },
      { name: 'EX02', status: 'Unchecked', weight: 500 },
      { name: 'EX03', status: 'Unchecked', weight: 1000 }
    ]);
    const more = await holdMany(t, farm, 12);
    t.notOk(more.some(({ by }) => by === 'EX01'));
    t.equal(open(farm)[0], before, 'what it has it keeps');
  });
});

t.test('a connection limit holds over all workers', async (t) => {
  const farm = await startFarm(t, 4, 'lc');
  const limits = ['limit: 4', 'limit: 4', 'limit: 4'];
  t.equal((await farm.ballast.reload(farm.yaml('lc', limits))).msg, 'reloaded');
  const all: Held[] = [];
  for (let n = 0; n < 16; n++) {
    all.push(await held(t, farm));
    // The others hear of a connection within 50 ms; a burst may pass the limit by what is on its way.
    await new Promise((resolve) => setTimeout(resolve, 80));
  }
  t.strictSame(open(farm), [4, 4, 4]);
  t.strictSame(
    all.map(({ status }) => status),
    [...Array<number>(12).fill(200), ...Array<number>(4).fill(503)]
  );
  all[0]?.client.send('GET /owa/ HTTP/1.1\r\nHost: mail.example.com\r\n\r\n');
  t.match((await all[0]?.client.message())?.head, /^HTTP\/1\.1 200 /, 'who is in stays in');
  all[1]?.client.socket.destroy();
  while ((await held(t, farm)).status !== 200); // as soon as every worker has heard of it
  t.strictSame(open(farm), [4, 4, 4], 'who leaves makes room for one');
});

t.test('rr takes turns, new connection by new connection', async (t) => {
  const farm = await startFarm(t, 1, 'rr');
  const order: string[] = [];
  for (let n = 0; n < 9; n++) order.push((await held(t, farm)).by);
  t.strictSame(order.slice(0, 3).toSorted(), ['EX01', 'EX02', 'EX03']);
  t.strictSame(order, [...order.slice(0, 3), ...order.slice(0, 3), ...order.slice(0, 3)]);
  t.strictSame(open(farm), [3, 3, 3]);
});
