// Where a body ends. The bytes themselves are never changed or kept: the reader only counts, and
// for chunked checks every byte that two programs could read differently (RFC 9112 7.1).

import { ProxyError } from '../error.ts';
import { COLON, CR, LF, SEMICOLON, TOKEN, VALUE, isOf } from './bytes.ts';
import type { Framing } from './head.ts';
import { chunkExtensionBytesMax, trailerBytesMax } from './limits.ts';

type ChunkState = 'size-start' | 'size' | 'extension' | 'size-lf' | 'data-cr' | 'data-lf';
type TrailerState = 'trailer-start' | 'trailer-name' | 'trailer-value' | 'trailer-lf' | 'last-lf';
type State = 'done' | 'length' | 'until-close' | 'data' | ChunkState | TrailerState;

/** Told of each run of body data, without the chunked framing. */
export type DataSink = (start: number, end: number) => void;

export class BodyReader {
  readonly #source: 'client' | 'server';
  #state: State = 'done';
  /** Bytes left of the body or of the present chunk. */
  #left = 0;
  #sizeDigits = 0;
  /** Bytes of the present extension, or of the trailers so far. */
  #sideBytes = 0;
  #trailerName = '';

  constructor(source: 'client' | 'server') {
    this.#source = source;
  }

  /** Begins a body. `length` counts only for the framing of that name. */
  begin(framing: Framing, length: number): void {
    this.#left = length;
    this.#sideBytes = 0;
    switch (framing) {
      case 'none':
        this.#state = 'done';
        break;
      case 'length':
        this.#state = length === 0 ? 'done' : 'length';
        break;
      case 'chunked':
        this.#state = 'size-start';
        break;
      case 'close':
        this.#state = 'until-close';
        break;
    }
  }

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Whether the end of the connection is the regular end of this body. */
  get endsWithConnection(): boolean {
    return this.#state === 'until-close';
  }

  /**
   * Counts `bytes[from..]`; the offset behind the last byte that belongs to the body. Throws
   * `ProxyError` on bad chunking.
   */
  advance(bytes: Buffer, from: number, sink?: DataSink): number {
    if (this.#state === 'length') return this.#counted(bytes, from, 'done', sink);
    if (this.#state === 'until-close') {
      sink?.(from, bytes.length);
      return bytes.length;
    }
    let i = from;
    while (i < bytes.length) {
      const state = this.#state;
      if (state === 'done' || state === 'length' || state === 'until-close') break;
      if (state === 'data') i = this.#counted(bytes, i, 'data-cr', sink);
      else this.#state = this.#step(state, bytes[i++] ?? 0);
    }
    return i;
  }

  /** Data of known length; `next` is the state behind it. */
  #counted(bytes: Buffer, from: number, next: State, sink: DataSink | undefined): number {
    const end = Math.min(bytes.length, from + this.#left);
    this.#left -= end - from;
    if (this.#left === 0) this.#state = next;
    sink?.(from, end);
    return end;
  }

  /** One byte of the framing around the data: the next state. */
  #step(state: ChunkState | TrailerState, byte: number): State {
    switch (state) {
      case 'size-start':
        this.#left = 0;
        this.#sizeDigits = 0;
        this.#sideBytes = 0;
        return this.#size(byte);
      case 'size':
        if (byte === CR) return 'size-lf';
        if (byte === SEMICOLON) return 'extension';
        return this.#size(byte);
      case 'extension':
        if (byte === CR) return 'size-lf';
        this.#sideByte(byte, VALUE, chunkExtensionBytesMax);
        return 'extension';
      case 'size-lf':
        this.#expect(byte, LF);
        return this.#left === 0 ? 'trailer-start' : 'data';
      case 'data-cr':
        this.#expect(byte, CR);
        return 'data-lf';
      case 'data-lf':
        this.#expect(byte, LF);
        return 'size-start';
      case 'trailer-start':
        if (byte === CR) return 'last-lf';
        this.#trailerName = '';
        this.#sideBytes += 3; // this line's colon, CR and LF
        return this.#nameByte(byte);
      case 'trailer-name':
        if (byte !== COLON) return this.#nameByte(byte);
        this.#checkName();
        return 'trailer-value';
      case 'trailer-value':
        if (byte === CR) return 'trailer-lf';
        this.#sideByte(byte, VALUE, trailerBytesMax);
        return 'trailer-value';
      case 'trailer-lf':
        this.#expect(byte, LF);
        return 'trailer-start';
      case 'last-lf':
        this.#expect(byte, LF);
        return 'done';
    }
  }

  #size(byte: number): State {
    const digit = hexDigit(byte);
    // 15 digits are below 2^60; larger ones would not be counted exactly, and none is honest.
    if (digit < 0 || ++this.#sizeDigits > 15) throw this.#bad('bad chunk size');
    this.#left = this.#left * 16 + digit;
    if (this.#left > Number.MAX_SAFE_INTEGER) throw this.#bad('bad chunk size');
    return 'size';
  }

  #nameByte(byte: number): State {
    this.#sideByte(byte, TOKEN, trailerBytesMax);
    this.#trailerName += String.fromCharCode(byte);
    return 'trailer-name';
  }

  /** A byte of an extension or a trailer: of the right class, and not one too many. */
  #sideByte(byte: number, bits: number, max: number): void {
    if (!isOf(byte, bits)) throw this.#bad('bad byte in a chunk extension or trailer');
    if (++this.#sideBytes > max) throw this.#bad('chunk extension or trailers too long');
  }

  /** RFC 9110 6.5.1: what frames or routes a message may not come behind it. */
  #checkName(): void {
    if (forbiddenTrailers.has(this.#trailerName.toLowerCase().replaceAll('_', '-'))) {
      throw this.#bad(`${this.#trailerName} in the trailers`);
    }
  }

  #expect(byte: number, want: number): void {
    if (byte !== want) throw this.#bad('bad line end in a chunked body');
  }

  #bad(message: string): ProxyError {
    return this.#source === 'client'
      ? new ProxyError('malformed-request', 'client', message)
      : new ProxyError('malformed-answer', 'server', message);
  }
}

const forbiddenTrailers = new Set(['content-length', 'transfer-encoding', 'host']);

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
