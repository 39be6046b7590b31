// The configuration as the program sees it: checked, complete, frozen, and plain JSON, so that the
// primary can send it to the workers as it is. Nothing here knows YAML or templates.

import type { SchedulerName } from '../scheduler/registry.ts';
import type { CheckName } from '../health-check/registry.ts';
import type { ContentRule } from '../content-rule/content-rule.ts';
import type { TlsSettings } from '../tls/settings.ts';

export interface Configuration {
  readonly global: GlobalSettings;
  readonly admin: { readonly address: string; readonly port: number };
  readonly certificates: readonly Certificate[];
  readonly virtualServices: readonly VirtualService[];
}

/** `global:` of the file; guide chapter 2 and the LoadMaster's L7 Configuration. */
export interface GlobalSettings {
  /** Data-plane processes; never 0 here, "one per CPU" is already resolved. */
  readonly workers: number;
  readonly expect100: 'rfc-7231' | 'rfc-2616' | 'require';
  readonly additionalL7Header: 'none' | 'x-forwarded-for' | 'x-clientside';
  readonly dropOnFail: boolean;
  readonly drainTimeMs: number;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly accessLog: boolean;
}

/** A certificate ready for use: PEM text, the leaf first. */
export interface Certificate {
  readonly name: string;
  readonly chainPem: string;
  readonly keyPem: string;
  /** Lower-case DNS names of the leaf, wildcards as `*.example.com`. */
  readonly dnsNames: readonly string[];
  readonly selfSigned: boolean;
}

/** What a virtual service and a SubVS have in common. */
export interface Service {
  readonly name: string;
  readonly enable: boolean;
  readonly schedule: SchedulerName;
  /** Longest silence in both directions, and of an idle client between requests. */
  readonly idleTimeMs: number;
  readonly check: CheckSettings;
  /** Answer where no server can be had; a 3xx code makes `errorUrl` the Location. */
  readonly notAvailable: { readonly code: number; readonly urlOrText: string } | undefined;
  readonly realServers: readonly RealServer[];
}

export interface SubVirtualService extends Service {
  /** In order of precedence. The rule named `default` matches what nothing else did. */
  readonly rules: readonly ContentRule[];
  readonly isDefault: boolean;
}

export interface VirtualService extends Service {
  readonly vsType: 'http';
  /** Canonical IP address, and `0.0.0.0` or `::` for every one of the machine's. */
  readonly address: string;
  readonly port: number;
  /** TLS ended here (sslAcceleration). */
  readonly tls: (TlsSettings & { readonly certificates: readonly string[] }) | undefined;
  /** TLS towards the servers (sslReencrypt). */
  readonly reencrypt: ReencryptSettings | undefined;
  /** False: connections to servers come from the service's address (guide 2.2). */
  readonly subnetOriginating: boolean;
  /** Empty where the service has its real servers itself. */
  readonly subVSs: readonly SubVirtualService[];
}

export interface ReencryptSettings {
  /** Name sent as SNI, and verified against; undefined sends none. */
  readonly serverName: string | undefined;
  readonly verify: boolean;
  /** PEM of the authorities to verify with; undefined = those of Node. */
  readonly caPem: string | undefined;
}

export interface RealServer {
  /** `service/SubVS/address:port`, unique in the configuration and stable over reloads. */
  readonly id: string;
  /** The administrator's name for it, else `address:port`. */
  readonly name: string;
  /** Canonical IP address; a host name of the file is already resolved. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Most connections at a time; 0 = no limit. */
  readonly limit: number;
  readonly enable: boolean;
}

export interface CheckSettings {
  readonly type: CheckName;
  /** 0 = the real server's own port. */
  readonly port: number;
  readonly url: string;
  readonly method: 'HEAD' | 'GET';
  readonly http11: boolean;
  /** Host header under HTTP/1.1 and name for SNI; undefined = the server's address, no SNI. */
  readonly host: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Further tries before a server that does not answer is down. */
  readonly retries: number;
}

export type { Health } from '../health-check/health.ts';
