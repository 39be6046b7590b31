// DER (X.690), as far as OCSP needs it: tags of one byte, elements of 64 KiB to write.

export const tag = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  generalizedTime: 0x18,
  sequence: 0x30
} as const;

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content: what is hashed and signed. */
  readonly whole: Buffer;
}

export function encode(tagByte: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : twoBytes(length);
  return Buffer.concat([Buffer.from([tagByte, ...size]), content]);
}

function twoBytes(length: number): number[] {
  if (length > 65_535) throw new RangeError('an element above 64 KiB');
  return [0x82, length >> 8, length & 255];
}

/** The elements that stand one after the other in `bytes`; throws `RangeError` for anything else. */
export function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = elementAt(bytes, at);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

/** The only element of `bytes`. */
export function single(bytes: Buffer): Element {
  const element = elementAt(bytes, 0);
  if (element.whole.length !== bytes.length) throw new RangeError('bytes behind the element');
  return element;
}

/** The elements in one that must have this tag. */
export function inside(element: Element | undefined, wanted: number): Element[] {
  return elements(contentOf(element, wanted));
}

/** The content of an element that must have this tag. */
export function contentOf(element: Element | undefined, wanted: number): Buffer {
  if (element?.tag !== wanted) {
    throw new RangeError(`tag ${element?.tag ?? 'missing'} where ${wanted} belongs`);
  }
  return element.content;
}

function elementAt(bytes: Buffer, at: number): Element {
  const first = bytes.readUInt8(at + 1);
  const lengthBytes = first < 128 ? 0 : first - 128;
  if (lengthBytes > 3 || first === 128) throw new RangeError('a length of no use');
  const start = at + 2 + lengthBytes;
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
  if (start + length > bytes.length) throw new RangeError('beyond the end');
  return {
    tag: bytes.readUInt8(at),
    content: bytes.subarray(start, start + length),
    whole: bytes.subarray(at, start + length)
  };
}

export function decodeOid(content: Buffer): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 127);
    if ((byte & 128) !== 0) continue;
    // The first two arcs share one number (X.690 8.19.4).
    if (arcs.length === 0) arcs.push(Math.min(2, Math.floor(arc / 40)));
    arcs.push(arcs.length === 1 ? arc - (arcs[0] ?? 0) * 40 : arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** `YYYYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.2), in milliseconds. */
export function decodeTime(content: Buffer): number {
  const text = content.toString('latin1');
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (parts === null) throw new RangeError(`${JSON.stringify(text)} is no time`);
  const [, year, month, day, hour, minute, second] = parts.map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
}
