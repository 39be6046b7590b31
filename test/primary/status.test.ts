import t from 'tap';
import type { CheckSettings, VirtualService } from '../../src/config/model.ts';
import { reportStatus } from '../../src/primary/status-report.ts';
import { isUsable, realServerStatus, virtualServiceStatus } from '../../src/primary/status.ts';
import { serviceTls } from '../fixture/tls-settings.ts';
import { checkSettings, configurationOf, healthTable } from './configuration.ts';
import { mailService, tcpSettings } from './configuration.ts';
import { realServer, subVS, virtualService } from './configuration.ts';

const at = { address: '10.0.0.11', port: 443 };
const [a, b, off] = [
  realServer('a', at),
  realServer('b', at),
  realServer('off', at, { enable: false })
];
const redirect = { code: 302, urlOrText: 'https://%h%s' };
const message = { code: 503, urlOrText: 'Endpoint not available' };
const healthOf = healthTable({ a: 'up', b: 'down', off: 'up', n: 'unchecked' });
const sight = { healthOf, whyNoLogon: () => undefined };
const n = realServer('n', at);

const critical = realServer('b', at, { critical: true });
const cases: [what: string, service: VirtualService, status: string, usable: boolean][] = [
  ['a server is up', virtualService({ realServers: [a, b] }), 'Up', true],
  ['all are down', virtualService({ realServers: [b] }), 'Down', false],
  ['the only one up is disabled', virtualService({ realServers: [b, off] }), 'Down', false],
  ['not checked yet', virtualService({ realServers: [realServer('new', at)] }), 'Down', false],
  ['check none', virtualService({ realServers: [n] }), 'Unchecked', true],
  ['disabled', virtualService({ realServers: [a], enable: false }), 'Disabled', false],
  ['redirector', virtualService({ notAvailable: redirect }), 'Redirect', true],
  ['fixed message', virtualService({ notAvailable: message }), 'Fail Message', true],
  ['nothing at all', virtualService(), 'Down', false],
  [
    'fewer than rsMinimum',
    virtualService({ rsMinimum: 2, realServers: [a, b, off] }),
    'Down',
    false
  ],
  ['as many as rsMinimum', virtualService({ rsMinimum: 2, realServers: [a, b, n] }), 'Up', true],
  [
    'a critical one is down',
    virtualService({ rsMinimum: 1, realServers: [a, critical] }),
    'Down',
    false
  ],
  ['critical means nothing alone', virtualService({ realServers: [a, critical] }), 'Up', true],
  [
    'a SubVS below its minimum',
    virtualService({ subVSs: [subVS({ rsMinimum: 2, realServers: [a, b] })] }),
    'Down',
    false
  ],
  [
    'all are down behind a message',
    virtualService({ realServers: [b], notAvailable: message }),
    'Down',
    false
  ],
  [
    'one SubVS of two is up',
    virtualService({ subVSs: [subVS({ realServers: [b] }), subVS({ realServers: [a] })] }),
    'Up',
    true
  ],
  ['all SubVSs are down', virtualService({ subVSs: [subVS({ realServers: [b] })] }), 'Down', false],
  [
    'the SubVS that is up is disabled',
    virtualService({ subVSs: [subVS({ realServers: [a], enable: false })] }),
    'Down',
    false
  ],
  [
    'SubVSs unchecked',
    virtualService({ subVSs: [subVS({ realServers: [n] })] }),
    'Unchecked',
    true
  ],
  ['SubVSs without servers', virtualService({ subVSs: [subVS()] }), 'Down', false],
  [
    'all are down, with a sorry server',
    virtualService({ realServers: [b], standby: n }),
    'Sorry',
    false
  ],
  [
    'one is up, with a sorry server',
    virtualService({ realServers: [a, b], standby: n }),
    'Up',
    true
  ],
  ['a sorry server alone', virtualService({ standby: n, notAvailable: message }), 'Sorry', true],
  [
    'a sorry server for a SubVS',
    virtualService({ subVSs: [subVS({ realServers: [b], standby: n })] }),
    'Sorry',
    false
  ],
  [
    'the sorry server of the service for a SubVS',
    virtualService({ standby: n, subVSs: [subVS({ realServers: [b] })] }),
    'Sorry',
    false
  ],
  [
    'a SubVS with an answer of its own has none',
    virtualService({ standby: n, subVSs: [subVS({ realServers: [b], notAvailable: message })] }),
    'Down',
    false
  ],
  [
    'one SubVS is sorry, one is up',
    virtualService({
      standby: n,
      subVSs: [subVS({ realServers: [b] }), subVS({ realServers: [a] })]
    }),
    'Up',
    true
  ],
  [
    'disabled with SubVSs',
    virtualService({ enable: false, subVSs: [subVS({ realServers: [a] })] }),
    'Disabled',
    false
  ]
];

t.test('status words', (t) => {
  for (const [what, service, status, usable] of cases) {
    t.equal(virtualServiceStatus(service, sight), status, what);
    t.equal(isUsable(configurationOf([service]), sight), usable, `${what}: usable`);
  }
  t.equal(realServerStatus(off, { state: 'up' }), 'Disabled');
  t.equal(realServerStatus(a, { state: 'unknown' }), 'Down');
  t.end();
});

t.test('a redirector does not hide that all else is down', (t) => {
  const down = virtualService({ realServers: [b] });
  const redirector = virtualService({ notAvailable: redirect });
  t.equal(isUsable(configurationOf([redirector, down]), sight), false);
  t.equal(isUsable(configurationOf([]), sight), false, 'no service at all');
  t.end();
});

t.test('the table of the guide', (t) => {
  const nowMs = Date.parse('2026-01-01T00:01:00Z');
  const sinceMs = Date.parse('2026-01-01T00:00:00Z');
  const certificate = {
    chainPem: '',
    keyPem: 'secret',
    dnsNames: ['mail.example.com'],
    ocsp: undefined
  };
  const tls = serviceTls({ certificates: ['mail'] });
  const check = checkSettings({
    type: 'https',
    port: 443,
    url: '/owa/healthcheck.htm',
    intervalMs: 9000,
    timeoutMs: 4000
  });
  const rule = { name: 'OWA', pattern: '/owa' } as never;
  const report = (selfSigned: boolean): object =>
    reportStatus({
      version: '0.1.0',
      phase: 'ready',
      revision: 7,
      nowMs,
      configuration: {
        ...configurationOf([
          virtualService({
            name: 'Exchange',
            address: '192.0.2.10',
            port: 443,
            tls,
            subVSs: [subVS({ check, rules: [rule], realServers: [a, b] })]
          }),
          virtualService({
            name: 'redirect',
            notAvailable: redirect,
            check: { ...check, type: 'none' }
          })
        ]),
        certificates: [{ ...certificate, name: 'mail', selfSigned }]
      },
      record: (id) => ({
        health: healthOf(id),
        sinceMs,
        lastCheckAtMs: nowMs,
        lastCheckDurationMs: 1.26
      }),
      clients: 3,
      requests: 9,
      sessions: 4,
      errors: { 'no-server': 1 },
      countsOf: (id) => ({
        connections: id === 'a' ? 4 : 0,
        requests: 8,
        sessions: 0,
        bytesToServer: 16,
        bytesFromServer: 32
      }),
      active: (id) => (id === 'a' ? 2 : 0),
      persistence: { records: 5 },
      gate: {},
      whyNoLogon: sight.whyNoLogon,
      workers: [{ pid: 17, startedAtMs: nowMs - 61_500, stage: 'serving' }]
    });
  const text = JSON.stringify(report(false));
  t.notMatch(text, 'secret', 'no key in it');
  t.match(JSON.parse(text), {
    version: '0.1.0',
    state: 'ready',
    revision: 7,
    workers: [{ pid: 17, uptimeSeconds: 61, state: 'serving' }],
    clients: 3,
    requests: 9,
    sessions: 4,
    errors: { 'no-server': 1 },
    persistence: { records: 5 },
    virtualServices: [
      {
        name: 'Exchange',
        address: '192.0.2.10',
        port: 443,
        extraPorts: [],
        vsType: 'http',
        protocol: null,
        startTls: null,
        prot: 'tcp',
        layer: 'L7',
        certificateInstalled: ['mail'],
        status: 'Up',
        subVSs: [
          {
            name: 'OWA',
            status: 'Up',
            rules: ['OWA'],
            schedule: 'lc',
            check:
              'https GET /owa/healthcheck.htm on port 443, every 9 s, 4 s for an answer, 2 retries',
            realServers: [
              {
                name: 'a',
                address: '10.0.0.11',
                port: 443,
                weight: 1000,
                limit: 0,
                enable: true,
                status: 'Up',
                reason: null,
                since: '2026-01-01T00:00:00.000Z',
                lastCheck: '2026-01-01T00:01:00.000Z',
                lastCheckMs: 1.3,
                activeConnections: 2,
                connections: 4,
                requests: 8,
                bytesToServer: 16,
                bytesFromServer: 32
              },
              { name: 'b', status: 'Down', reason: 'test', activeConnections: 0 }
            ]
          }
        ]
      },
      { name: 'redirect', status: 'Redirect', certificateInstalled: 'none', check: 'none' }
    ]
  });
  t.match(report(true), { virtualServices: [{ certificateInstalled: 'self-signed' }] });
  t.end();
});

t.test('mail has sessions, and its checks are told in words', (t) => {
  const onPort = (id: string, port: number) => realServer(id, { address: '10.0.0.11', port });
  const checked = (settings: Partial<CheckSettings>, ...ports: number[]): VirtualService =>
    mailService({
      check: checkSettings({ intervalMs: 9000, timeoutMs: 4000, ...settings }),
      realServers: ports.map((port, n) => onPort(String(n), port))
    });
  const checks: [service: VirtualService, words: string][] = [
    [checked({ type: 'imap', port: 143 }, 993), 'imap on port 143'],
    [checked({ type: 'imap' }, 143), "imap on the server's port"],
    [checked({ type: 'imap', port: 993 }, 143), 'imap over TLS on port 993'],
    [checked({ type: 'pop3' }, 995, 995), "pop3 over TLS on the server's port"],
    [checked({ type: 'pop3' }, 995, 110), "pop3 on the server's port"],
    [checked({ type: 'smtp', tls: false }, 465), "smtp on the server's port"],
    [checked({ type: 'smtp', tls: true, port: 26 }, 25), 'smtp over TLS on port 26'],
    [checked({ type: 'tcp', port: 993 }, 993), 'tcp on port 993'],
    [checked({ type: 'http' }, 80), "http GET / on the server's port"]
  ];
  const startTls = mailService({
    name: 'STARTTLS',
    vsType: 'tls',
    extraPorts: [1143, 2143],
    tcp: tcpSettings({ startTls: 'offered' }),
    realServers: [a],
    standby: n
  });
  const report = reportStatus({
    version: '0.1.0',
    phase: 'ready',
    revision: 1,
    nowMs: 0,
    configuration: configurationOf([startTls, ...checks.map(([service]) => service)]),
    record: () => undefined,
    clients: 0,
    requests: 0,
    sessions: 12,
    errors: {},
    countsOf: () => ({
      connections: 4,
      requests: 0,
      sessions: 3,
      bytesToServer: 0,
      bytesFromServer: 0
    }),
    active: () => 1,
    persistence: {},
    gate: {},
    whyNoLogon: () => undefined,
    workers: []
  });
  const [first, ...others] = (report as { virtualServices: Record<string, unknown>[] })
    .virtualServices;
  t.match(first, {
    vsType: 'tls',
    protocol: 'imap',
    startTls: 'offered',
    port: 143,
    extraPorts: [1143, 2143],
    realServers: [{ activeConnections: 1, connections: 4, sessions: 3 }],
    sorryServer: { sessions: 3 },
    subVSs: []
  });
  t.notMatch(JSON.stringify(first), /requests/);
  t.strictSame(
    others.map(({ check }) => check),
    checks.map(([, words]) => `${words}, every 9 s, 4 s for an answer, 2 retries`)
  );
  t.end();
});
