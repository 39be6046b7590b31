// From a configuration to running services, and from one to the next.

import t from 'tap';
import type { Health } from '../../src/config/model.ts';
import { buildPlan, listenKey, type Plan } from '../../src/service/build.ts';
import { RealServer } from '../../src/service/real-server.ts';
import { configuration, type SmallSettings } from '../fixture/configuration.ts';

function next(
  settings: SmallSettings,
  before?: Plan,
  health: readonly (readonly [string, Health])[] = []
): Plan {
  return buildPlan({
    revision: (before?.revision ?? 0) + 1,
    configuration: configuration(settings),
    health,
    known: before?.realServers ?? new Map(),
    turn: 0
  });
}

const firstId = 'site/127.0.0.1:1';

t.test('a real server lives over reloads', async (t) => {
  const before = next({ servers: [1, 2] }, undefined, [[firstId, { state: 'up' }]]);
  const server = before.realServers.get(firstId);
  t.ok(server);
  t.same(server?.health, { state: 'up' });
  const open = { destroy() {} };
  server?.hold(open);
  if (server !== undefined) server.suspected = true;

  const after = next({ servers: [{ port: 1, limit: 7, enable: false }, 3] }, before);
  t.equal(after.realServers.get(firstId), server, 'the same object');
  t.equal(server?.settings.limit, 7);
  t.notOk(server?.isAvailable);
  t.equal(server?.activeHere, 1, 'its connections are still counted');
  t.equal(server?.connections, 1);
  t.same(server?.health, { state: 'up' }, 'its health stays');
  t.notOk(server?.suspected, 'the primary checks anew');
  t.same([...after.realServers.keys()], [firstId, 'site/127.0.0.1:3']);
  t.equal(after.virtualServices[0]?.realServers[0], server);

  const down: Health = { state: 'down', reason: 'test' };
  const last = next({ servers: [1] }, after, [[firstId, down]]);
  t.same(last.realServers.get(firstId)?.health, down, 'the primary knows better');
});

t.test('the same server in two SubVSs is two', async (t) => {
  const plan = next({
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [1] },
      { name: 'EWS', prefix: '/ews', servers: [1] }
    ]
  });
  t.equal(plan.realServers.size, 2);
  const [first, second] = plan.realServers.values();
  first?.hold({ destroy() {} });
  t.equal(first?.active, 1);
  t.equal(second?.active, 0, 'each SubVS counts for itself');
});

t.test('what is disabled is not there', async (t) => {
  t.same(next({ service: { enable: false } }).virtualServices, []);
  const [service] = next({
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [1], settings: { enable: false } },
      { name: 'Rest', servers: [1] }
    ]
  }).virtualServices;
  t.equal(service?.switches.length, 0);
  t.equal(service?.defaultService?.fullName, 'site/Rest');
  t.equal(service?.hasSubVSs, true);
});

t.test('listeners are known by address and port', async (t) => {
  t.equal(listenKey({ address: '0.0.0.0', port: 443 }), '0.0.0.0:443');
  t.equal(listenKey({ address: '::', port: 443 }), '[::]:443');
  t.equal(next({}).virtualServices[0]?.listenKey, '127.0.0.1:8080');
});

t.test('connections of a real server', async (t) => {
  const settings = configuration({ servers: [1] }).virtualServices[0]?.realServers[0];
  if (settings === undefined) throw new Error('no server');
  const server = new RealServer(settings);
  const cut: string[] = [];
  const [one, two] = ['one', 'two'].map((name) => ({
    destroy() {
      cut.push(name);
      server.release(this);
    }
  })) as [{ destroy(): void }, { destroy(): void }];
  server.hold(one);
  server.hold(one);
  server.hold(two);
  server.activeElsewhere = 3;
  t.same([server.activeHere, server.active, server.connections], [2, 5, 2]);
  server.release(two);
  server.release(two);
  t.equal(server.activeHere, 1);
  server.hold(two);
  server.cutConnections();
  t.same(cut, ['one', 'two']);
  t.equal(server.activeHere, 0);
});
