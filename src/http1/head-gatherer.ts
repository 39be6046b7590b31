// Puts the pieces of a head together. The store doubles, so that a peer that sends byte by byte
// makes us copy each byte a few times and not thousands of times.

import type { AnswerParser, RequestParser } from './parse-head.ts';

export class HeadGatherer {
  readonly #parser: AnswerParser | RequestParser;
  #store: Buffer | undefined;
  #length = 0;

  constructor(parser: AnswerParser | RequestParser) {
    this.#parser = parser;
  }

  /** Whether a part of a head has come and the rest is missing. */
  get inProgress(): boolean {
    return this.#parser.inProgress;
  }

  /**
   * Takes the next bytes. Returns those that stand behind the head, which may be none, once it is
   * complete; undefined while bytes are missing. Throws `ProxyError`.
   */
  take(bytes: Buffer): Buffer | undefined {
    const all = this.#length === 0 ? bytes : this.#append(bytes);
    const end = this.#parser.parse(all);
    if (end === -1) {
      if (this.#length === 0) this.#append(bytes);
      return undefined;
    }
    this.#store = undefined;
    this.#length = 0;
    return end === all.length ? none : all.subarray(end);
  }

  #append(bytes: Buffer): Buffer {
    const length = this.#length + bytes.length;
    if (this.#store === undefined || this.#store.length < length) {
      const store = Buffer.allocUnsafeSlow(Math.max(4096, length * 2));
      this.#store?.copy(store, 0, 0, this.#length);
      this.#store = store;
    }
    bytes.copy(this.#store, this.#length);
    this.#length = length;
    return this.#store.subarray(0, length);
  }
}

const none = Buffer.alloc(0);
