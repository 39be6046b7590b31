// Byte classes and comparisons for the wire format. Bytes, not strings: a head is forwarded as it
// came, so most of it never becomes a string (notes: strings cost 1.08 to 1.42 of HAProxy's CPU).

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const HASH = 0x23;
export const ASTERISK = 0x2a;
export const COMMA = 0x2c;
export const SLASH = 0x2f;
export const ZERO = 0x30;
export const NINE = 0x39;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;
export const QUESTION = 0x3f;

/** RFC 9110 5.6.2: characters of a token. */
export const TOKEN = 1;
/** RFC 9110 5.5: characters of a field value: visible, space, tab, obs-text. */
export const VALUE = 2;
/** What we let stand in a request target: visible and obs-text, no fragment. */
export const TARGET = 4;
/** The same without `?`: what may stand in the path. */
export const PATH = 16;
/** Characters of a host name or address in a Host field. */
export const HOST = 8;

/** Class bits of each byte. */
const classOf: Uint8Array = buildClasses();

function buildClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    let bits = 0;
    if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char)) bits |= TOKEN;
    if (byte === HTAB || (byte >= SP && byte !== 0x7f)) bits |= VALUE;
    if (byte > SP && byte !== 0x7f && byte !== HASH) bits |= TARGET;
    if ((bits & TARGET) !== 0 && byte !== QUESTION) bits |= PATH;
    if (/[A-Za-z0-9._-]/.test(char)) bits |= HOST;
    classes[byte] = bits;
  }
  return classes;
}

/**
 * Offset of the first byte in `bytes[from..bound)` that is not of class `bits`, else `bound`. The
 * hottest loop of the program; the casts are true since `bound` is within the buffer.
 */
export function skip(bytes: Buffer, from: number, bound: number, bits: number): number {
  const classes = classOf;
  let i = from;
  while (i < bound && ((classes[bytes[i] as number] as number) & bits) !== 0) i++;
  return i;
}

/** Whether `text` is a token (RFC 9110 5.6.2), as names of fields are. */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/** Whether `byte` is of class `bits`. */
export function isOf(byte: number, bits: number): boolean {
  return ((classOf[byte] ?? 0) & bits) !== 0;
}

/** Whether `bytes[start..end)` is `word`, which is lower case, in any case of its letters. */
export function isWord(bytes: Buffer, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const want = word.charCodeAt(i);
    const byte = bytes[start + i];
    if (byte === want) continue;
    // Only letters have a second case; anything else must be the same byte.
    if (want < 0x61 || want > 0x7a || byte !== want - 0x20) return false;
  }
  return true;
}

/** The same where an underscore counts as a hyphen: to a server that reads CGI names it is one. */
export function isFoldedWord(bytes: Buffer, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false;
  for (let i = 0; i < word.length; i++) {
    const byte = bytes[start + i] === 0x5f ? 0x2d : (bytes[start + i] ?? 0);
    const want = word.charCodeAt(i);
    if (byte !== want && (want < 0x61 || want > 0x7a || byte !== want - 0x20)) return false;
  }
  return true;
}

/** Decimal digits only (RFC 9110 8.6); -1 where it is anything else or above `max`. */
export function decimal(bytes: Buffer, start: number, end: number, max: number): number {
  if (start === end) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < ZERO || byte > NINE) return -1;
    value = value * 10 + (byte - ZERO);
    if (value > max) return -1;
  }
  return value;
}
