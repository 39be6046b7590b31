// What is told of pre-authentication: status words where a directory is lost, and who is signed in.

import t from 'tap';
import type { VirtualService } from '../../src/config/model.ts';
import type { Directory, DirectoryHealth } from '../../src/directory/directory.ts';
import type { Logger } from '../../src/log.ts';
import { Logons } from '../../src/primary/logons.ts';
import { countGate, reportGate, reportSessions } from '../../src/primary/sessions.ts';
import { reportStatus } from '../../src/primary/status-report.ts';
import { isUsable, virtualServiceStatus, type Sight } from '../../src/primary/status.ts';
import { espSettings } from '../fixture/esp.ts';
import { configurationOf, healthTable, realServer, ssoDomain } from './configuration.ts';
import { subVS, virtualService } from './configuration.ts';

const at = { address: '10.0.0.11', port: 443 };
const [a, b, n] = [realServer('a', at), realServer('b', at), realServer('n', at)];
const sight: Sight = {
  healthOf: healthTable({ a: 'up', b: 'down', n: 'unchecked' }),
  whyNoLogon: (domain) => (domain === 'LOST.COM' ? 'dc1:389: timed out' : undefined)
};
const lost = espSettings({ domain: 'LOST.COM' });
const known = espSettings();
const message = { code: 503, urlOrText: 'Endpoint not available' };
const login = { name: 'Authentication_Proxy', pattern: '/^\\/lm_auth_proxy.*/', negate: false };
const proxy = { name: 'Authentication Proxy', rules: [login as never] };

const cases: [what: string, service: VirtualService, status: string, usable: boolean][] = [
  ['its directory answers', virtualService({ realServers: [a], esp: known }), 'Up', true],
  [
    'its directory is lost',
    virtualService({ realServers: [a], esp: lost }),
    'Security Down',
    false
  ],
  [
    'so it is with Basic',
    virtualService({ realServers: [n], esp: { ...lost, clientMode: 'basic' } }),
    'Security Down',
    false
  ],
  ['the servers as well', virtualService({ realServers: [b], esp: lost }), 'Down', false],
  [
    'and it is disabled',
    virtualService({ realServers: [a], esp: lost, enable: false }),
    'Disabled',
    false
  ],
  [
    'a directory that nobody is asked about',
    virtualService({ realServers: [a], esp: { ...lost, clientMode: 'delegate' } }),
    'Up',
    true
  ],
  [
    'one SubVS needs no directory',
    virtualService({
      subVSs: [subVS({ realServers: [a], esp: lost }), subVS({ realServers: [a] })]
    }),
    'Up',
    true
  ],
  [
    'all that are up need the lost one',
    virtualService({
      subVSs: [subVS({ realServers: [a], esp: lost }), subVS({ realServers: [b] })]
    }),
    'Security Down',
    false
  ],
  [
    'an Authentication Proxy with servers makes nothing up',
    virtualService({
      subVSs: [subVS({ ...proxy, realServers: [n], esp: known }), subVS({ realServers: [b] })]
    }),
    'Down',
    false
  ],
  [
    'nor does one with an answer',
    virtualService({
      subVSs: [
        subVS({ ...proxy, notAvailable: message, esp: known }),
        subVS({ realServers: [b], esp: known })
      ]
    }),
    'Down',
    false
  ],
  [
    'nor one without its directory hide that servers are down',
    virtualService({
      subVSs: [subVS({ ...proxy, notAvailable: message, esp: lost }), subVS({ realServers: [b] })]
    }),
    'Down',
    false
  ],
  [
    'nor that others are up',
    virtualService({
      subVSs: [subVS({ ...proxy, notAvailable: message }), subVS({ realServers: [a] })]
    }),
    'Up',
    true
  ]
];

t.test('status words', (t) => {
  for (const [what, service, status, usable] of cases) {
    t.equal(virtualServiceStatus(service, sight), status, what);
    t.equal(isUsable(configurationOf([service]), sight), usable, `${what}: usable`);
  }
  t.end();
});

t.test('each service says why', (t) => {
  const subVSs = [subVS({ realServers: [a], esp: lost }), subVS({ name: 'EWS', realServers: [a] })];
  const counts = { connections: 0, requests: 0, sessions: 0, bytesToServer: 0, bytesFromServer: 0 };
  const report = reportStatus({
    version: '',
    phase: 'ready',
    revision: 1,
    nowMs: 0,
    configuration: configurationOf([virtualService({ subVSs })]),
    record: (id) => ({
      health: sight.healthOf(id),
      sinceMs: 0,
      lastCheckAtMs: 0,
      lastCheckDurationMs: 0
    }),
    clients: 0,
    requests: 0,
    sessions: 0,
    errors: {},
    countsOf: () => counts,
    active: () => 0,
    persistence: {},
    gate: { ssoDomains: [{ name: 'LOST.COM' }] },
    whyNoLogon: sight.whyNoLogon,
    workers: []
  });
  t.match(report, {
    ssoDomains: [{ name: 'LOST.COM' }],
    virtualServices: [
      {
        status: 'Up',
        reason: null,
        subVSs: [
          {
            status: 'Security Down',
            reason: 'SSO domain LOST.COM: dc1:389: timed out',
            realServers: [{ status: 'Up' }]
          },
          { status: 'Up', reason: null }
        ]
      }
    ]
  });
  t.end();
});

const nowMs = Date.parse('2026-01-01T00:00:00Z');

function openLogons(health: DirectoryHealth, downReason: string | undefined): Logons {
  const directory = { health, downReason, canonicalName: (user: string) => user, stop() {} };
  return new Logons({
    log: {} as Logger,
    openDirectory: () => directory as unknown as Directory,
    onEnded: () => {}
  });
}

t.test('directories, and who is signed in or blocked', (t) => {
  const configuration = {
    ...configurationOf([]),
    ssoDomains: [ssoDomain({ lockout: { failuresMax: 1, resetMs: 1, blockedMs: 60_000 } })]
  };
  const [domain = ssoDomain()] = configuration.ssoDomains;
  const health: DirectoryHealth = {
    state: 'down',
    servers: [
      { server: 'dc1:389', state: 'down', reason: 'timed out', sinceMs: nowMs },
      { server: 'dc2:389', state: 'unknown', reason: '', sinceMs: nowMs }
    ]
  };
  const logons = openLogons(health, 'dc1:389: timed out');
  t.teardown(() => logons.stop());
  logons.reconcile(configuration);
  const secrets = { key: 'secret key', sealedLogon: 'secret logon' };
  const times = { endsAtMs: nowMs + 2000, idleMs: 60_000 };
  const alice = { user: 'alice@example.com', domain: 'EXAMPLE.COM', isPrivate: true };
  const signIn = {
    account: 'alice',
    how: 'form',
    client: '192.0.2.1',
    memberOf: new Set<string>()
  } as const;
  logons.passes.add({ ...alice, ...times, ...secrets }, signIn, nowMs);
  logons.passes.used(secrets.key, nowMs + 1000);
  logons.lockouts.failed(domain, 'eve', nowMs);
  logons.counts.failures = 1;

  const report = reportGate(logons, configuration, nowMs + 1500);
  t.strictSame(report, {
    ssoDomains: [
      {
        name: 'EXAMPLE.COM',
        status: 'Security Down',
        reason: 'dc1:389: timed out',
        servers: [
          {
            server: 'dc1:389',
            status: 'Down',
            reason: 'timed out',
            since: '2026-01-01T00:00:00.000Z'
          },
          {
            server: 'dc2:389',
            status: 'Unchecked',
            reason: null,
            since: '2026-01-01T00:00:00.000Z'
          }
        ]
      }
    ],
    preAuthentication: {
      logons: 0,
      failures: 1,
      unavailable: 0,
      lockouts: 1,
      sessions: {
        total: 1,
        list: [
          {
            user: 'alice@example.com',
            domain: 'EXAMPLE.COM',
            mode: 'form',
            client: '192.0.2.1',
            private: true,
            since: '2026-01-01T00:00:00.000Z',
            lastUse: '2026-01-01T00:00:01.000Z'
          }
        ]
      },
      blocked: {
        total: 1,
        list: [{ user: 'eve', domain: 'EXAMPLE.COM', until: '2026-01-01T00:01:00.000Z' }]
      }
    }
  });
  t.match(countGate(logons, configuration, nowMs + 1500), {
    logons: { success: 0, failure: 1, unavailable: 0 },
    lockouts: 1,
    blocked: 1,
    domains: [
      {
        name: 'EXAMPLE.COM',
        isUp: false,
        servers: [{ isUp: false }, { isUp: true }],
        sessions: { form: 1, basic: 0 }
      }
    ]
  });
  const later = reportSessions(logons, nowMs + 60_000);
  t.match(later, { sessions: { total: 0 }, blocked: { total: 0 } }, 'only what holds');
  t.end();
});

t.test('of many a thousand are listed', (t) => {
  const logons = openLogons({ state: 'up', servers: [] }, undefined);
  const domain = ssoDomain({ lockout: { failuresMax: 1, resetMs: 1, blockedMs: 60_000 } });
  const times = { endsAtMs: nowMs + 1, idleMs: 1 };
  const common = { domain: 'EXAMPLE.COM', isPrivate: false, sealedLogon: '', ...times };
  for (let i = 0; i < 1500; i++) {
    const who = { key: `${i}`, user: `u${i}` };
    const signIn = {
      account: `u${i}`,
      how: 'form',
      client: '192.0.2.1',
      memberOf: new Set<string>()
    } as const;
    logons.passes.add({ ...common, ...who }, signIn, nowMs);
    logons.lockouts.failed(domain, `b${i}`, nowMs);
  }
  const { sessions, blocked } = reportSessions(logons, nowMs);
  t.strictSame(
    [sessions.total, sessions.list.length, sessions.list[0]?.user],
    [1500, 1000, 'u1499']
  );
  t.strictSame([blocked.total, blocked.list.length], [1500, 1000]);
  t.end();
});
