// Small configurations for tests of the primary.

import type { CheckSettings, Configuration, Health, RealServer } from '../../src/config/model.ts';
import type { Service, SsoDomain, SubVirtualService, TcpSettings } from '../../src/config/model.ts';
import type { VirtualService } from '../../src/config/model.ts';

export function configurationOf(
  virtualServices: readonly VirtualService[],
  global: Partial<Configuration['global']> = {}
): Configuration {
  return {
    global: {
      workers: 1,
      expect100: 'rfc-7231',
      additionalL7Header: 'none',
      dropOnFail: false,
      alwaysPersist: false,
      trustedProxies: [],
      drainTimeMs: 1000,
      slowStartMs: 0,
      logLevel: 'silent',
      accessLog: false,
      user: undefined,
      ...global
    },
    admin: { address: '127.0.0.1', port: 0 },
    certificates: [],
    ssoDomains: [],
    virtualServices
  };
}

export function checkSettings(settings: Partial<CheckSettings> = {}): CheckSettings {
  return {
    type: 'http',
    port: 0,
    url: '/',
    method: 'GET',
    http11: false,
    host: undefined,
    tls: undefined,
    headers: [],
    codes: [301, 302, 401],
    pattern: undefined,
    postData: undefined,
    intervalMs: 20,
    timeoutMs: 5000,
    retries: 2,
    ...settings
  };
}

function service(settings: Partial<Service>): Service {
  return {
    name: 'web',
    enable: true,
    schedule: 'lc',
    idleTimeMs: 1000,
    check: checkSettings(),
    rsMinimum: undefined,
    preProcessRules: [],
    requestRules: [],
    responseRules: [],
    persistence: undefined,
    notAvailable: undefined,
    esp: undefined,
    realServers: [],
    standby: undefined,
    ...settings
  };
}

export function virtualService(settings: Partial<VirtualService> = {}): VirtualService {
  return {
    ...service(settings),
    vsType: 'http',
    tcp: undefined,
    extraPorts: [],
    acceptProxyProtocol: false,
    clientConnsLimit: 0,
    address: '127.0.0.1',
    port: 80,
    tls: undefined,
    reencrypt: undefined,
    subnetOriginating: true,
    subVSs: [],
    ...settings
  };
}

/** A generic service for IMAP. */
export function mailService(settings: Partial<VirtualService> = {}): VirtualService {
  return virtualService({ vsType: 'gen', tcp: tcpSettings(), port: 143, ...settings });
}

export function tcpSettings(settings: Partial<TcpSettings> = {}): TcpSettings {
  return {
    protocol: 'imap',
    startTls: 'no',
    clearLogin: true,
    lineBytesMax: 12_288,
    loginTimeMs: 180_000,
    proxyProtocol: 'none',
    xclient: false,
    recipients: undefined,
    ...settings
  };
}

export function subVS(settings: Partial<SubVirtualService> = {}): SubVirtualService {
  return { ...service({ name: 'OWA' }), rules: [], isDefault: false, ...settings };
}

/** The defaults of `ssoDomains:`, with a lockout after three failures. */
export function ssoDomain(settings: Partial<SsoDomain> = {}): SsoDomain {
  return {
    name: 'EXAMPLE.COM',
    servers: [{ host: '127.0.0.1', port: 389 }],
    transport: 'starttls',
    verify: true,
    caPem: undefined,
    timeoutMs: 5000,
    realm: 'example.com',
    logonFormat: 'principal',
    serverLogonFormat: 'principal',
    searchBase: undefined,
    lockout: { failuresMax: 3, resetMs: 60_000, blockedMs: 1_800_000 },
    sessionEndsBy: 'idle',
    publicSession: { idleMs: 900_000, ageMs: 1_800_000 },
    privateSession: { idleMs: 900_000, ageMs: 28_800_000 },
    revalidateMs: 60_000,
    testUser: undefined,
    ...settings
  };
}

export function realServer(
  id: string,
  address: { readonly address: string; readonly port: number },
  settings: Partial<RealServer> = {}
): RealServer {
  const { port } = address;
  return {
    id,
    name: id,
    address: address.address,
    port,
    weight: 1000,
    limit: 0,
    enable: true,
    hostName: undefined,
    critical: false,
    ...settings
  };
}

/** `healthOf` of a table; what is not in it is unknown. */
export function healthTable(table: Readonly<Record<string, Health['state']>>) {
  return (id: string): Health => {
    const state = table[id] ?? 'unknown';
    return state === 'down' ? { state, reason: 'test' } : { state };
  };
}
