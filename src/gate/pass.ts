// What primary and workers say to each other of people who sign in (pre-authentication).

/** How long an asker waits for the answer to `LogonAsk`: several servers may be asked about it. */
export const logonTimeMs = 60_000;

/** May this person in? Asked by a worker that has a name and a password (pre-authentication). */
export interface LogonAsk {
  /** Full name of the service that he wants to use; it has the groups that may. */
  readonly service: string;
  /** SSO domain. */
  readonly domain: string;
  readonly how: 'form' | 'basic';
  /** As typed, and the password under the seal of this installation (gate/seal.ts). */
  readonly user: string;
  readonly sealedPassword: string;
  /** What the session will be known by: a hash, which opens nothing by itself. */
  readonly key: string;
  /** On a computer of his own, says he. */
  readonly isPrivate: boolean;
  /** Client address, for the log. */
  readonly client: string;
}

/** Who is signed in, as a worker may know it. Times are ms since 1970. */
export interface Pass {
  readonly key: string;
  readonly user: string;
  readonly domain: string;
  readonly isPrivate: boolean;
  /** Whatever happens it is over by then. */
  readonly endsAtMs: number;
  /** And after this long without a use. */
  readonly idleMs: number;
  /** For the real servers: name and password under the seal; '' where none needs them. */
  readonly sealedLogon: string;
}

/**
 * What became of a question. `denied` has many causes, which are for the log: to the client all look the
 * same. A name is `blocked` whether or not somebody bears it.
 */
export type LogonAnswer =
  | { readonly outcome: 'welcome'; readonly pass: Pass }
  | { readonly outcome: 'denied'; readonly reason: string }
  | { readonly outcome: 'blocked' | 'unavailable' }
  | { readonly outcome: 'expired'; readonly mustChange: boolean };
