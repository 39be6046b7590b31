// Persistence of one service as it runs: how its clients are known, and the cookie where there is one.

import type * as model from '../config/model.ts';
import { formatEndpoint, networkTest } from '../net/address.ts';
import { digest } from '../persistence/digest.ts';
import { cookieValue, setCookieField } from '../persistence/own-cookie.ts';
import type { KeyOf } from '../persistence/persistence.ts';
import { persistences } from '../persistence/registry.ts';
import type { RealServer } from './real-server.ts';

export interface Persistence {
  readonly timeoutMs: number;
  /** Every request is a use of the record. */
  readonly refreshes: boolean;
  /** Look for a record at each request. */
  readonly always: boolean;
  /** Undefined where there is no table. Keys of different services are never equal. */
  readonly keyOf: KeyOf | undefined;
  readonly ownCookie: OwnCookie | undefined;
  readonly serverCookie: ServerCookie | undefined;
}

/** A cookie of Ballast's that names the server. */
export interface OwnCookie {
  readonly name: string;
  readonly serverOf: ReadonlyMap<string, RealServer>;
  /** The Set-Cookie line for each server. */
  readonly fieldOf: ReadonlyMap<RealServer, string>;
}

/** A cookie of the server's, whose value is the key. */
export interface ServerCookie {
  readonly name: string;
  keyOf(value: string): string;
}

type ServiceTls = model.VirtualService['tls'];

export type BuildPersistence = (
  settings: model.PersistenceSettings | undefined,
  fullName: string,
  realServers: readonly RealServer[],
  tls: ServiceTls
) => Persistence | undefined;

/** `secret` is what cookies are made with where there is no TLS. */
export function persistenceBuilder(
  configuration: model.Configuration,
  secret: string
): BuildPersistence {
  const { alwaysPersist, trustedProxies } = configuration.global;
  const isTrusted = networkTest(trustedProxies);
  return (settings, fullName, realServers, tls) => {
    if (settings === undefined) return undefined;
    const { mode, name, maskBits, maskBits6 } = settings;
    const kind = persistences[mode];
    // A mode that changed has another table: its keys mean something else.
    const table = `${digest(`${fullName}\n${mode}\n${name}`).slice(0, 8)}:`;
    const bare = kind.keyOf?.({ name, maskBits, maskBits6, isTrusted });
    const cookieSecret = secretOf(tls, configuration) ?? secret;
    return {
      timeoutMs: settings.timeoutMs,
      refreshes: settings.refresh,
      always: alwaysPersist,
      keyOf: bare && withPrefix(table, bare),
      ownCookie:
        kind.cookie === 'own'
          ? buildOwnCookie(settings, realServers, tls !== undefined, cookieSecret)
          : undefined,
      serverCookie:
        kind.cookie === 'server' ? { name, keyOf: (value) => table + digest(value) } : undefined
    };
  };
}

/**
 * The key of the service's certificate: so cookies hold over a restart, and nobody can try out which
 * address a value stands for, as he could if it were made of names alone.
 */
function secretOf(tls: ServiceTls, { certificates }: model.Configuration): string | undefined {
  return certificates.find(({ name }) => name === tls?.certificates[0])?.keyPem;
}

function withPrefix(prefix: string, keyOf: KeyOf): KeyOf {
  return (facts) => {
    const key = keyOf(facts);
    return key === undefined ? undefined : prefix + key;
  };
}

function buildOwnCookie(
  { name, timeoutMs }: model.PersistenceSettings,
  realServers: readonly RealServer[],
  secure: boolean,
  secret: string
): OwnCookie {
  const serverOf = new Map<string, RealServer>();
  const fieldOf = new Map<RealServer, string>();
  for (const server of realServers) {
    const { address, port } = server.settings;
    const value = cookieValue(secret, formatEndpoint(address, port));
    serverOf.set(value, server);
    fieldOf.set(server, setCookieField(name, value, timeoutMs / 1000, secure));
  }
  return { name, serverOf, fieldOf };
}
