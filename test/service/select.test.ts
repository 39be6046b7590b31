// Which SubVS, which real server.

import t from 'tap';
import type { RequestFacts } from '../../src/content-rule/content-rule.ts';
import { buildPlan, type Plan } from '../../src/service/build.ts';
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
    turn
  });
}

function only(settings: SmallSettings): VirtualService {
  const [service] = plan(settings).virtualServices;
  if (service === undefined) throw new Error('no service');
  return service;
}

function facts(path: string): RequestFacts {
  return {
    path: () => path,
    query: () => '',
    host: () => 'mail.example.com',
    method: () => 'GET',
    sourceAddress: () => '192.0.2.1',
    header: () => undefined
  };
}

function current(address: string, port: number, signedIn = false): Current {
  return { address, port, signedIn, destroy() {} };
}

function names(
  service: Service,
  count: number,
  using?: Current,
  tried: readonly RealServer[] = []
): string {
  const picked = Array.from({ length: count }, () => chooseRealServer(service, using, tried));
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
  const one = { destroy() {} };
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
  server(service, 1).hold({ destroy() {} });
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
