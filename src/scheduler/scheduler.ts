// A scheduler picks one of the real servers that may be used; it knows nothing else.

export interface Candidate {
  /** Connections open to it now, from all workers together. */
  readonly active: number;
  readonly weight: number;
}

export interface Scheduler {
  /** One of `available`; undefined when it is empty. Ties go round. */
  pick<C extends Candidate>(available: readonly C[]): C | undefined;
}
