// A message head: where its parts stand in the bytes that came. Offsets, so that forwarding copies
// bytes and never prints a field anew.

import { isWord } from './bytes.ts';

const empty = Buffer.alloc(0);

/** How the end of a body is found (RFC 9112 6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

abstract class Head {
  /** The buffer that holds the head; other bytes may stand before and after it. */
  bytes: Buffer = empty;
  start = 0;
  /** Offset behind the empty line. */
  end = 0;
  /** HTTP/1.x */
  minorVersion = 1;
  /**
   * Four numbers a field: name start, name end, value start, value end. Only the first
   * `fieldCount` fields count: the array is never shortened, which would free its store each time.
   */
  readonly fields: number[] = [];
  fieldCount = 0;
  /** Field numbers (0, 1, ...) that are hop-by-hop and not forwarded (RFC 9110 7.6.1). */
  readonly hopByHop: number[] = [];
  /** -1 when there is no Content-Length. */
  contentLength = -1;
  chunked = false;
  connectionClose = false;
  connectionKeepAlive = false;
  connectionUpgrade = false;
  /** Fields that a Connection field names besides the well-known ones, lower case. */
  connectionNames: Set<string> | undefined;

  clear(): void {
    this.bytes = empty;
    this.start = 0;
    this.end = -1;
    this.fieldCount = 0;
    // Setting its length is a call into the engine, 60 ns.
    while (this.hopByHop.length > 0) this.hopByHop.pop();
    this.minorVersion = 1;
    this.contentLength = -1;
    this.chunked = false;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.connectionUpgrade = false;
    this.connectionNames = undefined;
  }

  addField(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): number {
    const { fields } = this;
    const n = this.fieldCount++;
    fields[n * 4] = nameStart;
    fields[n * 4 + 1] = nameEnd;
    fields[n * 4 + 2] = valueStart;
    fields[n * 4 + 3] = valueEnd;
    return n;
  }

  /** Offset of the first byte of field `n`; of the closing empty line for `n` = field count. */
  lineStart(n: number): number {
    return n < this.fieldCount ? (this.fields[n * 4] ?? 0) : this.end - 2;
  }

  /** Adds the fields that Connection names to the hop-by-hop ones; call when the head is whole. */
  dropNamed(): void {
    const names = this.connectionNames;
    if (names === undefined) return;
    for (let n = 0; n < this.fieldCount; n++) {
      if (!this.hopByHop.includes(n) && names.has(this.name(n).toLowerCase())) {
        this.hopByHop.push(n);
      }
    }
    this.hopByHop.sort((a, b) => a - b);
  }

  /** Name of field `n` as it came. */
  name(n: number): string {
    return this.bytes.toString('latin1', this.fields[n * 4], this.fields[n * 4 + 1]);
  }

  value(n: number): string {
    return this.bytes.toString('latin1', this.fields[n * 4 + 2], this.fields[n * 4 + 3]);
  }

  /** All values of a field, joined as RFC 9110 5.3 allows; `name` is lower case. */
  header(name: string): string | undefined {
    let joined: string | undefined;
    for (let n = 0; n < this.fieldCount; n++) {
      if (this.name(n).toLowerCase() !== name) continue;
      joined = joined === undefined ? this.value(n) : `${joined}, ${this.value(n)}`;
    }
    return joined;
  }
}

export class RequestHead extends Head {
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Path within the target, without the query; the whole target for `*`. */
  pathStart = 0;
  pathEnd = 0;
  /** Field number of Host, -1 without one. */
  hostField = -1;
  isHead = false;
  expectContinue = false;
  /** `Upgrade: websocket` and nothing else; see `asksForUpgrade`. */
  upgradeWebSocket = false;
  /** Authorization by NTLM or Negotiate: it authenticates the connection, not the request. */
  authenticatesConnection = false;
  #path: string | undefined;

  override clear(): void {
    super.clear();
    this.#path = undefined;
    this.hostField = -1;
    this.isHead = false;
    this.expectContinue = false;
    this.upgradeWebSocket = false;
    this.authenticatesConnection = false;
  }

  /** RFC 9110 7.8: Connection must name the field, and HTTP/1.0 has no 101. */
  get asksForUpgrade(): boolean {
    return this.upgradeWebSocket && this.connectionUpgrade && this.minorVersion === 1;
  }

  get framing(): Framing {
    return this.chunked ? 'chunked' : this.contentLength > 0 ? 'length' : 'none';
  }

  get method(): string {
    return this.bytes.toString('latin1', this.start, this.methodEnd);
  }

  get target(): string {
    return this.bytes.toString('latin1', this.targetStart, this.targetEnd);
  }

  /** Each rule asks for it. */
  get path(): string {
    return (this.#path ??= this.bytes.toString('latin1', this.pathStart, this.pathEnd));
  }

  /** `?...` or ''. */
  get query(): string {
    return this.bytes.toString('latin1', this.pathEnd, this.targetEnd);
  }

  /** What was asked for without a scheme and a host; '' where an absolute target ends there. */
  get pathAndQuery(): string {
    return this.bytes.toString('latin1', this.pathStart, this.targetEnd);
  }

  /** Host with port as the client wrote it; '' without one. */
  get authority(): string {
    return this.hostField < 0 ? '' : this.value(this.hostField);
  }

  /** Host without port, lower case; '' without one. An IPv6 address keeps its brackets. */
  get host(): string {
    return this.authority.replace(/:\d*$/, '').toLowerCase();
  }

  /** Whether the client may wait for 100 before it sends the body (RFC 9110 10.1.1). */
  get awaitsContinue(): boolean {
    return this.expectContinue && this.minorVersion === 1 && this.framing !== 'none';
  }

  /** Whether the client's connection may carry another request (RFC 9112 9.3). */
  get persistent(): boolean {
    if (this.connectionClose) return false;
    return this.minorVersion === 1 || this.connectionKeepAlive;
  }
}

/** All cookies of a request as one cookie-string (RFC 6265 4.2.1); '' without any. */
export function cookiesOf({ bytes, fields, fieldCount }: RequestHead): string {
  let cookies = '';
  for (let n = 0; n < fieldCount; n++) {
    if (!isWord(bytes, fields[n * 4] ?? 0, fields[n * 4 + 1] ?? 0, 'cookie')) continue;
    const value = bytes.toString('latin1', fields[n * 4 + 2], fields[n * 4 + 3]);
    cookies = cookies === '' ? value : `${cookies}; ${value}`;
  }
  return cookies;
}

export class AnswerHead extends Head {
  status = 0;

  get isInterim(): boolean {
    return this.status >= 100 && this.status < 200;
  }

  /** RFC 9112 6.3, given the request that this answers. */
  framing(request: { readonly isHead: boolean }): Framing {
    if (request.isHead || this.isInterim || this.status === 204 || this.status === 304) {
      return 'none';
    }
    if (this.chunked) return 'chunked';
    if (this.contentLength >= 0) return this.contentLength > 0 ? 'length' : 'none';
    return 'close';
  }

  /** Whether the server keeps its connection open after this answer. */
  get persistent(): boolean {
    if (this.connectionClose) return false;
    return this.minorVersion === 1 || this.connectionKeepAlive;
  }
}
