// The request line, and what must hold for a request as a whole (RFC 9112 3, RFC 9110 7.2).

import { ProxyError } from '../error.ts';
import {
  ASTERISK,
  COLON,
  HOST,
  NINE,
  PATH,
  QUESTION,
  SLASH,
  SP,
  TARGET,
  TOKEN,
  ZERO,
  skip,
  decimal,
  isWord
} from './bytes.ts';
import type { RequestHead } from './head.ts';
import { lineBytesMax, methodBytesMax } from './limits.ts';

/** Reads the line at `at`; the offset behind it, or -1 when it is not complete. */
export function readRequestLine(
  head: RequestHead,
  bytes: Buffer,
  at: number,
  limit: number
): number {
  const bound = Math.min(bytes.length, limit, at + lineBytesMax + 1);
  let i = at;
  i = skip(bytes, i, bound, TOKEN);
  if (i - at > methodBytesMax) throw bad('method above 64 bytes');
  if (i === bound) return incomplete(at, bound);
  if (bytes[i] !== SP || i === at) throw bad('bad method');
  head.methodEnd = i;
  const targetStart = ++i;
  i = skip(bytes, i, bound, PATH);
  head.pathEnd = i;
  if (bytes[i] === QUESTION) i = skip(bytes, i, bound, TARGET);
  if (i === bound) return incomplete(at, bound);
  if (bytes[i] !== SP || i === targetStart) throw bad('bad request target');
  head.targetStart = targetStart;
  head.targetEnd = i;
  head.pathStart = targetStart;
  head.isHead = head.methodEnd - at === 4 && bytes.readUInt32BE(at) === 0x48454144; // 'HEAD'
  return readVersion(head, bytes, at, i + 1, bound);
}

/** `HTTP/1.1` and CRLF; anything else of that form is another version (505). */
function readVersion(
  head: RequestHead,
  bytes: Buffer,
  line: number,
  at: number,
  bound: number
): number {
  // Byte by byte until a wrong one, so that a cut in the middle changes nothing.
  const form = 'HTTP/1.1\r\n';
  for (let k = 0; k < form.length; k++) {
    const i = at + k;
    if (i >= bound) return incomplete(line, bound);
    const byte = bytes[i] ?? 0;
    const digit = k === 5 || k === 7;
    if (digit ? byte < ZERO || byte > NINE : byte !== form.charCodeAt(k)) {
      throw bad('bad protocol version');
    }
  }
  const major = (bytes[at + 5] ?? 0) - ZERO;
  const minor = (bytes[at + 7] ?? 0) - ZERO;
  if (major !== 1 || minor > 1) {
    throw new ProxyError('version-not-supported', 'client', `HTTP/${major}.${minor}`);
  }
  head.minorVersion = minor;
  return at + form.length;
}

/** What only the whole head can tell. */
export function checkRequest(head: RequestHead): void {
  const { bytes, targetStart } = head;
  if (head.hostField < 0 && head.minorVersion === 1) throw bad('no Host field');
  if (head.chunked && head.contentLength >= 0) {
    throw bad('Transfer-Encoding beside Content-Length'); // RFC 9112 6.3: smuggling
  }
  if (head.chunked && head.minorVersion === 0) throw bad('Transfer-Encoding in HTTP/1.0');
  if (isWord(bytes, head.start, head.methodEnd, 'connect')) {
    throw new ProxyError('not-implemented', 'client', 'CONNECT');
  }
  if (bytes[targetStart] === SLASH) return;
  if (bytes[targetStart] === ASTERISK && head.targetEnd === targetStart + 1) {
    if (head.method !== 'OPTIONS') throw bad('target * with another method than OPTIONS');
    return;
  }
  checkAbsoluteForm(head);
}

/** RFC 9112 3.2.2; an authority that differs from Host is a difference of opinion, so refused. */
function checkAbsoluteForm(head: RequestHead): void {
  const match = /^(https?):\/\/([^/?]*)/i.exec(head.target);
  const scheme = match?.[1]?.toLowerCase();
  const authority = match?.[2]?.toLowerCase();
  if (match === null || scheme === undefined || !authority) throw bad('bad request target');
  const defaultPort = scheme === 'https' ? ':443' : ':80';
  const host = head.authority.toLowerCase();
  if (head.hostField >= 0 && plain(authority, defaultPort) !== plain(host, defaultPort)) {
    throw bad('the target names another host than Host');
  }
  if (!isAuthority(Buffer.from(authority, 'latin1'))) throw bad('bad authority in the target');
  head.pathStart = head.targetStart + match[0].length;
  // `http://host?query` has an empty path; the query then starts where the path would.
  head.pathEnd = Math.max(head.pathEnd, head.pathStart);
}

function plain(authority: string, defaultPort: string): string {
  return authority.endsWith(defaultPort) ? authority.slice(0, -defaultPort.length) : authority;
}

/** host [ ":" port ] of a Host field: a name, an IPv4 address or an IPv6 address in brackets. */
export function isAuthority(bytes: Buffer, start = 0, end = bytes.length): boolean {
  let i = start;
  if (bytes[i] === 0x5b) {
    const close = bytes.indexOf(0x5d, i);
    if (close === -1 || close >= end) return false;
    if (!/^\[[0-9a-fA-F:.]+$/.test(bytes.toString('latin1', i, close))) return false;
    i = close + 1;
  } else {
    i = skip(bytes, i, end, HOST);
    if (i === start) return false;
  }
  if (i === end) return true;
  if (bytes[i] !== COLON) return false;
  return i + 1 === end || decimal(bytes, i + 1, end, 65_535) >= 0;
}

function incomplete(line: number, bound: number): number {
  if (bound > line + lineBytesMax) {
    throw new ProxyError('uri-too-long', 'client', 'request line above 64 KiB');
  }
  return -1;
}

function bad(message: string): ProxyError {
  return new ProxyError('malformed-request', 'client', message);
}
