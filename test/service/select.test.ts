// Which SubVS, which real server.

import t from 'tap';
import type { RequestFacts } from '../../src/content-rule/content-rule.ts';
import { buildPlan, type Plan } from '../../src/service/build.ts';
import type { RealServer as RealServerSettings } from '../../src/config/model.ts';
import type { RealServer } from '../../src/service/real-server.ts';
import { chooseRealServer, chooseService, type Current } from '../../src/service/select.ts';
import type { Service, VirtualService } from '../../src/service/virtual-service.ts';
import { configuration, type SmallSettings } from '../fixture/configuration.ts';

function plan(settings: SmallSettings, turn = 0): Plan {
  return buildPlan({
    revision: 1,
    configuration: configuration(settings),
    health: [],
    known: new Map(),
    counters: new Map(),
    secret: 'of the test',
    switched: [],
    turn,
    clock: Date.now
  });
}

function only(settings: SmallSettings): VirtualService {
  const [service] = plan(settings).virtualServices;
  if (service === undefined) throw new Error('no service');
  return service;
}

function facts(path: string): RequestFacts {
  return {
    flags: 0,
    path: () => path,
    query: () => '',
    host: () => 'mail.example.com',
    method: () => 'GET',
    sourceAddress: () => '192.0.2.1',
    header: () => undefined
  };
}

function current(address: string, port: number, signedIn = false): Current {
  return { address, port, signedIn, leave() {}, destroy() {} };
}

function sorry(id: string): RealServerSettings {
  const { settings } = server(only({ servers: [9] }), 0);
  return { ...settings, id, name: 'sorry' };
}

function names(
  service: Service,
  count: number,
  using?: Current,
  tried: readonly RealServer[] = []
): string {
  const picked = Array.from({ length: count }, () =>
    chooseRealServer(service, using, tried, '192.0.2.1')
  );
  return picked.map((server) => server?.settings.name ?? '-').join(' ');
}

function server(service: Service, i: number): RealServer {
  const found = service.realServers[i];
  if (found === undefined) throw new Error(`no server ${i}`);
  return found;
}

t.test('content rules: first match wins, in the order of the SubVSs', async (t) => {
  const service = only({
    subVSs: [
      { name: 'Calendar', prefix: '/owa/calendar', servers: [1] },
      { name: 'OWA', prefix: '/owa', servers: [2] },
      { name: 'Rest', servers: [3] }
    ]
  });
  const chosen = (path: string): string => chooseService(service, facts(path)).fullName;
  t.equal(chosen('/OWA/Calendar/x'), 'site/Calendar');
  t.equal(chosen('/owa/'), 'site/OWA');
  t.equal(chosen('/other'), 'site/Rest', 'the default SubVS takes what no rule matches');
});

t.test('no match, must fail, and SubVSs that are disabled', async (t) => {
  const service = only({
    subVSs: [
      { name: 'Bad', prefix: '/bad', rule: { mustFail: true }, servers: [1] },
      { name: 'Off', prefix: '/owa', servers: [2], settings: { enable: false } }
    ],
    // Servers of its own are not asked where there are SubVSs.
    servers: [9]
  });
  t.throws(() => chooseService(service, facts('/bad/x')), { code: 'rule-must-fail' });
  t.throws(() => chooseService(service, facts('/owa')), { code: 'no-rule' });
  t.throws(() => chooseService(service, facts('/')), { code: 'no-rule' });
  const allOff = only({
    subVSs: [{ name: 'Off', prefix: '/', servers: [2], settings: { enable: false } }],
    servers: [9]
  });
  t.throws(() => chooseService(allOff, facts('/')), { code: 'no-rule' });
});

t.test('only servers that are enabled, not down and below their limit', async (t) => {
  const service = only({
    servers: [1, { port: 2, enable: false }, { port: 3, limit: 1 }, 4]
  });
  t.equal(names(service, 3), 'ex3 ex4 ex1', 'unknown health counts as up');
  server(service, 3).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2), 'ex3 ex1');
  const one = { signedIn: false, leave() {}, destroy() {} };
  server(service, 2).hold(one);
  t.equal(names(service, 3), 'ex1 ex1 ex1', 'the limit is reached');
  server(service, 2).release(one);
  server(service, 2).activeElsewhere = 1;
  t.equal(names(service, 2), 'ex1 ex1', 'another worker reached it');
  server(service, 2).activeElsewhere = 0;
  t.match(names(service, 3), 'ex3');
  server(service, 0).health = { state: 'down', reason: 'test' };
  server(service, 2).settings = { ...server(service, 2).settings, enable: false };
  t.equal(names(service, 2), '- -', 'none is left');
});

t.test('a service that needs several servers, or a certain one', async (t) => {
  const settings = { servers: [1, 2, { port: 3, critical: true }] };
  const service = only({ ...settings, service: { rsMinimum: 2 } });
  const down = { state: 'down', reason: 'test' } as const;
  t.equal(names(service, 4), 'ex2 ex3 ex1 ex2', 'unknown health counts as up');
  server(service, 0).health = down;
  t.match(names(service, 2), /ex2 ex3|ex3 ex2/, 'two of three will do');
  server(service, 1).health = down;
  t.equal(names(service, 1), '-');
  t.equal(service.whyDown?.(), '1 real servers are up and rsMinimum is 2');
  t.equal(names(service, 1, current('127.0.0.1', 3)), '-', 'not even where the client is');
  server(service, 1).health = { state: 'unchecked' };
  t.equal(names(service, 1, current('127.0.0.1', 3)), 'ex3');
  server(service, 0).health = { state: 'up' };
  server(service, 2).health = down;
  t.equal(names(service, 1), '-');
  t.equal(service.whyDown?.(), 'critical real server ex3 is down');
  server(service, 2).health = { state: 'up' };
  server(service, 2).settings = { ...server(service, 2).settings, enable: false };
  t.equal(service.whyDown?.(), 'critical real server ex3 is disabled');
  server(service, 2).settings = { ...server(service, 2).settings, enable: true };
  server(service, 2).suspected = true;
  t.equal(service.whyDown?.(), undefined, 'only the primary says who is down');
  const plain = only(settings);
  server(plain, 2).health = down;
  t.equal(plain.whyDown, undefined, 'without rsMinimum nobody is asked');
  t.match(names(plain, 2), /ex1 ex2|ex2 ex1/);
});

t.test('below the minimum the sorry server serves', async (t) => {
  const service = only({
    servers: [1, 2],
    service: { rsMinimum: 2, standby: sorry('site/sorry@127.0.0.1:9') }
  });
  t.match(names(service, 1), /^ex/);
  server(service, 0).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2), 'sorry sorry');
  const { sorryServer } = service;
  t.equal(names(service, 1, undefined, sorryServer === undefined ? [] : [sorryServer]), '-');
});

t.test('one under suspicion is taken only when there is no other', async (t) => {
  const service = only({ servers: [1, 2] });
  server(service, 0).suspected = true;
  t.equal(names(service, 3), 'ex2 ex2 ex2');
  t.equal(names(service, 2, undefined, [server(service, 1)]), 'ex1 ex1');
  server(service, 1).suspected = true;
  t.match(names(service, 2), /ex1.*ex2|ex2.*ex1/, 'both suspected: both are tried');
});

t.test('servers that were tried are out', async (t) => {
  const service = only({ servers: [1, 2] });
  t.equal(names(service, 2, undefined, [server(service, 0)]), 'ex2 ex2');
  t.equal(names(service, 1, undefined, [...service.realServers]), '-');
  t.equal(names(service, 2, current('127.0.0.1', 1), [server(service, 0)]), 'ex2 ex2');
});

t.test('least connection counts the connections of all workers', async (t) => {
  const service = only({ servers: [1, 2, 3], service: { schedule: 'lc' } });
  server(service, 0).activeElsewhere = 5;
  server(service, 1).hold({ signedIn: false, leave() {}, destroy() {} });
  t.equal(names(service, 3), 'ex3 ex3 ex3');
  server(service, 2).activeElsewhere = 2;
  t.equal(names(service, 3), 'ex2 ex2 ex2');
});

t.test('a client stays with its server', async (t) => {
  const service = only({
    servers: [
      { port: 443, address: '10.0.0.1' },
      { port: 443, address: '10.0.0.2' }
    ]
  });
  t.equal(names(service, 3, current('10.0.0.2', 443)), 'ex2 ex2 ex2');
  t.equal(names(service, 3, current('10.0.0.2', 80)), 'ex2 ex2 ex2', 'the same host, another port');
  t.match(names(service, 2, current('10.0.0.9', 443)), /ex1.*ex2|ex2.*ex1/, 'not one of these');
  server(service, 1).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2, current('10.0.0.2', 443)), 'ex1 ex1', 'not with one that is down');
});

t.test('of several servers on one address it is the one that the client uses', async (t) => {
  const service = only({ servers: [1, 2, 3] });
  for (const port of [1, 2, 3, 3, 1]) {
    t.equal(names(service, 1, current('127.0.0.1', port)), `ex${port}`);
  }
});

t.test('the limit stops new connections, not those that count already', async (t) => {
  const service = only({ servers: [{ port: 1, limit: 1 }, 2] });
  const mine = current('127.0.0.1', 1);
  server(service, 0).hold(mine);
  t.equal(names(service, 2, mine), 'ex1 ex1');
  t.equal(names(service, 2, current('127.0.0.1', 1)), 'ex2 ex2', 'another client');
});

t.test('a disabled server keeps who signed in by NTLM, and nobody else', async (t) => {
  const service = only({ servers: [1, 2] });
  const alice = current('127.0.0.1', 1, true);
  const bob = current('127.0.0.1', 1);
  for (const one of [alice, bob]) server(service, 0).hold(one);
  server(service, 0).settings = { ...server(service, 0).settings, enable: false };
  t.equal(names(service, 2, alice), 'ex1 ex1');
  t.equal(names(service, 2, bob), 'ex2 ex2');
  t.equal(names(service, 2, current('127.0.0.1', 1, true)), 'ex2 ex2', 'not a connection of it');
  server(service, 0).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2, alice), 'ex2 ex2', 'not when it is down');
});

t.test('a server that drains keeps its clients until its time is over', async (t) => {
  const service = only({ servers: [1, 2] });
  const [draining] = service.realServers;
  if (draining === undefined) throw new Error('no server');
  const alice = current('127.0.0.1', 1, true);
  draining.hold(alice);
  t.ok(draining.acceptsPersistent);
  draining.settings = { ...draining.settings, enable: false };
  t.ok(draining.acceptsPersistent, 'records for it are honoured');
  t.equal(names(service, 2, alice), 'ex1 ex1');
  draining.health = { state: 'down', reason: 'test' };
  t.notOk(draining.acceptsPersistent, 'not while it is down');
  draining.health = { state: 'up' };
  draining.drained = true;
  t.notOk(draining.acceptsPersistent);
  t.equal(names(service, 2, alice), 'ex2 ex2', 'nor who is signed in');
});

t.test('who is dismissed from a server that drains', async (t) => {
  const service = only({ servers: [1] });
  const [draining] = service.realServers;
  const left: string[] = [];
  const client = (name: string, signedIn: boolean): Current => ({
    ...current('127.0.0.1', 1, signedIn),
    leave: () => left.push(name)
  });
  draining?.hold(client('bob', false));
  draining?.hold(client('alice', true));
  draining?.dismiss();
  t.same(left, ['bob']);
  if (draining !== undefined) draining.drained = true;
  draining?.dismiss();
  t.same(left.toSorted(), ['alice', 'bob', 'bob'], 'and everybody at the end');
});

t.test('sh by the address of the client, whatever the worker', async (t) => {
  const settings = { servers: [1, 2, 3], service: { schedule: 'sh' } } as const;
  const chosen = (turn: number): (string | undefined)[] => {
    const [service] = plan(settings, turn).virtualServices;
    if (service === undefined) throw new Error('no service');
    return ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '10.0.0.1', '10.0.0.2'].map(
      (address) => chooseRealServer(service, undefined, [], address)?.settings.name
    );
  };
  t.same(chosen(0), chosen(3));
  t.equal(new Set(chosen(0)).size, 3);
});

t.test('the sorry server serves when no other can', async (t) => {
  const service = only({ servers: [1, 2], service: { standby: sorry('site/sorry@127.0.0.1:9') } });
  t.match(names(service, 2), /ex1.*ex2|ex2.*ex1/);
  server(service, 0).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2), 'ex2 ex2');
  t.equal(names(service, 1, undefined, [server(service, 1)]), 'sorry', 'all others were tried');
  server(service, 1).health = { state: 'down', reason: 'test' };
  t.equal(names(service, 2), 'sorry sorry');
  t.equal(names(service, 1, current('127.0.0.1', 9)), 'sorry');
  const tried = service.sorryServer === undefined ? [] : [service.sorryServer];
  t.equal(names(service, 1, undefined, tried), '-', 'it was tried itself');
  server(service, 0).health = { state: 'up' };
  t.equal(names(service, 1, current('127.0.0.1', 9)), 'ex1', 'back to work');
});

t.test('whose sorry server a SubVS has', async (t) => {
  const down = { servers: [] };
  const notAvailable = { code: 503, urlOrText: 'down' };
  const service = only({
    subVSs: [
      { ...down, name: 'Own', prefix: '/own', settings: { standby: sorry('own') } },
      {
        ...down,
        name: 'Both',
        prefix: '/both',
        settings: { standby: sorry('both'), notAvailable }
      },
      { ...down, name: 'Answer', prefix: '/answer', settings: { notAvailable } },
      { ...down, name: 'None', prefix: '/none' }
    ],
    service: { standby: sorry('service'), notAvailable }
  });
  const asked = (path: string): string | undefined =>
    chooseRealServer(chooseService(service, facts(path)), undefined, [], '')?.id;
  t.same(['/own', '/both', '/answer', '/none'].map(asked), ['own', 'both', undefined, 'service']);
  t.throws(
    () => chooseService(service, facts('/other')),
    { code: 'no-rule' },
    'no rule, no server'
  );
});
