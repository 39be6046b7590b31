// The one reader of message heads: strict where two programs could differ in what they see
// (request smuggling), lenient in everything else. It works line by line through a buffer, keeps
// its place when bytes are missing, and gives the same result however the bytes were cut.

import { ProxyError, type ErrorCode } from '../error.ts';
import { CR, COLON, HTAB, LF, SP, TOKEN, VALUE, skip } from './bytes.ts';
import { readRequestField, readAnswerField } from './known-fields.ts';
import { AnswerHead, RequestHead } from './head.ts';
import { fieldsMax, headBytesMax, lineBytesMax } from './limits.ts';
import { checkRequest, readRequestLine } from './request-line.ts';
import { checkAnswer, readStatusLine } from './status-line.ts';

/** What the two kinds of heads do differently; everything is relative to a finished line. */
interface Kind<H> {
  /** Reads the start line at `at`; offset behind it, or -1 when it is not complete. */
  startLine(head: H, bytes: Buffer, at: number, limit: number): number;
  /** Notes a field that means something to us; throws where it may not stand. */
  field(head: H, n: number): void;
  /** Judges the head as a whole. */
  check(head: H): void;
  fail(code: ErrorCode, message: string): ProxyError;
  /** RFC 9112 2.2: whether one empty line may stand before the start line. */
  readonly emptyLineFirst: boolean;
}

class HeadParser<H extends RequestHead | AnswerHead> {
  readonly head: H;
  readonly #kind: Kind<H>;
  /** Where the line begins that is read next; -1 between heads. */
  #at = -1;
  /** Bytes before this offset cannot decide the line at `#at`. */
  #searched = 0;
  #started = false;

  constructor(head: H, kind: Kind<H>) {
    this.head = head;
    this.#kind = kind;
  }

  /** Whether a part of a head has been read and the rest is missing. */
  get inProgress(): boolean {
    return this.#at >= 0;
  }

  /**
   * Reads the head that begins `bytes`. Returns the offset behind it, with `head` filled, or -1
   * when bytes are missing: call again with the same bytes and more behind them. Throws
   * `ProxyError`; the parser is then of no further use.
   */
  parse(bytes: Buffer): number {
    if (this.#at < 0) this.#begin();
    const { head } = this;
    const limit = headBytesMax;
    if (this.#searched > this.#at && !this.#isDecided(bytes, this.#searched)) return -1;
    head.bytes = bytes;
    for (;;) {
      const next = this.#line(bytes, limit);
      if (next === -1) {
        this.#searched = bytes.length;
        if (bytes.length >= limit) throw this.#kind.fail('head-too-large', 'head above 128 KiB');
        return -1;
      }
      this.#at = next;
      if (this.#started && next === head.end) return this.#finish();
    }
  }

  /** Reads the line at `#at`; the offset behind it, or -1 when it is not complete. */
  #line(bytes: Buffer, limit: number): number {
    try {
      return this.#started
        ? this.#fieldLine(bytes, this.#at, limit)
        : this.#startLine(bytes, this.#at, limit);
    } catch (error) {
      // A verdict on half a line would depend on where the bytes were cut.
      if (this.#isDecided(bytes, this.#at)) throw error;
      return -1;
    }
  }

  /**
   * Whether the line at `#at` can be judged, seen from `from` on: it ends, it has a control byte,
   * or it is too long. Also keeps a line that grows byte by byte from being read anew each time.
   */
  #isDecided(bytes: Buffer, from: number): boolean {
    const { length } = bytes;
    if (skip(bytes, from, length, VALUE) < length) return true;
    if (length >= Math.min(headBytesMax, this.#at + lineBytesMax)) return true;
    this.#searched = length;
    return false;
  }

  /** The error for a head that would take too much. */
  tooLarge(message: string): ProxyError {
    return this.#kind.fail('head-too-large', message);
  }

  #begin(): void {
    this.head.clear();
    this.#at = 0;
    this.#searched = 0;
    this.#started = false;
  }

  #startLine(bytes: Buffer, at: number, limit: number): number {
    let start = at;
    if (bytes[at] === CR && this.#kind.emptyLineFirst) {
      if (at + 1 >= bytes.length) return -1;
      if (bytes[at + 1] !== LF) throw this.#kind.fail(malformed(this.head), 'bare CR');
      start = at + 2;
      if (start >= bytes.length) return -1;
    }
    const next = this.#kind.startLine(this.head, bytes, start, limit);
    if (next !== -1) {
      if (start !== at) this.head.start = start;
      this.#started = true;
    }
    return next;
  }

  /** One field line, or the empty line that ends the head. */
  #fieldLine(bytes: Buffer, at: number, limit: number): number {
    const { head } = this;
    const length = bytes.length;
    if (at >= length) return -1;
    if (bytes[at] === CR) {
      if (at + 1 >= length) return -1;
      if (bytes[at + 1] !== LF) throw this.#malformed('bare CR');
      return (head.end = at + 2);
    }
    const bound = Math.min(length, limit, at + lineBytesMax + 1);
    let i = at;
    i = skip(bytes, i, bound, TOKEN);
    if (i === bound) return this.#outOfBytes(at, bound, length, limit);
    const nameEnd = i;
    if (bytes[i] !== COLON) throw this.#malformed(nameProblem(bytes[i] ?? 0, i === at));
    if (i === at) throw this.#malformed('empty field name');
    i++;
    while (i < bound && (bytes[i] === SP || bytes[i] === HTAB)) i++;
    const valueStart = i;
    i = skip(bytes, i, bound, VALUE);
    if (i === bound) return this.#outOfBytes(at, bound, length, limit);
    if (bytes[i] !== CR) throw this.#malformed('control byte in a field value');
    if (i + 1 >= length) return -1;
    if (bytes[i + 1] !== LF) throw this.#malformed('bare CR');
    let valueEnd = i;
    while (valueEnd > valueStart && isSpace(bytes[valueEnd - 1])) valueEnd--;
    if (head.fieldCount === fieldsMax)
      throw this.#kind.fail('head-too-large', `more than ${fieldsMax} fields`);
    this.#kind.field(head, head.addField(at, nameEnd, valueStart, valueEnd));
    return i + 2;
  }

  /** The line is not complete within `bound`: a limit, or simply not all here. */
  #outOfBytes(at: number, bound: number, length: number, limit: number): number {
    if (bound > at + lineBytesMax) {
      throw this.#kind.fail('head-too-large', 'field line above 64 KiB');
    }
    if (bound === limit && length >= limit) {
      throw this.#kind.fail('head-too-large', 'head above 128 KiB');
    }
    return -1;
  }

  #finish(): number {
    this.#at = -1;
    this.#kind.check(this.head);
    this.head.dropNamed();
    return this.head.end;
  }

  #malformed(message: string): ProxyError {
    return this.#kind.fail(malformed(this.head), message);
  }
}

function malformed(head: RequestHead | AnswerHead): ErrorCode {
  return head instanceof RequestHead ? 'malformed-request' : 'malformed-answer';
}

function isSpace(byte: number | undefined): boolean {
  return byte === SP || byte === HTAB;
}

function nameProblem(byte: number, first: boolean): string {
  if (isSpace(byte)) return first ? 'folded field line' : 'space before the colon';
  return byte === CR || byte === LF ? 'field line without a colon' : 'bad byte in a field name';
}

const requestKind: Kind<RequestHead> = {
  startLine: readRequestLine,
  field: readRequestField,
  check: checkRequest,
  fail: (code, message) => new ProxyError(code, 'client', message),
  emptyLineFirst: true
};

const answerKind: Kind<AnswerHead> = {
  startLine: readStatusLine,
  field: readAnswerField,
  check: checkAnswer,
  // To the client every fault of an answer is the same: 502.
  fail: (_code, message) => new ProxyError('malformed-answer', 'server', message),
  emptyLineFirst: false
};

export class RequestParser extends HeadParser<RequestHead> {
  constructor() {
    super(new RequestHead(), requestKind);
  }
}

export class AnswerParser extends HeadParser<AnswerHead> {
  constructor() {
    super(new AnswerHead(), answerKind);
  }
}
