// Who gets a new connection, when several workers choose without asking each other: the spread over
// three servers as the servers see it.

import t, { type Test } from 'tap';
import { readStatus, serviceOf, statusWhen } from '../fixture/exchange-site.ts';
import { activeOf, again, emptied, hold, holdMany, letGo, open } from '../fixture/farm.ts';
import { serverOf, startFarm, type Farm, type Held } from '../fixture/farm.ts';

t.setTimeout(60_000);

/** Which server serves clients of these addresses. */
async function homesOf(t: Test, farm: Farm, addresses: readonly string[]): Promise<string[]> {
  const homes: string[] = [];
  for (const address of addresses) {
    const one = await hold(t, farm, address);
    homes.push(one.by);
    letGo([one]);
  }
  return homes;
}

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

function checkShares(t: Test, farm: Farm, wanted: readonly number[], message: string): void {
  const each = open(farm);
  t.ok(
    wanted.every((share, n) => Math.abs(share - (each[n] ?? 0)) <= 3),
    `${message}: ${each.join(', ')}`
  );
}

t.test('lc over four workers', async (t) => {
  const farm = await startFarm(t, { workers: 4, schedule: 'lc' });
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
    t.ok((open(farm)[0] ?? 0) > 0);
    const settings = ['enable: false, weight: 7', 'weight: 500', ''];
    await farm.reload({ schedule: 'lc', servers: settings });
    const servers = serviceOf(await readStatus(farm.admin), 'web').realServers;
    t.match(servers, [
      { name: 'EX01', status: 'Disabled', weight: 7 },
      { name: 'EX02', status: 'Unchecked', weight: 500 },
      { name: 'EX03', status: 'Unchecked', weight: 1000 }
    ]);
    const more = await holdMany(t, farm, 12);
    t.notOk(more.some(({ by }) => by === 'EX01'));
    t.equal(open(farm)[0], 0, 'what nobody needs is let go');
    for (const moved of all.filter(({ by }) => by === 'EX01')) {
      const { head } = await again(moved);
      t.match(serverOf(head), /^EX0[23]$/, 'the clients stay, and are served elsewhere');
    }
  });
});

t.test('by weight, over four workers', async (t) => {
  const farm = await startFarm(t, {
    workers: 4,
    schedule: 'wrr',
    servers: ['weight: 100', 'weight: 50', 'weight: 50']
  });
  const all = await holdMany(t, farm, 80);
  checkShares(t, farm, [40, 20, 20], 'wrr');
  letGo(all);
  const weights = ['weight: 50', 'weight: 100', 'weight: 50'];
  await farm.reload({ schedule: 'wlc', servers: weights });
  await emptied(farm);
  const held = await holdMany(t, farm, 40);
  checkShares(t, farm, [10, 20, 10], 'wlc');
  letGo(held.filter(({ by }) => by === 'EX02'));
  await statusWhen(farm.admin, (now) => activeOf(now)[1] === 0);
  await holdMany(t, farm, 18);
  checkShares(t, farm, [10, 18, 10], 'wlc: those who leave make room');
});

t.test('fixed and by address, over four workers', async (t) => {
  const weights = ['weight: 10', 'weight: 30', 'weight: 20'];
  const farm = await startFarm(t, { workers: 4, schedule: 'fixed', servers: weights });
  const first = await holdMany(t, farm, 8);
  t.same(new Set(first.map(({ by }) => by)), new Set(['EX02']));
  await farm.servers[1]?.kill();
  const second = await holdMany(t, farm, 8);
  t.same(new Set(second.map(({ by }) => by)), new Set(['EX03']), 'the next one when it fails');
  letGo([...first, ...second]);

  const two = ['', 'enable: false', ''];
  await farm.reload({ schedule: 'sh', servers: two });
  const addresses = Array.from({ length: 24 }, (_, n) => `127.1.2.${n + 1}`);
  const homes = await homesOf(t, farm, addresses);
  t.same(new Set(homes), new Set(['EX01', 'EX03']));
  t.same(await homesOf(t, farm, addresses), homes, 'whichever worker serves');
  await farm.reload({ servers: ['', 'enable: false', 'enable: false'] });
  t.same(new Set(await homesOf(t, farm, addresses)), new Set(['EX01']));
  await farm.reload({ schedule: 'sh', servers: two });
  t.same(await homesOf(t, farm, addresses), homes, 'everybody comes home');
});

t.test('wrr with one worker is exact', async (t) => {
  const farm = await startFarm(t, {
    workers: 1,
    schedule: 'wrr',
    servers: ['weight: 100', 'weight: 50', 'weight: 50']
  });
  const order: string[] = [];
  for (let n = 0; n < 12; n++) order.push((await hold(t, farm)).by);
  t.strictSame(open(farm), [6, 3, 3]);
  t.strictSame(order.slice(4, 8), order.slice(0, 4));
});

t.test('a connection limit holds over all workers', async (t) => {
  const farm = await startFarm(t, { workers: 4, schedule: 'lc' });
  const limits = ['limit: 4', 'limit: 4', 'limit: 4'];
  await farm.reload({ schedule: 'lc', servers: limits });
  const all: Held[] = [];
  for (let n = 0; n < 16; n++) {
    all.push(await hold(t, farm));
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
  while ((await hold(t, farm)).status !== 200); // as soon as every worker has heard of it
  t.strictSame(open(farm), [4, 4, 4], 'who leaves makes room for one');
});

t.test('rr takes turns, new connection by new connection', async (t) => {
  const farm = await startFarm(t, { workers: 1, schedule: 'rr' });
  const order: string[] = [];
  for (let n = 0; n < 9; n++) order.push((await hold(t, farm)).by);
  t.strictSame(order.slice(0, 3).toSorted(), ['EX01', 'EX02', 'EX03']);
  t.strictSame(order, [...order.slice(0, 3), ...order.slice(0, 3), ...order.slice(0, 3)]);
  t.strictSame(open(farm), [3, 3, 3]);
});
