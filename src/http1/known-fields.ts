// The few fields that mean something to a proxy: framing, connection, and who is asking. Each is
// recognised by length first, so that a field we do not know costs one comparison.

import { ProxyError, type ErrorCode } from '../error.ts';
import { COMMA, HTAB, SP, TOKEN, skip, decimal, isWord } from './bytes.ts';
import type { AnswerHead, RequestHead } from './head.ts';
import { contentLengthMax } from './limits.ts';
import { isAuthority } from './request-line.ts';

/** Notes field `n` of a request; throws `ProxyError` where it may not stand. */
export function readRequestField(head: RequestHead, n: number): void {
  const { bytes, fields } = head;
  const start = fields[n * 4] ?? 0;
  const end = fields[n * 4 + 1] ?? 0;
  switch (end - start) {
    case 4:
      if (isWord(bytes, start, end, 'host')) readHost(head, n);
      return;
    case 6:
      if (isWord(bytes, start, end, 'expect')) {
        head.expectContinue = valueIs(head, n, '100-continue');
      }
      return;
    case 7:
      if (isWord(bytes, start, end, 'upgrade')) {
        // Only WebSocket: an `h2c` that reached a server would be a tunnel past every rule.
        head.upgradeWebSocket = valueIs(head, n, 'websocket');
        head.hopByHop.push(n);
      }
      return;
    case 13:
      if (isWord(bytes, start, end, 'authorization')) readAuthorization(head, n);
      return;
    default:
      readCommonField(head, n, start, end, malformedRequest);
  }
}

/** Notes field `n` of an answer; throws `ProxyError` where it may not stand. */
export function readAnswerField(head: AnswerHead, n: number): void {
  const { bytes, fields } = head;
  const start = fields[n * 4] ?? 0;
  const end = fields[n * 4 + 1] ?? 0;
  if (end - start === 7) {
    if (isWord(bytes, start, end, 'upgrade')) head.hopByHop.push(n);
    return;
  }
  readCommonField(head, n, start, end, malformedAnswer);
}

type Failure = (message: string, code?: ErrorCode) => ProxyError;

function malformedRequest(message: string, code: ErrorCode = 'malformed-request'): ProxyError {
  return new ProxyError(code, 'client', message);
}

function malformedAnswer(message: string): ProxyError {
  return new ProxyError('malformed-answer', 'server', message);
}

/** Fields that requests and answers share. */
function readCommonField(
  head: RequestHead | AnswerHead,
  n: number,
  start: number,
  end: number,
  fail: Failure
): void {
  const { bytes } = head;
  switch (end - start) {
    case 2:
      if (isWord(bytes, start, end, 'te')) head.hopByHop.push(n);
      return;
    case 10:
      if (isWord(bytes, start, end, 'connection')) readConnection(head, n, fail);
      else if (isWord(bytes, start, end, 'keep-alive')) head.hopByHop.push(n);
      return;
    case 14:
      if (isWord(bytes, start, end, 'content-length')) readContentLength(head, n, fail);
      else if (isWord(bytes, start, end, 'content_length')) throw fail('Content_Length');
      return;
    case 16:
      if (isWord(bytes, start, end, 'proxy-connection')) head.hopByHop.push(n);
      return;
    case 17:
      if (isWord(bytes, start, end, 'transfer-encoding')) readTransferEncoding(head, n, fail);
      // A server that reads CGI names takes the underscore for a hyphen: a framing field in disguise.
      else if (isWord(bytes, start, end, 'transfer_encoding')) throw fail('Transfer_Encoding');
      return;
    default:
  }
}

function readHost(head: RequestHead, n: number): void {
  if (head.hostField >= 0) throw malformedRequest('two Host fields');
  const { bytes, fields } = head;
  if (!isAuthority(bytes, fields[n * 4 + 2], fields[n * 4 + 3])) {
    throw malformedRequest('bad Host field');
  }
  head.hostField = n;
}

/** RFC 9112 6.2, 6.3: one line of digits; a second one, even an equal one, is refused. */
function readContentLength(head: RequestHead | AnswerHead, n: number, fail: Failure): void {
  if (head.contentLength >= 0) throw fail('two Content-Length fields');
  const { bytes, fields } = head;
  const length = decimal(bytes, fields[n * 4 + 2] ?? 0, fields[n * 4 + 3] ?? 0, contentLengthMax);
  if (length < 0) throw fail('bad Content-Length');
  head.contentLength = length;
}

/** RFC 9112 6.1: `chunked`, once, is all that we understand. */
function readTransferEncoding(head: RequestHead | AnswerHead, n: number, fail: Failure): void {
  if (head.chunked) throw fail('two Transfer-Encoding fields');
  if (!valueIs(head, n, 'chunked')) {
    const value = head.value(n);
    const codings = /^[!#$%&'*+\-.^_`|~\w]+([ \t]*,[ \t]*[!#$%&'*+\-.^_`|~\w]+)*$/.test(value)
      ? value.toLowerCase().split(/[ \t]*,[ \t]*/)
      : [];
    const unknown = codings.some((coding) => coding !== 'chunked');
    throw fail('unsupported Transfer-Encoding', unknown ? 'not-implemented' : undefined);
  }
  head.chunked = true;
}

function readAuthorization(head: RequestHead, n: number): void {
  const start = head.fields[n * 4 + 2] ?? 0;
  const end = head.fields[n * 4 + 3] ?? 0;
  const i = skip(head.bytes, start, end, TOKEN);
  if (isWord(head.bytes, start, i, 'ntlm') || isWord(head.bytes, start, i, 'negotiate')) {
    head.authenticatesConnection = true;
  }
}

/** RFC 9110 7.6.1: the field itself and those it names go no further. */
function readConnection(head: RequestHead | AnswerHead, n: number, fail: Failure): void {
  const { bytes, fields } = head;
  head.hopByHop.push(n);
  const end = fields[n * 4 + 3] ?? 0;
  let i = fields[n * 4 + 2] ?? 0;
  while (i < end) {
    while (i < end && (bytes[i] === COMMA || bytes[i] === SP || bytes[i] === HTAB)) i++;
    const start = i;
    while (i < end && bytes[i] !== COMMA && bytes[i] !== SP && bytes[i] !== HTAB) i++;
    if (i > start) readConnectionOption(head, start, i, fail);
  }
}

function readConnectionOption(
  head: RequestHead | AnswerHead,
  start: number,
  end: number,
  fail: Failure
): void {
  const { bytes } = head;
  if (isWord(bytes, start, end, 'keep-alive')) {
    head.connectionKeepAlive = true;
  } else if (isWord(bytes, start, end, 'close')) {
    head.connectionClose = true;
  } else if (isWord(bytes, start, end, 'upgrade')) {
    head.connectionUpgrade = true;
  } else {
    const name = bytes.toString('latin1', start, end).toLowerCase();
    if (neverHopByHop.has(name)) throw fail(`Connection names ${name}`);
    (head.connectionNames ??= new Set()).add(name);
  }
}

/** Dropping one of these would change what the message is. */
const neverHopByHop = new Set(['host', 'content-length', 'transfer-encoding']);

/** Whether the whole value of field `n` is `word` (lower case), in any case. */
function valueIs(head: RequestHead | AnswerHead, n: number, word: string): boolean {
  return isWord(head.bytes, head.fields[n * 4 + 2] ?? 0, head.fields[n * 4 + 3] ?? 0, word);
}
