// From a configuration to running services, and from one to the next.

import t from 'tap';
import type { Health } from '../../src/config/model.ts';
import { buildPlan, type Plan } from '../../src/service/build.ts';
import { RealServer, type OpenConnection } from '../../src/service/real-server.ts';
import { espSettings } from '../fixture/esp.ts';
import { configuration, type SmallSettings } from '../fixture/configuration.ts';
import { connected } from '../fixture/counts.ts';

function next(
  settings: SmallSettings,
  before?: Plan,
  health: readonly (readonly [string, Health])[] = [],
  switched: readonly (readonly [string, number])[] = []
): Plan {
  return buildPlan({
    revision: (before?.revision ?? 0) + 1,
    configuration: configuration(settings),
    health,
    known: before?.realServers ?? new Map(),
    counters: before?.counters ?? new Map(),
    secret: 'of the test',
    switched,
    turn: 0,
    clock: () => 1_000_000
  });
}

const firstId = 'site/127.0.0.1:1';

function connection(signedIn = false): OpenConnection {
  return { signedIn, leave() {}, destroy() {} };
}

t.test('a real server lives over reloads', async (t) => {
  const before = next({ servers: [1, 2] }, undefined, [[firstId, { state: 'up' }]]);
  const server = before.realServers.get(firstId);
  t.ok(server);
  t.same(server?.health, { state: 'up' });
  const open = connection();
  server?.hold(open);
  if (server !== undefined) server.suspected = true;

  const after = next({ servers: [{ port: 1, limit: 7, enable: false }, 3] }, before);
  t.equal(after.realServers.get(firstId), server, 'the same object');
  t.equal(server?.settings.limit, 7);
  t.notOk(server?.isAvailable);
  t.equal(server?.activeHere, 1, 'its connections are still counted');
  t.equal(connected(server?.row), 1);
  t.same(server?.health, { state: 'up' }, 'its health stays');
  t.notOk(server?.suspected, 'the primary checks anew');
  t.same([...after.realServers.keys()], [firstId, 'site/127.0.0.1:3']);
  t.equal(after.virtualServices[0]?.realServers[0], server);

  const down: Health = { state: 'down', reason: 'test' };
  const last = next({ servers: [1] }, after, [[firstId, down]]);
  t.same(last.realServers.get(firstId)?.health, down, 'the primary knows better');
});

t.test(
  'cookies of a form are looked for in every service: browsers send them to all ports',
  (t) => {
    const before = next({ servers: [1] });
    const plain = configuration({ servers: [1] });
    const [one] = plain.virtualServices;
    if (one === undefined) throw new Error('no service');
    const guarded = { ...one, name: 'guarded', esp: espSettings() };
    const { virtualServices } = buildPlan({
      revision: 1,
      configuration: { ...plain, virtualServices: [one, guarded] },
      health: [],
      known: new Map(),
      counters: new Map(),
      secret: 'of the test',
      switched: [],
      turn: 0,
      clock: () => 1_000_000
    });
    t.notOk(before.virtualServices[0]?.seesSessions);
    t.strictSame(
      virtualServices.map(({ seesSessions, formServices }) => [seesSessions, formServices.length]),
      [
        [true, 0],
        [true, 1]
      ]
    );
    t.equal(virtualServices[1]?.formServices[0], virtualServices[1], 'one object, not two');
    t.end();
  }
);

t.test('the same server in two SubVSs is two', async (t) => {
  const plan = next({
    subVSs: [
      { name: 'OWA', prefix: '/owa', servers: [1] },
      { name: 'EWS', prefix: '/ews', servers: [1] }
    ]
  });
  t.equal(plan.realServers.size, 2);
  const [first, second] = plan.realServers.values();
  first?.hold(connection());
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
  t.equal(service?.switches.all.length, 0);
  t.equal(service?.defaultService?.fullName, 'site/Rest');
  t.equal(service?.hasSubVSs, true);
});

t.test('listeners are known by address and port', async (t) => {
  const points = next({ service: { address: '::', port: 443, extraPorts: [8443] } });
  t.strictSame(points.virtualServices[0]?.listenPoints, [
    { key: '[::]:443', address: '::', port: 443 },
    { key: '[::]:8443', address: '::', port: 8443 }
  ]);
});

t.test('connections of a real server', async (t) => {
  const settings = configuration({ servers: [1] }).virtualServices[0]?.realServers[0];
  if (settings === undefined) throw new Error('no server');
  const server = new RealServer(settings);
  const cut: string[] = [];
  const named = (name: string): OpenConnection => ({
    ...connection(),
    destroy() {
      cut.push(name);
      server.release(this);
    }
  });
  const [one, two] = [named('one'), named('two')];
  server.hold(one);
  server.hold(one);
  server.hold(two);
  server.activeElsewhere = 3;
  t.same([server.activeHere, server.active, connected(server.row)], [2, 5, 2]);
  server.release(two);
  server.release(two);
  t.equal(server.activeHere, 1);
  server.hold(two);
  server.cutConnections();
  t.same(cut.toSorted(), ['one', 'two']);
  t.equal(server.activeHere, 0);
});

t.test('a server that a reload disables or removes drains', async (t) => {
  const nowMs = 1_000_000;
  const global = { drainTimeMs: 60_000 };
  const before = next({ servers: [1, 2, 3], global });
  const [one, two, three] = before.virtualServices[0]?.realServers ?? [];
  t.notOk(one?.drained);
  const fewer = { servers: [{ port: 1, enable: false }, 2], global };
  const id = (port: number): string => `site/127.0.0.1:${port}`;
  const after = next(
    fewer,
    before,
    [],
    [
      [id(1), nowMs - 1000],
      [id(3), nowMs - 1000]
    ]
  );
  t.same(
    after.virtualServices[0]?.realServers,
    [one, two, three],
    'the removed one is still there'
  );
  t.equal(after.realServers.get(id(3)), three);
  for (const draining of [one, three]) {
    t.match(draining, { settings: { enable: false }, drained: false, acceptsPersistent: true });
    t.equal(draining?.drainEndsMs, nowMs + 59_000);
    t.notOk(draining?.isAvailable);
  }
  t.equal(two?.acceptsPersistent, true);

  const again = next(
    fewer,
    after,
    [],
    [
      [id(1), nowMs - 1000],
      [id(3), nowMs - 1000]
    ]
  );
  t.equal(again.virtualServices[0]?.realServers[2], three, 'a further reload changes nothing');
  const over = next(fewer, again);
  t.same(over.virtualServices[0]?.realServers, [one, two], 'its time is over');
  t.match([one, three], [{ drained: true, acceptsPersistent: false }, { drained: true }]);
  t.notOk(over.realServers.has(id(3)));

  const back = next({ servers: [1, 2, 3], global }, again, [], [[id(3), nowMs]]);
  t.same(back.virtualServices[0]?.realServers, [one, two, three]);
  t.match(three, { settings: { enable: true }, isAvailable: true, enabledAtMs: nowMs });
  t.notOk(
    next({ servers: [{ port: 1, enable: false }] }).realServers.get(id(1))?.acceptsPersistent
  );
});

t.test('servers of a service that is gone drain as well', async (t) => {
  const before = next({ subVSs: [{ name: 'OWA', prefix: '/owa', servers: [1] }] });
  const [server] = before.realServers.values();
  const switched = [['site/OWA/127.0.0.1:1', 1_000_000]] as const;
  const after = next(
    { subVSs: [{ name: 'EWS', prefix: '/ews', servers: [1] }] },
    before,
    [],
    switched
  );
  t.equal(after.realServers.get('site/OWA/127.0.0.1:1'), server);
  t.match(server, { drained: false, settings: { enable: false } });
  t.equal(after.virtualServices[0]?.switches.all[0]?.service.realServers.length, 1);
});

t.test('since when a server is up, for the slow start', async (t) => {
  const plan = next({ servers: [1] }, undefined, [[firstId, { state: 'up' }]]);
  const server = plan.realServers.get(firstId);
  t.equal(server?.upSinceMs, 0, 'from the start');
  if (server !== undefined) server.health = { state: 'up', sinceMs: 500 };
  t.equal(server?.upSinceMs, 500);
  next({ servers: [1] }, plan, [], [[firstId, 700]]);
  t.equal(server?.upSinceMs, 700, 'enabled later');
  if (server !== undefined) server.health = { state: 'up', sinceMs: 900 };
  t.equal(server?.upSinceMs, 900, 'down and up again since');
});

t.test('slow start comes from the global settings', async (t) => {
  const settings = { servers: [1, 2], service: { schedule: 'lc' } } as const;
  const pick = (slowStartMs: number): string | undefined => {
    const { virtualServices } = next({ ...settings, global: { slowStartMs } }, undefined, [
      [firstId, { state: 'up', sinceMs: 999_000 }]
    ]);
    const [service] = virtualServices;
    for (const server of service?.realServers ?? []) server.activeElsewhere = 1;
    const [fresh] = service?.realServers ?? [];
    if (fresh !== undefined) fresh.activeElsewhere = 0.5; // half of what the other one has
    return service?.scheduler.pick(service.realServers, '')?.settings.name;
  };
  t.equal(pick(0), 'ex1');
  t.equal(pick(60_000), 'ex2');
});
