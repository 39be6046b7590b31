// What a worker tells the primary: only what changed, and nothing twice.

import t from 'tap';
import { add, serverPlaces, servicePlaces } from '../../src/counters.ts';
import { CountersReport, LoadReport } from '../../src/worker/reports.ts';
import { openSite } from '../fixture/site.ts';

t.test('additions since the last report', async (t) => {
  const site = await openSite(t, { servers: [1] });
  const report = new CountersReport(site.traffic);
  const changes = (): unknown => {
    const { services, servers } = report.take();
    return [services, servers];
  };
  report.takePlan(site.plan);
  t.strictSame(changes(), [[], []]);
  const first = site.server('ex1');
  add(first.row, serverPlaces.connections, 2);
  add(first.row, serverPlaces.bytesFromServer, 1000);
  const [service] = site.plan.counters.values();
  service?.error('malformed-request');
  site.traffic.counters.error('malformed-request');
  const { connections, bytesFromServer } = serverPlaces;
  const error = [servicePlaces.errors, 1];
  t.strictSame(changes(), [
    [
      ['site', error],
      ['', error]
    ],
    [[first.id, [connections, 2, bytesFromServer, 1000]]]
  ]);
  t.strictSame(changes(), [[], []], 'told once');
  add(first.row, connections, 1);
  t.strictSame(changes(), [[], [[first.id, [connections, 1]]]], 'the difference');

  site.reload({ servers: [2] });
  report.takePlan(site.plan);
  add(first.row, bytesFromServer, 5);
  service?.clientConnected();
  t.strictSame(
    changes(),
    [[['site', [servicePlaces.clientConnections, 1]]], [[first.id, [bytesFromServer, 5]]]],
    'what began on the plan before counts, and its service goes on'
  );
});

t.test('how the worker is', async (t) => {
  const site = await openSite(t, { servers: [1] });
  const report = new CountersReport(site.traffic);
  report.takePlan(site.plan);
  t.match(report.take(), { clients: 0, clientsOf: [] });
  const client = await site.client();
  const { clients, clientsOf, residentBytes, loopDelay } = report.take();
  t.strictSame([clients, clientsOf], [1, [['site', 1]]]);
  t.ok(residentBytes > 20e6);
  // Blocked long enough to be seen over what a busy machine does by itself.
  await new Promise((resolve) => setTimeout(resolve, 60));
  for (const endMs = performance.now() + 300; performance.now() < endMs;);
  await new Promise((resolve) => setTimeout(resolve, 60));
  const { p50, max } = report.take().loopDelay;
  t.ok(max > 200 && max >= loopDelay.max, `${max} ms`);
  t.ok(p50 >= 0 && p50 < 100, `${p50} ms`);
  client.socket.destroy();
  await site.empty();
  t.match(report.take(), { clients: 0, clientsOf: [] });
});

t.test('connections of servers', async (t) => {
  const site = await openSite(t, { servers: [1, 2] });
  const report = new LoadReport();
  const [one, two] = [site.server('ex1'), site.server('ex2')];
  const connection = { signedIn: false, leave() {}, destroy() {} };
  t.strictSame(report.changes([one, two]), []);
  two.hold(connection);
  t.strictSame(report.changes([one, two]), [[two.id, 1]]);
  t.strictSame(report.changes([one, two]), []);
  two.release(connection);
  t.strictSame(report.changes([one, two]), [[two.id, 0]]);
});
