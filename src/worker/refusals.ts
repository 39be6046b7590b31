// Clients that are turned away at the door: each is counted, but only so many a second are told
// why and have a line in the log. Turning away must stay cheaper than coming.

import type { Logger } from '../log.ts';

const toldASecondMax = 20;

export class Refusals {
  readonly #log: Logger;
  #second = 0;
  #told = 0;
  #untold = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Whether there is time for another one; `nowMs` never goes back. */
  mayTell(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#told = 0;
      if (this.#untold > 0) this.#log.warn({ count: this.#untold }, 'more were refused');
      this.#untold = 0;
    }
    if (this.#told < toldASecondMax) {
      this.#told++;
      return true;
    }
    this.#untold++;
    return false;
  }
}
