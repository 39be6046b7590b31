// Reads an answer off a connection and compares every byte of its body with what must come.

import { Expectation } from '../content.ts';
import { answerBody } from '../workload.ts';

const smallBody = Buffer.from(answerBody);
const headBytesMax = 16_384;

export class Answer {
  readonly #expected: Expectation;
  readonly #bytes: number;
  #head = '';
  #inBody = false;
  /** Why it is wrong, in few words. */
  wrong: string | undefined;
  /** The server wants to close the connection behind it. */
  closes = false;

  constructor(start: number, bytes: number, source?: Buffer) {
    this.#expected = new Expectation(start, bytes, source);
    this.#bytes = bytes;
  }

  /** That of the small answer, which most requests get. */
  static small(): Answer {
    return new Answer(0, smallBody.length, smallBody);
  }

  get isWhole(): boolean {
    return this.#inBody && this.#expected.isMet;
  }

  /** Whether anything came at all. */
  get hasBegun(): boolean {
    return this.#head !== '';
  }

  /** Returns how many bytes of the body were in it. More than the answer makes it wrong. */
  take(chunk: Buffer): number {
    const body = this.#inBody ? chunk : this.#takeHead(chunk);
    if (body.length === 0) return 0;
    const taken = this.#expected.take(body);
    if (taken < body.length) this.wrong ??= 'bytes behind an answer';
    if (this.#expected.wrong) this.wrong ??= 'wrong bodies';
    return taken;
  }

  #takeHead(chunk: Buffer): Buffer {
    const before = this.#head.length;
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#head.length > headBytesMax) this.wrong = 'heads without end';
      return chunk.subarray(chunk.length);
    }
    const head = this.#head.slice(0, end + 2);
    this.#inBody = true;
    this.closes = /^connection: *close\r$/im.test(head);
    const length = /^content-length: *(\d+)\r$/im.exec(head)?.[1];
    if (!head.startsWith('HTTP/1.1 200 ')) this.wrong = `answers ${head.split('\r', 1)[0]}`;
    else if (Number(length) !== this.#bytes) this.wrong = `answers of ${length} bytes`;
    return chunk.subarray(end + 4 - before);
  }
}
