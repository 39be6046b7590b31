// The configuration as the program sees it: checked, complete, frozen, and plain JSON, so that the
// primary can send it to the workers as it is. Nothing here knows YAML or templates.

import type { PersistenceName } from '../persistence/registry.ts';
import type { DialectName } from '../dialect/registry.ts';
import type { SystemUser } from './user.ts';
import type { SchedulerName } from '../scheduler/registry.ts';
import type { CheckName } from '../health-check/registry.ts';
import type { ContentRule, EditRule } from '../content-rule/content-rule.ts';
import type { ClientCertFields, TlsSettings } from '../tls/settings.ts';

export interface Configuration {
  readonly global: GlobalSettings;
  readonly admin: { readonly address: string; readonly port: number };
  readonly certificates: readonly Certificate[];
  readonly ssoDomains: readonly SsoDomain[];
  readonly virtualServices: readonly VirtualService[];
}

/** Whom to ask who somebody is: the servers of one directory (kemp-esp 5). */
export interface SsoDomain {
  readonly name: string;
  /** In the order in which they are asked; the next one where a server cannot be reached. */
  readonly servers: readonly DirectoryServer[];
  readonly transport: 'ldap' | 'starttls' | 'ldaps';
  /** Whether the servers' certificates must be right for their host names. */
  readonly verify: boolean;
  /** PEM of the authorities to verify with; undefined = those of Node. */
  readonly caPem: string | undefined;
  /** Of one question to one server, dialling included. */
  readonly timeoutMs: number;
  /** What stands beside a name that came without a domain; the name of the SSO domain by default. */
  readonly realm: string;
  /** How a name without a domain is given to the directory, and to the real servers. */
  readonly logonFormat: LogonFormat;
  readonly serverLogonFormat: LogonFormat;
  /** Where groups are looked for; undefined = the directory's own default naming context. */
  readonly searchBase: string | undefined;
  readonly lockout: {
    /** Failures in a row that block a user; 0 = never. */
    readonly failuresMax: number;
    /** Failures are forgotten this long after the last one. */
    readonly resetMs: number;
    readonly blockedMs: number;
  };
  /** Whether silence ends a session, or its age alone. Age ends it in both cases. */
  readonly sessionEndsBy: 'idle' | 'age';
  readonly publicSession: SessionTimes;
  readonly privateSession: SessionTimes;
  /** How long a name and password that were right once need not be asked about again (basic). */
  readonly revalidateMs: number;
  /** By whom the servers are checked; undefined = only that they answer. */
  readonly testUser: { readonly name: string; readonly password: string } | undefined;
}

export interface DirectoryServer {
  /** As in the file: verified against its certificate. */
  readonly host: string;
  readonly port: number;
}

/** `user@realm`, `realm\\user`, or as it was typed. */
export type LogonFormat = 'principal' | 'username' | 'as-typed';

export interface SessionTimes {
  readonly idleMs: number;
  readonly ageMs: number;
}

/** `global:` of the file; guide chapter 2 and the LoadMaster's L7 Configuration. */
export interface GlobalSettings {
  /** Data-plane processes; never 0 here, "one per CPU" is already resolved. */
  readonly workers: number;
  readonly expect100: 'rfc-7231' | 'rfc-2616' | 'require';
  readonly additionalL7Header: 'none' | 'x-forwarded-for' | 'x-clientside';
  readonly dropOnFail: boolean;
  /** Look for a persistence record at each request, not only at the first of a connection. */
  readonly alwaysPersist: boolean;
  /** Networks as `address/bits` whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly drainTimeMs: number;
  /** How long a server that came up takes to its full share; 0 = it has it at once. */
  readonly slowStartMs: number;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly accessLog: boolean;
  /** Who the workers become when root starts them. */
  readonly user: SystemUser | undefined;
}

/** A certificate ready for use: PEM text, the leaf first. */
export interface Certificate {
  readonly name: string;
  readonly chainPem: string;
  readonly keyPem: string;
  /** Lower-case DNS names of the leaf, wildcards as `*.example.com`. */
  readonly dnsNames: readonly string[];
  readonly selfSigned: boolean;
  /** Who says whether it still holds, and by which issuer; undefined where that is not known. */
  readonly ocsp: { readonly url: string; readonly issuerPem: string } | undefined;
}

/** What a virtual service and a SubVS have in common. */
export interface Service {
  readonly name: string;
  readonly enable: boolean;
  readonly schedule: SchedulerName;
  /** Longest silence in both directions, and of an idle client between requests. */
  readonly idleTimeMs: number;
  readonly check: CheckSettings;
  /** Least number of servers that are up, critical ones among them; undefined = one will do. */
  readonly rsMinimum: number | undefined;
  /** Asked before a SubVS is chosen, those of a SubVS behind that: set flags, or refuse. */
  readonly preProcessRules: readonly ContentRule[];
  /** Those of the virtual service come before those of its SubVS. */
  readonly requestRules: readonly EditRule[];
  /** Those of the virtual service come behind those of its SubVS. */
  readonly responseRules: readonly EditRule[];
  /** Undefined = `none`: the scheduler chooses for every new connection. */
  readonly persistence: PersistenceSettings | undefined;
  /** Answer where no server can be had; a 3xx code makes `errorUrl` the Location. */
  readonly notAvailable: { readonly code: number; readonly urlOrText: string } | undefined;
  /** Pre-authentication (Edge Security Pack); undefined = none. */
  readonly esp: EspSettings | undefined;
  readonly realServers: readonly RealServer[];
  /** Sorry server: serves while no real server can. It is never checked. */
  readonly standby: RealServer | undefined;
}

/** Who gets in, and as whom (guide 4.2.2; kemp-esp 1 to 4). */
export interface EspSettings {
  /** inputAuthMode: what a client must show. `delegate` leaves that to the server. */
  readonly clientMode: 'delegate' | 'basic' | 'form';
  /** outputAuthMode: what the server is shown. */
  readonly serverMode: 'none' | 'basic' | 'form';
  /** Name of an SSO domain; '' for `delegate`, which needs none. */
  readonly domain: string;
  readonly logs: EspLogs;
  /** Host names in lower case without port; `*` stands for a label. None = nothing gets in. */
  readonly allowedHosts: readonly string[];
  /** Globs over the canonical path, in lower case. None = nothing gets in. */
  readonly allowedDirectories: readonly string[];
  /** Straight to the server, without anybody being asked who he is. */
  readonly excludedDirectories: readonly string[];
  /** One of them, by name; none = everybody whom the directory knows. */
  readonly allowedGroups: readonly string[];
  /** Members of groups in those groups count. */
  readonly nestedGroups: boolean;
  /** Paths that end the session. */
  readonly logoff: readonly string[];
  /** Text above the login form. */
  readonly greeting: string;
  /** Whether the form asks if the computer is public or private. */
  readonly asksPublicPrivate: boolean;
  /** Where an expired password can be changed; undefined = nowhere. */
  readonly passwordChange: { readonly url: string; readonly message: string } | undefined;
  /** serverMode `form`: where the server takes its own login. */
  readonly serverForm: {
    readonly path: string;
    /** The body, with %s for destination, name and password. */
    readonly post: string;
    readonly usernameOnly: boolean;
  };
}

/** espLogs: 1, 2 and 4. */
export interface EspLogs {
  readonly user: boolean;
  readonly security: boolean;
  readonly connection: boolean;
}

export interface PersistenceSettings {
  readonly mode: PersistenceName;
  /** How long a record lives after its last use. */
  readonly timeoutMs: number;
  /** Every request is a use, not only the first of a connection. */
  readonly refresh: boolean;
  /** Of the cookie, field (lower case) or query item that the mode looks at; '' where it needs none. */
  readonly name: string;
  /** Leading bits of an IPv4 and of an IPv6 address that count. */
  readonly maskBits: number;
  readonly maskBits6: number;
}

export interface SubVirtualService extends Service {
  /** In order of precedence. The rule named `default` matches what nothing else did. */
  readonly rules: readonly ContentRule[];
  readonly isDefault: boolean;
}

export interface VirtualService extends Service {
  /** `gen` relays bytes, `tls` mail whose TLS begins by STARTTLS. */
  readonly vsType: 'http' | 'gen' | 'tls';
  /** What a service of type `gen` or `tls` needs beyond; undefined for `http`. */
  readonly tcp: TcpSettings | undefined;
  /** Canonical IP address, and `0.0.0.0` or `::` for every one of the machine's. */
  readonly address: string;
  readonly port: number;
  /** It listens on these as well. */
  readonly extraPorts: readonly number[];
  /** Every connection begins with a PROXY header, from one of `trustedProxies`. */
  readonly acceptProxyProtocol: boolean;
  /** Most connections of one client address at a time, over all workers; 0 = no limit. */
  readonly clientConnsLimit: number;
  /** TLS ended here (sslAcceleration). */
  readonly tls: ServiceTls | undefined;
  /** TLS towards the servers (sslReencrypt). */
  readonly reencrypt: ReencryptSettings | undefined;
  /** False: connections to servers come from the service's address (guide 2.2). */
  readonly subnetOriginating: boolean;
  /** Empty where the service has its real servers itself. */
  readonly subVSs: readonly SubVirtualService[];
}

export interface TcpSettings {
  /** What is spoken. `other`: unknown, but the server speaks first; `none`: the client does. */
  readonly protocol: DialectName | 'other' | 'none';
  /** TLS by STARTTLS, for `vsType: tls`; `required` takes no mail and no login without it. */
  readonly startTls: 'no' | 'offered' | 'required';
  /** Whether logins are offered and taken before STARTTLS. */
  readonly clearLogin: boolean;
  /** Longest command line where lines are read, with its line end. */
  readonly lineBytesMax: number;
  /** Where lines are read: a client must have signed in, or sent its first mail, within this. */
  readonly loginTimeMs: number;
  /** Header by which the server hears who the client is. */
  readonly proxyProtocol: 'none' | 'v1' | 'v2';
  /** The same by XCLIENT, where an SMTP server offers it. */
  readonly xclient: boolean;
  /** Mail is taken for these recipient domains only (smtpAllowedDomains); undefined = for all. */
  readonly recipients: RecipientSettings | undefined;
}

/** SMTP with ESP (kemp-esp 7). */
export interface RecipientSettings {
  /** Globs in lower case; none = for nobody. */
  readonly allowedDomains: readonly string[];
  readonly logs: EspLogs;
}

/** TLS towards the clients, and what it changes in requests and answers. */
export interface ServiceTls extends TlsSettings {
  readonly certificates: readonly string[];
  /** What the servers are told of a client's certificate. */
  readonly clientCertFields: ClientCertFields;
  /** The servers are told of version, cipher and names (passCipher). */
  readonly connectionFields: boolean;
  /** Value of Strict-Transport-Security in every answer; '' = none of ours. */
  readonly strictTransportSecurity: string;
  /** http:// in a Location that leads back to this host becomes https:// (sslRewrite). */
  readonly rewriteLocation: boolean;
}

export interface ReencryptSettings {
  /** Name sent as SNI, and verified; undefined sends none. */
  readonly serverName: string | undefined;
  /** Send the name that the client asked for, where it asked for one and `serverName` is none. */
  readonly passServerName: boolean;
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
  /** That host name. */
  readonly hostName: string | undefined;
  readonly port: number;
  readonly weight: number;
  /** Most connections at a time; 0 = no limit. */
  readonly limit: number;
  readonly enable: boolean;
  /** Its service counts as down without it (enhancedHealthChecks). */
  readonly critical: boolean;
}

export interface CheckSettings {
  readonly type: CheckName;
  /** 0 = the real server's own port. */
  readonly port: number;
  readonly url: string;
  readonly method: 'HEAD' | 'GET' | 'POST' | 'OPTIONS';
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Codes from 300 that mean up, beside all of 2xx. */
  readonly codes: readonly number[];
  /** What the body of a 2xx answer must match; undefined = anything. */
  readonly pattern: string | undefined;
  readonly postData: string | undefined;
  readonly http11: boolean;
  /** Host header under HTTP/1.1 and name for SNI; undefined = the server's address, no SNI. */
  readonly host: string | undefined;
  /** Mail checks: TLS from the first byte on; undefined = on ports 465, 993 and 995. */
  readonly tls: boolean | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Further tries before a server that does not answer is down. */
  readonly retries: number;
}

export type { Health } from '../health-check/health.ts';
