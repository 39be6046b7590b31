// The status line, and what must hold for an answer as a whole (RFC 9112 4, 6.3). Servers are
// hostile input too: what is read wrongly here would be cached or shown under another request.

import { ProxyError } from '../error.ts';
import { CR, LF, NINE, SP, VALUE, ZERO, decimal, skip } from './bytes.ts';
import type { AnswerHead } from './head.ts';
import { lineBytesMax } from './limits.ts';

/** Reads the line at `at`; the offset behind it, or -1 when it is not complete. */
export function readStatusLine(head: AnswerHead, bytes: Buffer, at: number, limit: number): number {
  const form = 'HTTP/1.1 200';
  const length = bytes.length;
  for (let k = 0; k < form.length; k++) {
    const i = at + k;
    if (i >= length) return -1;
    const byte = bytes[i] ?? 0;
    if (k < 7 || k === 8) {
      if (byte !== form.charCodeAt(k)) throw bad('no HTTP/1.x status line');
    } else if (byte < ZERO || byte > (k === 7 ? ZERO + 1 : NINE)) {
      throw bad(k === 7 ? 'bad protocol version' : 'status is not three digits');
    }
  }
  head.minorVersion = (bytes[at + 7] ?? 0) - ZERO;
  head.status = decimal(bytes, at + 9, at + 12, 999);
  if (head.status < 100 || head.status > 599) throw bad(`status ${head.status}`);
  let i = at + form.length;
  if (i >= length) return -1;
  // Exchange's odd ones (440, 449, 456) come with and without a reason and its space.
  if (bytes[i] !== SP && bytes[i] !== CR) throw bad('status is not three digits');
  const bound = Math.min(length, limit, at + lineBytesMax + 1);
  i = skip(bytes, i, bound, VALUE);
  if (i === bound) {
    if (bound > at + lineBytesMax) throw bad('status line above 64 KiB');
    return -1;
  }
  if (bytes[i] !== CR) throw bad('control byte in the reason phrase');
  if (i + 1 >= length) return -1;
  if (bytes[i + 1] !== LF) throw bad('bare CR');
  return i + 2;
}

/** What only the whole head can tell. */
export function checkAnswer(head: AnswerHead): void {
  if (head.chunked && head.contentLength >= 0) {
    throw bad('Transfer-Encoding beside Content-Length');
  }
  if (head.chunked && head.minorVersion === 0) throw bad('Transfer-Encoding in HTTP/1.0');
  // RFC 9110 8.6, 9112 6.1: an interim answer has no body, so it may not announce one.
  if (head.isInterim && (head.chunked || head.contentLength > 0)) {
    throw bad(`status ${head.status} announces a body`);
  }
}

function bad(message: string): ProxyError {
  return new ProxyError('malformed-answer', 'server', message);
}
