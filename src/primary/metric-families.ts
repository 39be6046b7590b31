// What `/metrics` can say: the operator's words. Labels hold names of the configuration only, never
// anything that a client said. config/README.md lists this table.

import type { Family } from './exposition.ts';

const service = ['virtual_service', 'sub_vs'];
const server = [...service, 'real_server', 'address'];

interface Documented extends Family {
  readonly labels: readonly string[];
}

function gauge(help: string, labels: readonly string[] = []): Documented {
  return { type: 'gauge', help, labels };
}

function counter(help: string, labels: readonly string[] = []): Documented {
  return { type: 'counter', help, labels };
}

function histogram(help: string, labels: readonly string[]): Documented {
  return { type: 'histogram', help, labels };
}

export const families = {
  ballast_info: gauge('always 1', ['version', 'node']),
  ballast_start_time_seconds: gauge('when Ballast started, since 1970'),
  ballast_ready: gauge('1 while /ready says so'),
  ballast_config_revision: gauge('number of the configuration in use; the first is 1'),
  ballast_config_reloads_total: counter('reloads by result: applied, partial, refused or failed', [
    'result'
  ]),
  ballast_config_last_reload_successful: gauge('0 while the latest reload was not applied'),
  ballast_config_change_time_seconds: gauge('when the configuration in use was taken, since 1970'),
  ballast_certificate_expiry_timestamp_seconds: gauge(
    'when the certificate ends, since 1970; days left: (this - time()) / 86400',
    ['certificate']
  ),
  ballast_workers: gauge('worker processes: starting, serving or draining', ['state']),
  ballast_worker_restarts_total: counter('workers that died and were replaced'),
  ballast_worker_clients_open: gauge('client connections of one worker', ['worker']),
  ballast_worker_resident_memory_bytes: gauge('memory of one worker', ['worker']),
  ballast_worker_event_loop_delay_p50_seconds: gauge(
    'how late its event loop runs: median of the last half minute',
    ['worker']
  ),
  ballast_worker_event_loop_delay_p99_seconds: gauge('the same: 99 of 100 are below', ['worker']),
  ballast_worker_event_loop_delay_max_seconds: gauge('the same: the longest', ['worker']),
  ballast_primary_resident_memory_bytes: gauge('memory of the process that checks and decides'),
  ballast_client_connections_total: counter('connections accepted from clients', [
    'virtual_service'
  ]),
  ballast_client_connections_open: gauge('connections of clients, their handshakes done', [
    'virtual_service'
  ]),
  ballast_tls_handshakes_total: counter('handshakes that clients completed', ['virtual_service']),
  ballast_tls_handshake_failures_total: counter(
    'handshakes that failed or were broken off, port probes too',
    ['virtual_service']
  ),
  ballast_requests_total: counter(
    'requests that ended, by status class (none: nothing was answered); no real_server: an answer of ' +
      "Ballast's own, before one was chosen",
    [...server, 'code']
  ),
  ballast_sessions_total: counter(
    'sessions of mail that ended, with the server that they had; those that got none count as errors',
    server
  ),
  ballast_errors_total: counter(
    "Ballast's own answers and early ends, by the reason that the access log has; requests and " +
      'sessions have some reasons each that the other cannot have',
    [...service, 'reason']
  ),
  ballast_request_first_byte_seconds: histogram(
    "from the end of a request's head to the head of the server's answer",
    service
  ),
  ballast_request_duration_seconds: histogram(
    "from the end of a request's head to the end of its answer; polls and tunnels take long",
    service
  ),
  ballast_session_duration_seconds: histogram(
    'from the connection of a client to the end of its session',
    service
  ),
  ballast_service_up: gauge(
    '1 while it does its work; 0 also while only a sorry server answers',
    service
  ),
  ballast_real_server_up: gauge(
    '1 while the server passes its checks, or has none; a disabled one too',
    server
  ),
  ballast_real_server_enabled: gauge('0 while it is taken out of service', server),
  ballast_real_server_check_duration_seconds: gauge('length of the last check', server),
  ballast_real_server_check_time_seconds: gauge('when the last check began, since 1970', server),
  ballast_real_server_connections_total: counter(
    'connections opened; one that several SubVSs use counts in each',
    server
  ),
  ballast_real_server_connections_open: gauge('connections open now, dials too', server),
  ballast_real_server_connect_failures_total: counter('dials that failed', server),
  ballast_real_server_sent_bytes_total: counter(
    'bytes to the server, added when a request ends, and in sessions on the way',
    server
  ),
  ballast_real_server_received_bytes_total: counter(
    "bytes of the server's answers, added when a request ends, and in sessions on the way",
    server
  ),
  ballast_esp_logons_total: counter(
    'names and passwords that were judged: success, failure (a wrong password, a user who is blocked ' +
      'or may not), unavailable (the directory could not be asked)',
    ['result']
  ),
  ballast_esp_lockouts_total: counter('users who were blocked (maxFailedAuths)'),
  ballast_esp_blocked_users: gauge('users who are blocked now'),
  ballast_esp_sessions: gauge(
    'who is signed in, by form or by Basic within the last hour; /status lists them',
    ['sso_domain', 'mode']
  ),
  ballast_sso_domain_up: gauge(
    '0 while no server of the directory answers (Security Down), so that nobody can sign in',
    ['sso_domain']
  ),
  ballast_sso_server_up: gauge('0 while this server of a directory does not answer', [
    'sso_domain',
    'server'
  ]),
  ballast_persistence_entries: gauge('entries in the table of persistence', service)
} as const satisfies Readonly<Record<string, Documented>>;

export type FamilyName = keyof typeof families;
