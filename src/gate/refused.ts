/** Not for any server: 400 where two programs could read the path in two ways, else 403. */
export interface Refused {
  readonly verdict: 'refused';
  readonly code: 400 | 403;
  /** For the security log, never with anything that the client sent. */
  readonly reason: string;
}

export function refusal(code: 400 | 403, reason: string): Refused {
  return Object.freeze({ verdict: 'refused', code, reason });
}
