// What GET /metrics answers: all that is counted and known, for Prometheus. Pure.

import { X509Certificate } from 'node:crypto';
import type { Certificate, Configuration, RealServer } from '../config/model.ts';
import { answersIn, errorsIn, latencyIn, serverPlaces, serverRow } from '../counters.ts';
import { servicePlaces, serviceRow, statusClasses, type Row } from '../counters.ts';
import type { ErrorCode } from '../error.ts';
import { formatEndpoint } from '../net/address.ts';
import { labelText, writeFamily, writeHistogram, type Sample } from './exposition.ts';
import { families, type FamilyName } from './metric-families.ts';
import type { ReloadRecord } from './reload-record.ts';
import type { HealthRecord } from './server-watch.ts';
import { listServices, type ListedService } from './service-list.ts';
import type { GateCounts } from './sessions.ts';
import { serviceStatus, virtualServiceStatus, type Sight } from './status.ts';
import type { WorkerCounts } from './worker-counts.ts';
import type { WorkerView } from './workers.ts';

export interface MetricsInput {
  readonly version: string;
  readonly startedAtMs: number;
  readonly isReady: boolean;
  readonly revision: number;
  readonly reloads: ReloadRecord;
  readonly configuration: Configuration;
  readonly record: (id: string) => HealthRecord | undefined;
  readonly counts: WorkerCounts;
  /** Open connections to a real server. */
  readonly active: (id: string) => number;
  /** Entries in the table of a service; undefined where it has none. */
  readonly persistenceEntries: (fullName: string) => number | undefined;
  readonly gate: GateCounts;
  readonly whyNoLogon: Sight['whyNoLogon'];
  readonly workers: readonly WorkerView[];
  readonly workerDeaths: number;
  readonly residentBytes: number;
}

export function reportMetrics(input: MetricsInput): string {
  const services = listServices(input.configuration).map((one) => viewOf(one, input));
  return [
    ...programMetrics(input),
    ...workerMetrics(input),
    ...gateMetrics(input.gate),
    ...serviceMetrics(services),
    ...serverMetrics(services.flatMap(({ servers }) => servers))
  ].join('');
}

/** Reasons that only a request can end for, and only a session; all others are of both. */
const requestReasons: ReadonlySet<ErrorCode> = new Set([
  'malformed-request',
  'uri-too-long',
  'head-too-large',
  'not-implemented',
  'version-not-supported',
  'request-timeout',
  'no-rule',
  'rule-must-fail',
  'server-timeout',
  'malformed-answer',
  'truncated-answer',
  'service-gone'
]);
const sessionReasons: ReadonlySet<ErrorCode> = new Set([
  'greeting-refused',
  'protocol-violation',
  'line-too-long',
  'unclear-mail',
  'recipients-refused',
  'login-timeout',
  'idle',
  'drained'
]);

interface ServiceView {
  readonly isVirtualService: boolean;
  readonly isHttp: boolean;
  readonly hasTls: boolean;
  readonly virtualServiceLabel: string;
  readonly labels: string;
  readonly row: Row;
  readonly clientsOpen: number;
  readonly isUp: boolean;
  readonly persistenceEntries: number | undefined;
  readonly servers: readonly ServerView[];
}

interface ServerView {
  readonly labels: string;
  readonly row: Row;
  readonly active: number;
  readonly enable: boolean;
  /** Undefined for a sorry server, which is never checked. */
  readonly record: HealthRecord | undefined;
}

function viewOf(one: ListedService, input: MetricsInput): ServiceView {
  const { fullName, virtualService, subVSName, service, servers } = one;
  const { counts, record } = input;
  const sight: Sight = {
    healthOf: (id) => record(id)?.health ?? { state: 'unknown' },
    whyNoLogon: input.whyNoLogon
  };
  const isVirtualService = subVSName === '';
  const names = { virtual_service: virtualService.name, sub_vs: subVSName };
  const status = isVirtualService
    ? virtualServiceStatus(virtualService, sight)
    : serviceStatus(service, sight, virtualService);
  return {
    isVirtualService,
    isHttp: virtualService.vsType === 'http',
    hasTls: virtualService.tls !== undefined,
    virtualServiceLabel: labelText({ virtual_service: virtualService.name }),
    labels: labelText(names),
    row: counts.service(fullName) ?? serviceRow(),
    clientsOpen: counts.clientsOf(fullName),
    isUp: virtualService.enable && !/^(Down|Disabled|Sorry|Security Down)$/.test(status),
    persistenceEntries: input.persistenceEntries(fullName),
    servers: servers.map((server) => ({
      labels: labelText({ ...names, ...serverNames(server) }),
      row: counts.server(server.id) ?? serverRow(),
      active: input.active(server.id),
      enable: server.enable,
      record: record(server.id)
    }))
  };
}

/** Names of servers need not be unique, addresses are. */
function serverNames({ name, address, port }: RealServer): Record<string, string> {
  return { real_server: name, address: formatEndpoint(address, port) };
}

function programMetrics(input: MetricsInput): string[] {
  const { version, startedAtMs, isReady, revision, reloads, configuration } = input;
  return [
    single('ballast_info', 1, labelText({ version, node: process.versions.node })),
    single('ballast_start_time_seconds', startedAtMs / 1000),
    single('ballast_ready', Number(isReady)),
    single('ballast_config_revision', revision),
    write(
      'ballast_config_reloads_total',
      Object.entries(reloads.results).map(([result, count]) => [labelText({ result }), count])
    ),
    single('ballast_config_last_reload_successful', Number(reloads.latestWasApplied)),
    single('ballast_config_change_time_seconds', reloads.changedAtMs / 1000),
    write(
      'ballast_certificate_expiry_timestamp_seconds',
      configuration.certificates.map((one) => [
        labelText({ certificate: one.name }),
        expiryMs(one) / 1000
      ])
    )
  ];
}

function expiryMs({ chainPem }: Certificate): number {
  return new X509Certificate(chainPem).validToDate.getTime();
}

function workerMetrics({ workers, workerDeaths, residentBytes }: MetricsInput): string[] {
  const states = ['starting', 'serving', 'draining'] as const;
  const reported = workers.flatMap(({ slot, state }) =>
    state === undefined ? [] : [{ labels: labelText({ worker: String(slot) }), state }]
  );
  const each = (name: FamilyName, value: (state: (typeof reported)[number]['state']) => number) =>
    write(
      name,
      reported.map(({ labels, state }) => [labels, value(state)])
    );
  return [
    write(
      'ballast_workers',
      states.map((state) => [
        labelText({ state }),
        workers.filter(({ stage }) => stage === state).length
      ])
    ),
    single('ballast_worker_restarts_total', workerDeaths),
    each('ballast_worker_clients_open', ({ clients }) => clients),
    each('ballast_worker_resident_memory_bytes', (state) => state.residentBytes),
    each('ballast_worker_event_loop_delay_p50_seconds', ({ loopDelay }) => loopDelay.p50 / 1000),
    each('ballast_worker_event_loop_delay_p99_seconds', ({ loopDelay }) => loopDelay.p99 / 1000),
    each('ballast_worker_event_loop_delay_max_seconds', ({ loopDelay }) => loopDelay.max / 1000),
    single('ballast_primary_resident_memory_bytes', residentBytes)
  ];
}

function gateMetrics({ logons, lockouts, blocked, domains }: GateCounts): string[] {
  if (domains.length === 0) return [];
  return [
    write(
      'ballast_esp_logons_total',
      Object.entries(logons).map(([result, count]) => [labelText({ result }), count])
    ),
    single('ballast_esp_lockouts_total', lockouts),
    single('ballast_esp_blocked_users', blocked),
    write(
      'ballast_esp_sessions',
      domains.flatMap(({ name, sessions }) =>
        Object.entries(sessions).map(([mode, open]): Sample => [
          labelText({ sso_domain: name, mode }),
          open
        ])
      )
    ),
    write(
      'ballast_sso_domain_up',
      domains.map(({ name, isUp }) => [labelText({ sso_domain: name }), Number(isUp)])
    ),
    write(
      'ballast_sso_server_up',
      domains.flatMap(({ name, servers }) =>
        servers.map(({ server, isUp }): Sample => [
          labelText({ sso_domain: name, server }),
          Number(isUp)
        ])
      )
    )
  ];
}

function serviceMetrics(services: readonly ServiceView[]): string[] {
  const main = services.filter(({ isVirtualService }) => isVirtualService);
  const secure = main.filter(({ hasTls }) => hasTls);
  const http = services.filter(({ isHttp }) => isHttp);
  const mail = services.filter(({ isHttp }) => !isHttp);
  const { clientConnections, tlsHandshakes, tlsFailures, firstByte, duration } = servicePlaces;
  const placeOf = (name: FamilyName, views: readonly ServiceView[], place: number): string =>
    write(
      name,
      views.map(({ virtualServiceLabel, row }) => [virtualServiceLabel, row[place] ?? 0])
    );
  return [
    placeOf('ballast_client_connections_total', main, clientConnections),
    write(
      'ballast_client_connections_open',
      main.map(({ virtualServiceLabel, clientsOpen }) => [virtualServiceLabel, clientsOpen])
    ),
    placeOf('ballast_tls_handshakes_total', secure, tlsHandshakes),
    placeOf('ballast_tls_handshake_failures_total', secure, tlsFailures),
    write('ballast_requests_total', http.flatMap(requestSamples)),
    write('ballast_sessions_total', mail.flatMap(sessionSamples)),
    write('ballast_errors_total', services.flatMap(errorSamples)),
    writeHistogram(
      'ballast_request_first_byte_seconds',
      families.ballast_request_first_byte_seconds,
      http.map(({ labels, row }) => [labels, latencyIn(row, firstByte)])
    ),
    writeHistogram(
      'ballast_request_duration_seconds',
      families.ballast_request_duration_seconds,
      http.map(({ labels, row }) => [labels, latencyIn(row, duration)])
    ),
    writeHistogram(
      'ballast_session_duration_seconds',
      families.ballast_session_duration_seconds,
      mail.map(({ labels, row }) => [labels, latencyIn(row, duration)])
    ),
    write(
      'ballast_service_up',
      services.map(({ labels, isUp }) => [labels, Number(isUp)])
    ),
    write(
      'ballast_persistence_entries',
      services.flatMap(({ labels, persistenceEntries: entries }): Sample[] =>
        entries === undefined ? [] : [[labels, entries]]
      )
    )
  ];
}

function requestSamples({ labels, row, servers }: ServiceView): Sample[] {
  const nobody = `${labels},${labelText({ real_server: '', address: '' })}`;
  return [
    ...classSamples(nobody, answersIn(row, servicePlaces.answers)),
    ...servers.flatMap((server) =>
      classSamples(server.labels, answersIn(server.row, serverPlaces.answers))
    )
  ];
}

function sessionSamples({ servers }: ServiceView): Sample[] {
  return servers.map(({ labels, row }) => [labels, row[serverPlaces.sessions] ?? 0]);
}

function classSamples(labels: string, answers: readonly number[]): Sample[] {
  return statusClasses.map((code, n) => [`${labels},${labelText({ code })}`, answers[n] ?? 0]);
}

function errorSamples({ labels, row, isHttp }: ServiceView): Sample[] {
  const foreign = isHttp ? sessionReasons : requestReasons;
  return errorsIn(row)
    .filter(([reason, count]) => count > 0 || !foreign.has(reason))
    .map(([reason, count]) => [`${labels},${labelText({ reason })}`, count]);
}

function serverMetrics(servers: readonly ServerView[]): string[] {
  const checked = servers.flatMap(({ labels, record }) =>
    record === undefined ? [] : [{ labels, ...record }]
  );
  const each = (name: FamilyName, value: (server: ServerView) => number): string =>
    write(
      name,
      servers.map((server) => [server.labels, value(server)])
    );
  const place = (at: number) => (server: ServerView) => server.row[at] ?? 0;
  return [
    write(
      'ballast_real_server_up',
      checked.map(({ labels, health }) => [labels, Number(/^(up|unchecked)$/.test(health.state))])
    ),
    each('ballast_real_server_enabled', ({ enable }) => Number(enable)),
    write(
      'ballast_real_server_check_duration_seconds',
      checked.flatMap(({ labels, lastCheckDurationMs: ms }): Sample[] =>
        ms === undefined ? [] : [[labels, ms / 1000]]
      )
    ),
    write(
      'ballast_real_server_check_time_seconds',
      checked.flatMap(({ labels, lastCheckAtMs: ms }): Sample[] =>
        ms === undefined ? [] : [[labels, ms / 1000]]
      )
    ),
    each('ballast_real_server_connections_total', place(serverPlaces.connections)),
    each('ballast_real_server_connections_open', ({ active }) => active),
    each('ballast_real_server_connect_failures_total', place(serverPlaces.connectFailures)),
    each('ballast_real_server_sent_bytes_total', place(serverPlaces.bytesToServer)),
    each('ballast_real_server_received_bytes_total', place(serverPlaces.bytesFromServer))
  ];
}

function single(name: FamilyName, value: number, labels = ''): string {
  return write(name, [[labels, value]]);
}

function write(name: FamilyName, samples: readonly Sample[]): string {
  return writeFamily(name, families[name], samples);
}
