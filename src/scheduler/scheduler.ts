// A scheduler picks one of the real servers that may be used; it knows nothing else.

export interface Candidate {
  /** Connections open to it now, from all workers together. */
  readonly active: number;
  readonly weight: number;
  /** `hashOf` its address and port: tells servers apart, alike in all workers. */
  readonly hash: number;
  /** When it came back or was added, in milliseconds since 1970; 0 = it was there from the start. */
  readonly upSinceMs: number;
}

export interface Scheduler {
  /**
   * One of `available`; undefined when it is empty. Ties go round. `key` is the client's address:
   * who hashes gives equal keys the same server.
   */
  pick<C extends Candidate>(available: readonly C[], key: string): C | undefined;
}

/** How much of its weight a server has at present: more than 0, at most 1. */
export type Ramp = (server: Candidate) => number;
