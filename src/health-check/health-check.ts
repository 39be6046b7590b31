// A health check asks one real server once. It returns when the server passed and throws the
// reason, written for a human, when it did not. The caller owns the deadline and the repetition.

export interface CheckTarget {
  readonly address: string;
  readonly port: number;
  /** The PROXY header that it wants of every connection; undefined = none. */
  readonly proxyProtocol?: 'v1' | 'v2' | undefined;
}

export interface CheckOptions {
  readonly url: string;
  readonly method: 'HEAD' | 'GET' | 'POST' | 'OPTIONS';
  readonly http11: boolean;
  readonly host: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Codes from 300 that mean up, beside all of 2xx. */
  readonly codes: readonly number[];
  readonly postData: string | undefined;
  /** What the body of a 2xx answer to GET or POST must pass; undefined = it is not read. */
  readonly bodyMatches: ((body: string) => boolean) | undefined;
  /** Mail: TLS from the first byte on; undefined = where the port is known for it. */
  readonly tls: boolean | undefined;
}

export type HealthCheck = (
  target: CheckTarget,
  options: CheckOptions,
  signal: AbortSignal
) => Promise<void>;

/**
 * Why a check failed. `answered` tells whether the server gave an answer at all: an answer decides
 * at once, silence is tried again (kemp-traffic 5.2).
 */
export class CheckFailure extends Error {
  readonly answered: boolean;

  constructor(message: string, answered: boolean) {
    super(message);
    this.name = 'CheckFailure';
    this.answered = answered;
  }
}
