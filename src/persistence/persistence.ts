// Persistence: a client that comes again is sent to the real server that served it before. A kind
// says what a client is known by; the records are kept by others.

/** What a client may be known by. Each is read only when a kind wants it. */
export interface PersistenceFacts {
  /** Path without query, as the client wrote it. */
  path(): string;
  /** `?...` with the question mark, or ''. */
  query(): string;
  /** Host without port, lower case; '' when the request names none. */
  host(): string;
  sourceAddress(): string;
  /** All values of the field; undefined when absent. `name` is lower case. */
  header(name: string): string | undefined;
  /** The value of the first cookie of this name. */
  cookie(name: string): string | undefined;
}

export interface PersistenceOptions {
  /** The cookie, header field (lower case) or query item that the kind looks at. */
  readonly name: string;
  /** Leading bits of a client's address that count. */
  readonly maskBits: number;
  readonly maskBits6: number;
  /** Whether what this peer says in X-Forwarded-For is believed. */
  readonly isTrusted: (address: string) => boolean;
}

/**
 * What the table knows the client of a request by; undefined = nothing, so that the scheduler
 * chooses. Short whatever came, and no secret can be read from it.
 */
export type KeyOf = (facts: PersistenceFacts) => string | undefined;

export interface PersistenceKind {
  /** Undefined where no table is needed. */
  readonly keyOf: ((options: PersistenceOptions) => KeyOf) | undefined;
  /** `own`: one of ours names the server; `server`: the key is a value that a server gave out. */
  readonly cookie: 'none' | 'own' | 'server';
  /** The parameter that the kind cannot do without. */
  readonly needs: 'cookie' | 'queryTag' | undefined;
}
