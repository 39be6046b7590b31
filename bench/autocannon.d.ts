// The little of autocannon that the bench uses; the package brings no types.

declare module 'autocannon' {
  import type { EventEmitter } from 'node:events';

  export interface Result {
    readonly errors: number;
    readonly timeouts: number;
    readonly mismatches: number;
    readonly non2xx: number;
    readonly requests: { readonly sent: number; readonly total: number };
  }

  export interface Options {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly timeout: number;
    readonly sampleInt: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly requests: readonly { readonly method: string; readonly path: string }[];
    readonly servername: string;
    readonly verifyBody: (body: string) => boolean;
  }

  /** `response` events carry client, status, bytes and milliseconds. */
  export default function autocannon(
    options: Options,
    done: (error: Error | null, result: Result) => void
  ): EventEmitter;
}
