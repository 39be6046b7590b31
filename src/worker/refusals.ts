// Clients that are turned away at the door: each is counted, but only so many a second are told
// why and have a line in the log. Turning away must stay cheaper than coming.

import { Ration, type Logger } from '../log.ts';

const toldASecondMax = 20;

export class Refusals {
  readonly #log: Logger;
  readonly #ration = new Ration(toldASecondMax, 1000);

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether there is time for another one; `nowMs` never goes back. */
  mayTell(nowMs: number): boolean {
    const leftOut = this.#ration.take(nowMs);
    if (leftOut === undefined) return false;
    if (leftOut > 0) this.#log.warn({ count: leftOut }, 'more were refused');
    return true;
  }
}
