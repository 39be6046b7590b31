// Puts the pieces of a head together. The store doubles, so that a peer that sends byte by byte
// makes us copy each byte a few times and not thousands of times.

import type { AnswerParser, RequestParser } from './parse-head.ts';

/**
 * Most memory for unfinished heads of all connections together. Thousands of peers that each send
 * 100 KiB and stop would take far more than the limits of one.
 */
const gatheredBytesMax = 64 * 1024 * 1024;
let gatheredBytes = 0;

export class HeadGatherer {
  readonly #parser: AnswerParser | RequestParser;
  readonly #keepsHeads: boolean;
  #store: Buffer | undefined;
  #length = 0;

  /** With `keepsHeads` a head can be read for longer than the bytes that it came in. */
  constructor(parser: AnswerParser | RequestParser, keepsHeads = false) {
    this.#parser = parser;
    this.#keepsHeads = keepsHeads;
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
    const end = this.#parse(all);
    if (end === -1) {
      if (this.#length === 0) this.#append(bytes);
      return undefined;
    }
    if (this.#keepsHeads && this.#store === undefined) this.#keep(end);
    this.release();
    return end === all.length ? none : all.subarray(end);
  }

  /** Moves the head out of the bytes that came. */
  #keep(end: number): void {
    const { head } = this.#parser;
    const copy = Buffer.allocUnsafe(end);
    copy.set(end === head.bytes.length ? head.bytes : head.bytes.subarray(0, end));
    head.bytes = copy;
  }

  #parse(all: Buffer): number {
    try {
      return this.#parser.parse(all);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Lets go of an unfinished head; call when the connection ends. */
  release(): void {
    if (this.#store !== undefined) gatheredBytes -= this.#store.length;
    this.#store = undefined;
    this.#length = 0;
  }

  #append(bytes: Buffer): Buffer {
    const length = this.#length + bytes.length;
    if (this.#store === undefined || this.#store.length < length) {
      const size = Math.max(4096, length * 2);
      const grown = size - (this.#store?.length ?? 0);
      if (gatheredBytes + grown > gatheredBytesMax) {
        throw this.#parser.tooLarge('too many unfinished heads');
      }
      gatheredBytes += grown;
      const store = Buffer.allocUnsafeSlow(size);
      this.#store?.copy(store, 0, 0, this.#length);
      this.#store = store;
    }
    bytes.copy(this.#store, this.#length);
    this.#length = length;
    return this.#store.subarray(0, length);
  }
}

const none = Buffer.alloc(0);
