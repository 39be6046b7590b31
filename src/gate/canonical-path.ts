// The one meaning of a path: its escapes decoded once, its letters small. A path that could have a
// second meaning to IIS, ASP.NET, Windows or another proxy is refused, so nothing is ever mended
// here, and the bytes judged can be the bytes forwarded (kemp-esp 10).

import { isUtf8 } from 'node:buffer';
import { refusal, type Refused } from './refused.ts';

const notAPath = refusal(400, 'the request target is no path');
const doubledSlash = refusal(400, 'doubled slash in the path');
const trailingDot = refusal(400, 'dot or space at the end of a part of the path');
const badEscape = refusal(400, 'bad percent escape in the path');
const hiddenDelimiter = refusal(400, 'escaped delimiter in the path');
const doubleEscape = refusal(400, 'doubly escaped path');
const badByte = refusal(400, 'control byte, backslash, semicolon or # in the path');
const stream = refusal(400, 'file stream in the path');
const sessionPart = refusal(400, 'ASP.NET session part in the path');
const notUtf8 = refusal(400, 'path is not UTF-8');
const lookalike = refusal(400, 'character in the path that could pass for a delimiter');

const HASH = 0x23;
const PERCENT = 0x25;
const PAREN = 0x28;
const DOT = 0x2e;
const SLASH = 0x2f;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const QUESTION = 0x3f;
const BACKSLASH = 0x5c;

/** Bytes that mean themselves wherever they stand, which is what usual paths are made of. */
const plain = new Uint8Array(256);
for (const char of "!$&'*+,-=@_~") plain[char.charCodeAt(0)] = 1;
for (let byte = 0; byte < 256; byte++) {
  if (/[0-9A-Za-z]/.test(String.fromCharCode(byte))) plain[byte] = 1;
}

/**
 * The path of a request target in latin1, without its query; or why there is none. Linear, and
 * one look at each byte for usual paths.
 */
export function canonicalPath(raw: string): string | Refused {
  const { length } = raw;
  if (length === 0 || raw.charCodeAt(0) !== SLASH) return notAPath;
  let before = SLASH;
  for (let i = 1; i < length; i++) {
    const byte = raw.charCodeAt(i);
    if (plain[byte] !== 1) {
      if (byte === SLASH) {
        if (before === SLASH) return doubledSlash;
        if (before === DOT) return trailingDot;
      } else if (byte !== DOT) return canonicalOfUnusual(raw);
    }
    before = byte;
  }
  return before === DOT ? trailingDot : raw.toLowerCase();
}

/** The same for anything with escapes, a query, or bytes that need a look at their neighbours. */
function canonicalOfUnusual(raw: string): string | Refused {
  const bytes = decode(raw);
  if (!Buffer.isBuffer(bytes)) return bytes;
  const problem = findProblem(bytes);
  if (problem !== undefined) return problem;
  if (!isUtf8(bytes)) return notUtf8; // overlong forms and surrogates are none
  const text = bytes.toString('utf8');
  return misleading.test(text) ? lookalike : foldCase(text);
}

/** Each escape once. The path ends at the `?` that begins the query. */
function decode(raw: string): Buffer | Refused {
  const bytes = Buffer.allocUnsafe(raw.length);
  let length = 0;
  for (let i = 0; i < raw.length; i++) {
    let byte = raw.charCodeAt(i);
    if (byte === QUESTION) break;
    if (byte > 0xff) return notUtf8;
    if (byte === PERCENT) {
      const [high, low] = [hexDigit(raw.charCodeAt(i + 1)), hexDigit(raw.charCodeAt(i + 2))];
      if (high < 0 || low < 0) return badEscape;
      byte = high * 16 + low;
      if (byte === SLASH || byte === QUESTION) return hiddenDelimiter;
      i += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

function findProblem(bytes: Buffer): Refused | undefined {
  let before = 0;
  for (let i = 0; i <= bytes.length; i++) {
    const byte = bytes[i] ?? SLASH; // as if another part followed
    if (byte < 0x20 || byte === 0x7f) return badByte;
    switch (byte) {
      case BACKSLASH:
      case SEMICOLON:
      case HASH:
        return badByte;
      case SLASH:
        if (before === DOT || before === 0x20) return trailingDot;
        if (before === SLASH && i < bytes.length) return doubledSlash;
        break;
      case PERCENT:
        if (couldEscape(bytes[i + 1])) return doubleEscape;
        break;
      case COLON:
        // `::$DATA`, `:$I30:$INDEX_ALLOCATION`
        if (bytes[i + 1] === COLON || bytes[i + 1] === 0x24) return stream;
        break;
      case PAREN:
        // `(S(x))`, `(A(x)F(y))`: ASP.NET cuts them out, and the rest means something else.
        if (isLetter(bytes[i + 1]) && bytes[i + 2] === PAREN) return sessionPart;
        break;
    }
    before = byte;
  }
  return undefined;
}

/** Whether a `%` before this byte could be read as another escape: `%41`, `%u0041`, `%%34`. */
function couldEscape(next: number | undefined): boolean {
  if (next === undefined) return false;
  return next === PERCENT || next === 0x75 || next === 0x55 || hexDigit(next) >= 0;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function isLetter(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

/**
 * Control characters beyond ASCII; those that turn into `/ \ . % : ; ? #` where text is forced into
 * an old code page or normalised; and the no-break space at an end, which old .NET cuts off.
 */
const misleading =
  /[\u0080-\u009f\u037e\u2024-\u2026\u2028\u2029\u2044\u2215\u2216\ufe52\ufe54\ufe55\ufe68\ufe6a\uff03\uff05\uff0e\uff0f\uff1a\uff1b\uff1f\uff3c\ufeff]|\u00a0(?:\/|$)/;

/**
 * Small letters, but for the two characters whose small letter is ASCII (the Kelvin sign and the
 * dotted I): nothing from beyond ASCII may match a pattern in ASCII.
 */
export function foldCase(text: string): string {
  return text.replace(/[^\u0130\u212a]+/g, (part) => part.toLowerCase());
}
