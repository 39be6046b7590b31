// How long a refusal takes. A wrong password is known after one answer of the directory, that somebody is
// in no permitted group only after several more: if each were told when it is known, the time would tell
// which passwords are right. So all of them take as long as the slowest of the latter did lately.

/** However fast the directory is: who guesses shall not guess often. */
const leastTimeMs = 500;
/** Nobody is kept longer for it: beyond this a directory is slower than we can hide. */
const lookupTimeMsMax = 3000;
/** One slow question is nearly forgotten after three times as many others. */
const memory = 50;

export class RefusalTime {
  readonly #leastMs: number;
  #slowestMs = 0;

  constructor(leastMs: number = leastTimeMs) {
    this.#leastMs = leastMs;
  }

  /**
   * Notes what a question took that went on to the groups. Only other questions make a slow one
   * forgotten, and not the time: the first guess of the morning meets what was known in the evening.
   */
  note(tookMs: number): void {
    const faded = this.#slowestMs - (this.#slowestMs - tookMs) / memory;
    this.#slowestMs = Math.max(tookMs, faded);
  }

  /** Of the next refusal; up to a fifth more is chance, which blurs what is left to see. */
  get nextMs(): number {
    const leastMs = Math.max(this.#leastMs, Math.min(this.#slowestMs, lookupTimeMsMax));
    return leastMs * (1 + Math.random() / 5);
  }
}
