// What GET /status answers: the guide's "View/Modify Services" table as JSON, with the reason of
// each down, what was counted, and the processes behind it. Pure.

import type { CheckSettings, Configuration, RealServer, Service } from '../config/model.ts';
import type { VirtualService } from '../config/model.ts';
import { beginsWithTls } from '../health-check/start-tls.ts';
import type { HealthRecord } from './server-watch.ts';
import type { ServerCounts } from './worker-counts.ts';
import { realServerStatus, serviceStatus, virtualServiceStatus } from './status.ts';
import { whyDown, whySecurityDown, type Sight } from './status.ts';

export interface StatusInput {
  readonly version: string;
  readonly phase: string;
  readonly revision: number;
  readonly nowMs: number;
  readonly configuration: Configuration;
  readonly record: (id: string) => HealthRecord | undefined;
  readonly clients: number;
  readonly requests: number;
  /** Of mail, those that had a server and ended. */
  readonly sessions: number;
  /** Own answers and early ends by reason. */
  readonly errors: Readonly<Record<string, number>>;
  readonly countsOf: (id: string) => ServerCounts;
  readonly active: (id: string) => number;
  readonly persistence: object;
  /** Of SSO domains, and of who is signed in. */
  readonly gate: object;
  readonly whyNoLogon: Sight['whyNoLogon'];
  readonly workers: readonly {
    readonly pid: number | undefined;
    readonly startedAtMs: number;
    readonly stage: string;
  }[];
}

export function reportStatus(input: StatusInput): object {
  const { version, phase, revision, nowMs, configuration, workers } = input;
  const view: View = {
    configuration,
    record: input.record,
    healthOf: (id) => input.record(id)?.health ?? { state: 'unknown' },
    countsOf: input.countsOf,
    whyNoLogon: input.whyNoLogon,
    active: input.active
  };
  return {
    version,
    state: phase,
    revision,
    workers: workers.map(({ pid, startedAtMs, stage }) => ({
      pid,
      state: stage,
      uptimeSeconds: Math.floor((nowMs - startedAtMs) / 1000)
    })),
    clients: input.clients,
    requests: input.requests,
    sessions: input.sessions,
    errors: input.errors,
    persistence: input.persistence,
    ...input.gate,
    virtualServices: configuration.virtualServices.map((service) =>
      reportVirtualService(service, view)
    )
  };
}

type VsType = VirtualService['vsType'];

interface View extends Sight {
  readonly configuration: Configuration;
  readonly record: (id: string) => HealthRecord | undefined;
  readonly countsOf: (id: string) => ServerCounts;
  readonly active: (id: string) => number;
}

function reportVirtualService(service: VirtualService, view: View): object {
  return {
    name: service.name,
    address: service.address,
    port: service.port,
    extraPorts: service.extraPorts,
    prot: 'tcp',
    vsType: service.vsType,
    // What is spoken, and the STARTTLS that Ballast ends; null where that is no question.
    protocol: service.tcp?.protocol ?? null,
    startTls: service.tcp?.startTls ?? null,
    layer: 'L7',
    certificateInstalled: certificateInstalled(service, view.configuration),
    status: virtualServiceStatus(service, view),
    ...reportService(service, service.vsType, view),
    subVSs: service.subVSs.map((subVS) => ({
      name: subVS.name,
      status: serviceStatus(subVS, view, service),
      rules: subVS.rules.map(({ name }) => name),
      isDefault: subVS.isDefault,
      ...reportService(subVS, service.vsType, view)
    }))
  };
}

function certificateInstalled(
  { tls }: VirtualService,
  { certificates }: Configuration
): 'none' | 'self-signed' | readonly string[] {
  if (tls === undefined) return 'none';
  const assigned = certificates.filter(({ name }) => tls.certificates.includes(name));
  return assigned.every(({ selfSigned }) => selfSigned) ? 'self-signed' : tls.certificates;
}

function reportService(service: Service, vsType: VsType, view: View): object {
  return {
    schedule: service.schedule,
    // Beside `Down` and `Security Down`, where servers may be up all the same.
    reason: whyDown(service, view.healthOf) ?? whySecurityDown(service, view) ?? null,
    persist: service.persistence?.mode ?? 'none',
    // Without servers there is nothing that is checked, whatever the settings say.
    check: service.realServers.length === 0 ? 'none' : describeCheck(service),
    realServers: service.realServers.map((server) => reportServer(server, vsType, view)),
    sorryServer:
      service.standby === undefined ? null : reportSorryServer(service.standby, vsType, view)
  };
}

/** It is never checked, so there is no more to say. */
function reportSorryServer(
  { id, name, address, port }: RealServer,
  vsType: VsType,
  view: View
): object {
  return { name, address, port, ...reportCounts(id, vsType, view) };
}

/** A service has either requests or sessions. */
function reportCounts(id: string, vsType: VsType, { active, countsOf }: View): object {
  const { requests, sessions, ...counts } = countsOf(id);
  const served = vsType === 'http' ? { requests } : { sessions };
  return { activeConnections: active(id), ...served, ...counts };
}

/** In words: `https GET /owa/healthcheck.htm on port 443`, `imap over TLS on port 993`. */
function describeCheck({ check, realServers }: Service): string {
  if (check.type === 'none') return 'none';
  const isHttp = check.type === 'http' || check.type === 'https';
  const asks = isHttp ? ` ${check.method} ${check.url}` : howMailIsAsked(check, realServers);
  const port = check.port === 0 ? "the server's port" : `port ${check.port}`;
  const times = `every ${check.intervalMs / 1000} s, ${check.timeoutMs / 1000} s for an answer`;
  return `${check.type}${asks} on ${port}, ${times}, ${check.retries} retries`;
}

function howMailIsAsked(check: CheckSettings, servers: readonly RealServer[]): string {
  if (check.type === 'tcp') return '';
  const secure = servers.every(({ address, port }) =>
    beginsWithTls({ address, port: check.port || port }, check)
  );
  return secure ? ' over TLS' : '';
}

function reportServer(server: RealServer, vsType: VsType, view: View): object {
  const record = view.record(server.id);
  const health = view.healthOf(server.id);
  return {
    name: server.name,
    address: server.address,
    port: server.port,
    weight: server.weight,
    limit: server.limit,
    enable: server.enable,
    status: realServerStatus(server, health),
    // Stands beside `Disabled` as well: what the server would be if it were enabled.
    health: health.state,
    reason: health.state === 'down' ? health.reason : null,
    since: isoTime(record?.sinceMs),
    lastCheck: isoTime(record?.lastCheckAtMs),
    lastCheckMs:
      record?.lastCheckDurationMs === undefined ? null : round(record.lastCheckDurationMs),
    ...reportCounts(server.id, vsType, view)
  };
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
