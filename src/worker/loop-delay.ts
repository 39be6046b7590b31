// How late this worker's event loop runs: what every client of the worker waits for besides.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LoopDelayMs } from '../messages.ts';

const resolutionMs = 20;
const windowMs = 30_000;

export class LoopDelay {
  readonly #monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  #before: LoopDelayMs = { p50: 0, p99: 0, max: 0 };
  #windowBeganMs: number = performance.now();

  constructor() {
    this.#monitor.enable();
  }

  /** The worse of this half minute and the one before it: no scrape comes too late to see it. */
  read(): LoopDelayMs {
    const now = {
      p50: lateMs(this.#monitor.percentile(50)),
      p99: lateMs(this.#monitor.percentile(99)),
      max: lateMs(this.#monitor.max)
    };
    const { p50, p99, max } = this.#before;
    if (performance.now() - this.#windowBeganMs > windowMs) {
      this.#before = now;
      this.#windowBeganMs = performance.now();
      this.#monitor.reset();
    }
    return {
      p50: Math.max(p50, now.p50),
      p99: Math.max(p99, now.p99),
      max: Math.max(max, now.max)
    };
  }
}

/** The monitor notes the whole time between two ticks, in nanoseconds. */
function lateMs(betweenTicksNs: number): number {
  return Math.max(0, Math.round(betweenTicksNs / 1000) / 1000 - resolutionMs);
}
