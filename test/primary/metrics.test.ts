// What GET /metrics says of a known state, read by a strict parser.

import { readFileSync } from 'node:fs';
import t from 'tap';
import {
  add,
  countAnswer,
  countError,
  countLatency,
  serverPlaces,
  serverRow,
  servicePlaces,
  serviceRow,
  type Row
} from '../../src/counters.ts';
import { errorCodes } from '../../src/error.ts';
import type { RowChange } from '../../src/messages.ts';
import { labelText } from '../../src/primary/exposition.ts';
import { families } from '../../src/primary/metric-families.ts';
import { reportMetrics, type MetricsInput } from '../../src/primary/metrics.ts';
import { noReloads, noteReload } from '../../src/primary/reload-record.ts';
import { WorkerCounts } from '../../src/primary/worker-counts.ts';
import { Scrape } from '../fixture/exposition.ts';
import { espSettings } from '../fixture/esp.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { configurationOf, mailService, realServer, subVS } from './configuration.ts';
import { virtualService } from './configuration.ts';
import { readmeFile, withMetrics } from './metrics-table.ts';

const { pem } = await testCertificate('mail.example.com');
const odd = 'a "quoted" \\ name\nof two lines';
const site = virtualService({
  name: 'Mail',
  tls: { tlsType: 3, ciphers: [], certificates: ['mail'] } as never,
  subVSs: [
    subVS({
      name: 'OWA',
      realServers: [
        realServer('Mail/OWA/a', { address: '10.0.0.1', port: 443 }, { name: odd }),
        realServer('Mail/OWA/b', { address: '::1', port: 443 }, { name: odd, enable: false })
      ]
    })
  ]
});
const redirect = virtualService({
  name: 'redirect',
  notAvailable: { code: 302, urlOrText: 'https://%h%s' }
});

const mail = mailService({
  name: 'IMAP',
  realServers: [realServer('IMAP/a', { address: '10.0.0.1', port: 143 }, { name: 'EX01' })]
});

const lost = virtualService({
  name: 'Lost',
  notAvailable: { code: 503, urlOrText: 'no' },
  esp: espSettings({ domain: 'LOST.COM' })
});

/** What a worker would tell of a row that was empty before. */
function change(key: string, row: Row): RowChange {
  return [key, [...row.entries()].flatMap(([place, value]) => (value === 0 ? [] : [place, value]))];
}

function state(): MetricsInput {
  const counts = new WorkerCounts();
  const https = serviceRow();
  const owa = serviceRow();
  const server = serverRow();
  add(https, servicePlaces.clientConnections, 4);
  add(https, servicePlaces.tlsHandshakes, 3);
  add(https, servicePlaces.tlsFailures, 1);
  countAnswer(https, servicePlaces.answers, 404);
  countError(https, 'no-rule');
  for (const ms of [0.5, 1, 1.1, 1_700_000, 3_600_001]) {
    countLatency(owa, servicePlaces.duration, ms);
  }
  countLatency(owa, servicePlaces.firstByte, 30);
  for (const status of [200, 204, 302, 503, 0]) countAnswer(server, serverPlaces.answers, status);
  countError(owa, 'client-closed');
  add(server, serverPlaces.connections, 2);
  add(server, serverPlaces.connectFailures, 1);
  add(server, serverPlaces.bytesToServer, 2 ** 40);
  add(server, serverPlaces.bytesFromServer, 5);
  const sessions = serviceRow();
  const mailServer = serverRow();
  countLatency(sessions, servicePlaces.duration, 30_000);
  countError(sessions, 'idle');
  add(mailServer, serverPlaces.sessions, 3);
  add(mailServer, serverPlaces.bytesToServer, 9);
  counts.join(7);
  counts.report(7, {
    services: [change('Mail', https), change('Mail/OWA', owa), change('IMAP', sessions)],
    servers: [change('Mail/OWA/a', server), change('IMAP/a', mailServer)],
    clients: 3,
    clientsOf: [['Mail', 2]],
    residentBytes: 1e8,
    loopDelay: { p50: 0.1, p99: 2, max: 30.5 }
  });
  const reloads = noteReload(noteReload(noReloads(1000), 'applied', 2000), 'refused', 3000);
  const certificate = { name: 'mail', chainPem: pem, keyPem: 'secret', dnsNames: [] };
  return {
    version: '0.1.0',
    startedAtMs: 1_500_000_000_000,
    isReady: true,
    revision: 2,
    reloads,
    configuration: {
      ...configurationOf([site, redirect, mail, lost]),
      certificates: [{ ...certificate, selfSigned: true } as never]
    },
    record: (id) => ({
      health: id.endsWith('/a') ? { state: 'up' } : { state: 'down', reason: 'test' },
      sinceMs: 0,
      lastCheckAtMs: 1_500_000_001_000,
      lastCheckDurationMs: 12.5
    }),
    counts,
    active: (id) => (id.endsWith('/a') ? 6 : 0),
    persistenceEntries: (name) => (name === 'Mail/OWA' ? 17 : name === 'IMAP' ? 8 : undefined),
    gate: {
      logons: { success: 8, failure: 3, unavailable: 1 },
      lockouts: 2,
      blocked: 1,
      domains: [
        {
          name: 'EXAMPLE.COM',
          isUp: true,
          servers: [
            { server: 'dc1:389', isUp: true },
            { server: 'dc2:389', isUp: false }
          ],
          sessions: { form: 6, basic: 4 }
        },
        {
          name: 'LOST.COM',
          isUp: false,
          servers: [{ server: 'dc3:389', isUp: false }],
          sessions: { form: 0, basic: 0 }
        }
      ]
    },
    whyNoLogon: (domain) => (domain === 'LOST.COM' ? 'test' : undefined),
    workers: [
      { pid: 1, slot: 1, startedAtMs: 0, stage: 'serving', state: counts.state(7) },
      { pid: 2, slot: 2, startedAtMs: 0, stage: 'starting', state: undefined }
    ],
    workerDeaths: 5,
    residentBytes: 5e7
  };
}

t.test('a known state', async (t) => {
  const text = reportMetrics(state());
  t.notMatch(text, 'secret');
  const scrape = new Scrape(text);
  const owa = { virtual_service: 'Mail', sub_vs: 'OWA' };
  const main = { virtual_service: 'Mail', sub_vs: '' };
  const a = { ...owa, real_server: odd, address: '10.0.0.1:443' };
  const b = { ...owa, real_server: odd, address: '[::1]:443' };
  const cases: [name: string, labels: Record<string, string>, value: number][] = [
    ['ballast_info', { version: '0.1.0', node: process.versions.node }, 1],
    ['ballast_start_time_seconds', {}, 1_500_000_000],
    ['ballast_ready', {}, 1],
    ['ballast_config_revision', {}, 2],
    ['ballast_config_reloads_total', { result: 'applied' }, 1],
    ['ballast_config_reloads_total', { result: 'partial' }, 0],
    ['ballast_config_reloads_total', { result: 'refused' }, 1],
    ['ballast_config_last_reload_successful', {}, 0],
    ['ballast_config_change_time_seconds', {}, 2],
    ['ballast_workers', { state: 'serving' }, 1],
    ['ballast_workers', { state: 'starting' }, 1],
    ['ballast_workers', { state: 'draining' }, 0],
    ['ballast_worker_restarts_total', {}, 5],
    ['ballast_worker_clients_open', { worker: '1' }, 3],
    ['ballast_worker_resident_memory_bytes', { worker: '1' }, 1e8],
    ['ballast_worker_event_loop_delay_p50_seconds', { worker: '1' }, 0.0001],
    ['ballast_worker_event_loop_delay_p99_seconds', { worker: '1' }, 0.002],
    ['ballast_worker_event_loop_delay_max_seconds', { worker: '1' }, 0.0305],
    ['ballast_primary_resident_memory_bytes', {}, 5e7],
    ['ballast_client_connections_total', { virtual_service: 'Mail' }, 4],
    ['ballast_client_connections_open', { virtual_service: 'Mail' }, 2],
    ['ballast_client_connections_open', { virtual_service: 'redirect' }, 0],
    ['ballast_tls_handshakes_total', { virtual_service: 'Mail' }, 3],
    ['ballast_tls_handshake_failures_total', { virtual_service: 'Mail' }, 1],
    ['ballast_requests_total', { ...main, real_server: '', address: '', code: '4xx' }, 1],
    ['ballast_requests_total', { ...a, code: '2xx' }, 2],
    ['ballast_requests_total', { ...a, code: '3xx' }, 1],
    ['ballast_requests_total', { ...a, code: '4xx' }, 0],
    ['ballast_requests_total', { ...a, code: '5xx' }, 1],
    ['ballast_requests_total', { ...a, code: 'none' }, 1],
    ['ballast_requests_total', { ...b, code: '2xx' }, 0],
    ['ballast_errors_total', { ...main, reason: 'no-rule' }, 1],
    ['ballast_errors_total', { ...owa, reason: 'client-closed' }, 1],
    ['ballast_request_first_byte_seconds_bucket', { ...owa, le: '0.025' }, 0],
    ['ballast_request_first_byte_seconds_bucket', { ...owa, le: '0.05' }, 1],
    ['ballast_request_first_byte_seconds_sum', owa, 0.03],
    ['ballast_request_duration_seconds_bucket', { ...owa, le: '0.001' }, 2],
    ['ballast_request_duration_seconds_bucket', { ...owa, le: '0.0025' }, 3],
    ['ballast_request_duration_seconds_bucket', { ...owa, le: '900' }, 3],
    ['ballast_request_duration_seconds_bucket', { ...owa, le: '1800' }, 4],
    ['ballast_request_duration_seconds_bucket', { ...owa, le: '3600' }, 4],
    ['ballast_request_duration_seconds_count', owa, 5],
    ['ballast_request_duration_seconds_count', main, 0],
    ['ballast_service_up', main, 1],
    ['ballast_service_up', owa, 1],
    ['ballast_service_up', { virtual_service: 'redirect' }, 1],
    ['ballast_real_server_up', a, 1],
    ['ballast_real_server_up', b, 0],
    ['ballast_real_server_enabled', a, 1],
    ['ballast_real_server_enabled', b, 0],
    ['ballast_real_server_check_duration_seconds', a, 0.0125],
    ['ballast_real_server_check_time_seconds', a, 1_500_000_001],
    ['ballast_real_server_connections_total', a, 2],
    ['ballast_real_server_connections_open', a, 6],
    ['ballast_real_server_connect_failures_total', a, 1],
    ['ballast_real_server_sent_bytes_total', a, 2 ** 40],
    ['ballast_real_server_received_bytes_total', a, 5],
    ['ballast_persistence_entries', owa, 17],
    ['ballast_service_up', { virtual_service: 'Lost' }, 0],
    ['ballast_esp_logons_total', { result: 'success' }, 8],
    ['ballast_esp_logons_total', { result: 'failure' }, 3],
    ['ballast_esp_logons_total', { result: 'unavailable' }, 1],
    ['ballast_esp_lockouts_total', {}, 2],
    ['ballast_esp_blocked_users', {}, 1],
    ['ballast_esp_sessions', { sso_domain: 'EXAMPLE.COM', mode: 'form' }, 6],
    ['ballast_esp_sessions', { sso_domain: 'EXAMPLE.COM', mode: 'basic' }, 4],
    ['ballast_esp_sessions', { sso_domain: 'LOST.COM', mode: 'form' }, 0],
    ['ballast_sso_domain_up', { sso_domain: 'EXAMPLE.COM' }, 1],
    ['ballast_sso_domain_up', { sso_domain: 'LOST.COM' }, 0],
    ['ballast_sso_server_up', { sso_domain: 'EXAMPLE.COM', server: 'dc2:389' }, 0]
  ];
  for (const [name, labels, value] of cases) {
    const found = scrape.find(name, labels);
    t.strictSame(
      found.map((sample) => sample.value),
      [value],
      `${name} ${JSON.stringify(labels)}`
    );
  }
  t.equal(scrape.find('ballast_tls_handshakes_total').length, 1, 'none where there is no TLS');
  const [expiry] = scrape.find('ballast_certificate_expiry_timestamp_seconds');
  t.equal(expiry?.labels['certificate'], 'mail');
  t.ok((expiry?.value ?? 0) > Date.now() / 1000);
});

t.test('every family is there, with the labels that it is listed with', async (t) => {
  const { families: found } = new Scrape(reportMetrics(state()));
  t.strictSame([...found.keys()].toSorted(), Object.keys(families).toSorted());
  for (const [name, { type, help, labels }] of Object.entries(families)) {
    t.match(found.get(name), { type, help }, name);
    for (const sample of found.get(name)?.samples ?? []) {
      const { le: _, ...own } = sample.labels;
      t.strictSame(Object.keys(own), labels, name);
    }
  }
  const readme = readFileSync(readmeFile, 'utf8');
  t.equal(readme, withMetrics(readme), 'else run node test/primary/metrics-table.ts');
});

t.test('requests and sessions have their own families, and their own reasons', (t) => {
  const scrape = new Scrape(reportMetrics(state()));
  const imap = { virtual_service: 'IMAP', sub_vs: '' };
  const server = { ...imap, real_server: 'EX01', address: '10.0.0.1:143' };
  const one = (name: string, labels: Record<string, string>): unknown =>
    scrape.find(name, labels).map(({ value }) => value);
  t.strictSame(one('ballast_sessions_total', server), [3]);
  t.strictSame(one('ballast_session_duration_seconds_count', imap), [1]);
  t.strictSame(one('ballast_session_duration_seconds_sum', imap), [30]);
  t.strictSame(one('ballast_errors_total', { ...imap, reason: 'idle' }), [1]);
  t.strictSame(one('ballast_errors_total', { ...imap, reason: 'greeting-refused' }), [0]);
  t.strictSame(one('ballast_real_server_sent_bytes_total', server), [9]);
  t.strictSame(one('ballast_persistence_entries', imap), [8]);
  t.strictSame(one('ballast_service_up', imap), [1]);
  for (const [name, { samples }] of scrape.families) {
    if (name.startsWith('ballast_esp_')) continue; // other sessions
    const services = new Set(samples.map(({ labels }) => labels['virtual_service']));
    if (/request/.test(name)) t.notOk(services.has('IMAP'), name);
    if (/session/.test(name)) t.strictSame([...services], ['IMAP'], name);
  }
  t.strictSame(one('ballast_errors_total', { ...imap, reason: 'no-rule' }), []);
  t.strictSame(one('ballast_errors_total', { ...imap, reason: 'no-server' }), [0]);
  const main = { virtual_service: 'Mail', sub_vs: '' };
  t.strictSame(one('ballast_errors_total', { ...main, reason: 'login-timeout' }), []);
  const reasons = [main, imap].flatMap((labels) =>
    scrape.find('ballast_errors_total', labels).map((sample) => sample.labels['reason'])
  );
  t.strictSame(new Set(reasons), new Set(errorCodes), 'together they have all');
  const counts = new WorkerCounts();
  const row = serviceRow();
  countError(row, 'login-timeout');
  counts.report(1, {
    services: [change('Mail', row)],
    servers: [],
    clients: 0,
    clientsOf: [],
    residentBytes: 0,
    loopDelay: { p50: 0, p99: 0, max: 0 }
  });
  const odder = new Scrape(reportMetrics({ ...state(), counts }));
  t.equal(odder.sum('ballast_errors_total', { reason: 'login-timeout' }), 1, 'nothing is hidden');
  t.end();
});

t.test('label values are escaped', (t) => {
  t.equal(labelText({ a: 'x\\y"z\n', b: 'ä' }), 'a="x\\\\y\\"z\\n",b="ä"');
  t.end();
});

t.test('the parser finds what it is for', (t) => {
  const head = '# HELP a_total h\n# TYPE a_total counter\n';
  const bucket = '# HELP b h\n# TYPE b histogram\nb_bucket{le="1"} 1\n';
  for (const [text, why] of [
    [`${head}a_total 1`, /does not end/],
    [`${head}a_total 1\na_total 2\n`, /twice/],
    [`${head}a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 2\n`, /twice/],
    [`${head}a_total -1\n`, /negative/],
    [`${head}a_total NaN\n`, /not a sample/],
    [`${head}a_total{x="a"b"} 1\n`, /not a sample/],
    [`${head}a_total{x="\\t"} 1\n`, /not a sample/],
    [`${head}a_total{x="1",} 1\n`, /not a sample/],
    [`${head}b 1\n`, /another family/],
    [head, /no samples/],
    ['# TYPE a_total counter\na_total 1\n', /no HELP/],
    ['# HELP a h\n# TYPE a counter\na 1\n', /only counters/],
    [`${bucket}b_bucket{le="0.5"} 1\n`, /out of order/],
    [`${bucket}b_bucket{le="+Inf"} 0\n`, /out of order/],
    [`${bucket}b_bucket{le="+Inf"} 2\nb_sum 1\nb_count 3\n`, /not that of \+Inf/],
    [`${bucket}b_bucket{le="+Inf"} 2\nb_count 2\n`, /no sum/]
  ] as const) {
    t.throws(() => new Scrape(text), why, text);
  }
  t.end();
});
