// From bytes as the network cut them to lines and data. It is asked for the next piece and told how
// to take it, since what a line means decides how the bytes behind it are to be read. Whatever the
// cuts, the same bytes come out in the same order, and the same verdict.

import { DotWatch } from './dotted.ts';
import { LF } from './line-end.ts';
import { StrictMailWatch } from './strict-mail.ts';

/**
 * Line by line, so many bytes as they are, or mail up to the line with a single dot (RFC 5321
 * 4.1.1.4), which belongs to it; `strict`: of mail whose lines every program sees alike.
 */
export type Mode =
  | { readonly as: 'lines' }
  | { readonly as: 'data'; readonly length: number }
  | { readonly as: 'dotted'; readonly strict?: boolean };

export type Piece =
  /** Whole, with its LF. */
  | { readonly is: 'line'; readonly bytes: Buffer }
  /** A part of data; `ended` with the last, which may be empty. */
  | { readonly is: 'data'; readonly bytes: Buffer; readonly ended: boolean }
  /** Nothing of what is left can be read: it is too long, or could be read in two ways. */
  | {
      readonly is: 'broken';
      readonly reason: 'line-too-long' | 'violation' | 'unclear-mail';
      readonly words: string;
    };

export class LineGatherer {
  readonly #lineBytesMax: number;
  /** Came and was not taken: the beginning of a line, then the latest chunk from `#from` on. */
  #begun: Buffer | undefined;
  #begunLength = 0;
  #chunk: Buffer = none;
  #from = 0;
  /** Within data: bytes of it that are missing; -1 outside. */
  #missing = -1;
  #dots: DotWatch | StrictMailWatch | undefined;
  #broken: Piece | undefined;

  /** Of a line with its end. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Bytes that came and were not taken. */
  get waiting(): number {
    return this.#begunLength + this.#chunk.length - this.#from;
  }

  /** Whether the beginning of a line was taken whose end is missing. */
  get inLine(): boolean {
    return this.#begunLength > 0;
  }

  /** Takes what came next. The bytes must stay as they are until they have been taken. */
  add(chunk: Buffer): void {
    const left = this.#chunk.length - this.#from;
    this.#chunk = left === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#from), chunk]);
    this.#from = 0;
  }

  /** The next piece; undefined while bytes are missing. */
  next(mode: Mode): Piece | undefined {
    if (this.#broken !== undefined) return this.#broken;
    if (mode.as === 'lines') return this.#line();
    return mode.as === 'data' ? this.#data(mode.length) : this.#dotted(mode.strict === true);
  }

  /** All that was not taken, for a relay that looks at nothing. */
  takeAll(): Buffer {
    this.#join();
    const all = this.#chunk.subarray(this.#from);
    this.#chunk = none;
    this.#from = 0;
    return all;
  }

  #line(): Piece | undefined {
    const chunk = this.#chunk;
    const from = this.#from;
    const lf = chunk.indexOf(LF, from);
    const end = lf === -1 ? chunk.length : lf + 1;
    const length = this.#begunLength + end - from;
    if (length > this.#lineBytesMax || (lf === -1 && length === this.#lineBytesMax)) {
      return this.#tooLong();
    }
    if (lf === -1) {
      if (end > from) this.#begin(end);
      return undefined;
    }
    if (this.#begunLength === 0) {
      this.#from = end;
      this.#letGo();
      return { is: 'line', bytes: chunk.subarray(from, end) };
    }
    this.#begin(end);
    const bytes = this.#begun?.subarray(0, this.#begunLength) ?? none;
    this.#begun = undefined;
    this.#begunLength = 0;
    return { is: 'line', bytes };
  }

  /**
   * Moves the chunk up to `end` behind the line that was begun. The store doubles, so that a peer
   * that sends byte by byte has each byte copied a few times only.
   */
  #begin(end: number): void {
    const length = this.#begunLength + end - this.#from;
    if (this.#begun === undefined || this.#begun.length < length) {
      const store = Buffer.allocUnsafeSlow(Math.max(64, Math.min(length * 2, this.#lineBytesMax)));
      this.#begun?.copy(store, 0, 0, this.#begunLength);
      this.#begun = store;
    }
    this.#chunk.copy(this.#begun, this.#begunLength, this.#from, end);
    this.#begunLength = length;
    this.#from = end;
    this.#letGo();
  }

  #data(length: number): Piece | undefined {
    if (this.#missing === -1) this.#missing = length;
    this.#join();
    const end = Math.min(this.#chunk.length, this.#from + this.#missing);
    if (end === this.#from && this.#missing > 0) return undefined;
    const bytes = this.#chunk.subarray(this.#from, end);
    this.#missing -= bytes.length;
    this.#from = end;
    this.#letGo();
    const ended = this.#missing === 0;
    if (ended) this.#missing = -1;
    return { is: 'data', bytes, ended };
  }

  #dotted(strict: boolean): Piece | undefined {
    this.#join();
    if (this.#from === this.#chunk.length) return undefined;
    this.#dots ??= strict ? new StrictMailWatch() : new DotWatch();
    const rest = this.#chunk.subarray(this.#from);
    const { length, is } = this.#dots.take(rest);
    this.#from += length;
    this.#letGo();
    const bytes = rest.subarray(0, length);
    if (is === 'open') return length === 0 ? undefined : { is: 'data', bytes, ended: false };
    this.#dots = undefined;
    if (is === 'ended') return { is: 'data', bytes, ended: true };
    this.#broken = strict ? unclearMail : falseEnd;
    return length === 0 ? this.#broken : { is: 'data', bytes, ended: false };
  }

  /** A line that was begun is data after all. */
  #join(): void {
    if (this.#begun === undefined) return;
    const begun = this.#begun.subarray(0, this.#begunLength);
    this.#chunk = Buffer.concat([begun, this.#chunk.subarray(this.#from)]);
    this.#from = 0;
    this.#begun = undefined;
    this.#begunLength = 0;
  }

  /** A session that is silent keeps no chunk. */
  #letGo(): void {
    if (this.#from < this.#chunk.length) return;
    this.#chunk = none;
    this.#from = 0;
  }

  #tooLong(): Piece {
    const words = `a line must not be longer than ${this.#lineBytesMax} bytes`;
    return (this.#broken = { is: 'broken', reason: 'line-too-long', words });
  }
}

const none = Buffer.alloc(0);

const falseEnd: Piece = {
  is: 'broken',
  reason: 'violation',
  words: 'a line with a single dot must stand between CR LF and CR LF'
};
const unclearMail: Piece = {
  is: 'broken',
  reason: 'unclear-mail',
  words: 'mail data must not hold a bare CR, a bare LF or a NUL'
};
