// The answer to an HTTP check, read as it comes and no further than the verdict takes (kemp-traffic
// 5.2). It is read leniently, unlike what is forwarded: nothing but a verdict is made of it.

import { ProxyError } from '../error.ts';
import { BodyReader } from '../http1/body.ts';
import { CheckFailure, type CheckOptions } from './health-check.ts';
import { quote, quotedBytesMax } from './quote.ts';

/** Of all heads together, interim ones included. */
const headBytesMax = 16 * 1024;
/** A pattern is looked for in the beginning of a body only. */
const bodyBytesMax = 64 * 1024;

export type Reading =
  /** Passed. */
  | 'up'
  /** Failed, and there is nothing more to quote. */
  | 'decided'
  /** Failed; more of the body may come. */
  | 'refusal'
  | 'incomplete';

/** Why an answer whose status is good fails all the same. */
type Flaw = 'not HTTP' | 'endless head' | 'other body' | 'broken body';

const statusLinePattern = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?$/;

export class AnswerReader {
  readonly #options: CheckOptions;
  /** Of the present head and what came behind it. */
  #bytes = Buffer.alloc(0);
  /** Heads of interim answers, which are behind us. */
  #interimBytes = 0;
  /** Set while the body of a good answer is read. */
  #body: BodyReader | undefined;
  #text = '';
  #flaw: Flaw | undefined;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  take(chunk: Buffer): Reading {
    if (this.#body !== undefined) return this.#takeBody(this.#body, chunk);
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      // Whatever does not begin like HTTP will not become it: no need to wait for the end of a line.
      const prefix = this.#bytes.toString('latin1', 0, 7);
      if (!'HTTP/1.'.startsWith(prefix)) return this.#fail('not HTTP');
      const status = this.#status();
      if (status === undefined) {
        return this.#bytes.includes('\r\n') ? this.#fail('not HTTP') : this.#waitForHead();
      }
      const headEnd = this.#bytes.indexOf('\r\n\r\n');
      if (!isInterim(status)) return this.#judge(status, headEnd);
      if (headEnd === -1) return this.#waitForHead();
      this.#interimBytes += headEnd + 4;
      this.#bytes = this.#bytes.subarray(headEnd + 4);
    }
  }

  /** The connection is over: for some bodies that is their end. */
  end(): Reading {
    return this.#body?.endsWithConnection === true ? this.#judgeBody() : 'incomplete';
  }

  /** Why the answer, as far as it came, does not mean "up"; `why` no more of it came. */
  explain(sent: string, why: string): CheckFailure {
    const bytes = this.#bytes;
    if (bytes.length === 0) {
      const got = this.#interimBytes > 0 ? 'nothing but interim answers' : 'nothing';
      return this.#flaw === undefined
        ? new CheckFailure(`${sent}; got ${got}: ${why}`, false)
        : new CheckFailure(`${sent}; got ${got} in 16 KiB`, true);
    }
    const status = this.#status();
    const line = quote(bytes.subarray(0, lineEndOf(bytes)));
    if (status !== undefined && !isInterim(status) && !this.#isUp(status)) {
      const headEnd = bytes.indexOf('\r\n\r\n');
      const isHead = this.#options.method === 'HEAD';
      const body = headEnd === -1 || isHead ? '' : quote(bytes.subarray(headEnd + 4));
      const rest = body === '' ? '' : `, body "${body}"`;
      return new CheckFailure(`${sent}; got "${line}"${rest}`, true);
    }
    switch (this.#flaw) {
      case 'endless head':
        return new CheckFailure(
          `${sent}; got "${quote(bytes)}" and no end of the head in 16 KiB`,
          true
        );
      case 'not HTTP':
        return new CheckFailure(`${sent}; got "${quote(bytes)}", which is not HTTP`, true);
      case 'other body': {
        const body = quote(Buffer.from(this.#text, 'latin1'));
        const message = `${sent}; got "${line}", but checkPattern does not match its body "${body}"`;
        return new CheckFailure(message, true);
      }
      case 'broken body':
        return new CheckFailure(`${sent}; got "${line}" and a body that is not chunked well`, true);
      case undefined:
    }
    const part = this.#body === undefined ? `only "${quote(bytes)}"` : `"${line}" and half a body`;
    return new CheckFailure(`${sent}; got ${part}: ${why}`, false);
  }

  #waitForHead(): Reading {
    const all = this.#interimBytes + this.#bytes.length;
    return all > headBytesMax ? this.#fail('endless head') : 'incomplete';
  }

  #judge(status: number, headEnd: number): Reading {
    const { method, bodyMatches } = this.#options;
    if (this.#isUp(status)) {
      if (method === 'HEAD') return 'up';
      if (headEnd === -1) return this.#waitForHead();
      return bodyMatches === undefined || status > 299 ? 'up' : this.#beginBody(status, headEnd);
    }
    const { length } = this.#bytes;
    if (method === 'HEAD' || length > headBytesMax) return 'decided';
    return headEnd !== -1 && length - headEnd - 4 >= quotedBytesMax ? 'decided' : 'refusal';
  }

  #beginBody(status: number, headEnd: number): Reading {
    const head = this.#bytes.toString('latin1', 0, headEnd + 2);
    const length = /^content-length:[ \t]*([0-9]{1,15})[ \t]*\r$/im.exec(head)?.[1];
    const body = new BodyReader('server');
    if (status === 204) body.begin('none', 0);
    else if (/^transfer-encoding:.*\bchunked[ \t]*\r$/im.test(head)) body.begin('chunked', 0);
    else if (length !== undefined) body.begin('length', Number(length));
    else body.begin('close', 0);
    this.#body = body;
    return this.#takeBody(body, this.#bytes.subarray(headEnd + 4));
  }

  #takeBody(body: BodyReader, chunk: Buffer): Reading {
    try {
      body.advance(chunk, 0, (from, to) => (this.#text += chunk.toString('latin1', from, to)));
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      return this.#fail('broken body');
    }
    return body.done || this.#text.length >= bodyBytesMax ? this.#judgeBody() : 'incomplete';
  }

  #judgeBody(): Reading {
    this.#text = this.#text.slice(0, bodyBytesMax);
    return this.#options.bodyMatches?.(this.#text) === false ? this.#fail('other body') : 'up';
  }

  #fail(flaw: Flaw): Reading {
    this.#flaw = flaw;
    return 'decided';
  }

  /** Undefined while there is no complete status line, and where it is none. */
  #status(): number | undefined {
    const end = this.#bytes.indexOf('\r\n');
    if (end === -1) return undefined;
    const match = statusLinePattern.exec(this.#bytes.toString('latin1', 0, end));
    return match === null ? undefined : Number(match[1]);
  }

  #isUp(status: number): boolean {
    return (status >= 200 && status <= 299) || this.#options.codes.includes(status);
  }
}

/** RFC 9110 15.2. 101 is one too, but final here: nobody asked for it. */
function isInterim(status: number): boolean {
  return status < 200 && status !== 101;
}

function lineEndOf(bytes: Buffer): number {
  const end = bytes.indexOf('\r\n');
  return end === -1 ? bytes.length : end;
}
