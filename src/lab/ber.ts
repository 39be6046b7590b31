// BER as LDAP uses it (RFC 4511 5.1): definite lengths only. It shares nothing with Ballast's own
// reader or its library, so that a misreading there shows here.

export class MalformedBer extends Error {}

export interface Element {
  readonly tag: number;
  readonly bytes: Buffer;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  octets: 0x04,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31
} as const;

const elementsMax = 1000;

/** Length of the element that these bytes begin with, head and all; undefined = too early to say. */
export function lengthOf(bytes: Buffer): number | undefined {
  const head = readHead(bytes);
  return head === undefined ? undefined : head.start + head.length;
}

/** The elements that these bytes consist of, to the last byte. */
export function elementsOf(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const head = readHead(rest);
    const end = head === undefined ? Number.NaN : head.start + head.length;
    if (head === undefined || end > rest.length) throw new MalformedBer('element cut off');
    if (found.length === elementsMax) throw new MalformedBer('too many elements');
    found.push({ tag: head.tag, bytes: rest.subarray(head.start, end) });
    rest = rest.subarray(end);
  }
  return found;
}

/** The bytes of an element that must be there and must be of this kind. */
export function contentOf(element: Element | undefined, tag: number): Buffer {
  if (element?.tag !== tag) throw new MalformedBer('not the element that belongs here');
  return element.bytes;
}

export function textOf(element: Element | undefined, tag: number = tags.octets): string {
  return contentOf(element, tag).toString('utf8');
}

/** From 0 on: LDAP has no other ones. */
export function numberOf(element: Element | undefined, tag: number = tags.integer): number {
  const bytes = contentOf(element, tag);
  const first = bytes[0];
  if (first === undefined || first > 0x7f || bytes.length > 4) throw new MalformedBer('bad number');
  return bytes.readUIntBE(0, bytes.length);
}

export function write(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const { length } = value;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value]);
  const head = Buffer.from([tag, 0x84, 0, 0, 0, 0]);
  head.writeUInt32BE(length, 2);
  return Buffer.concat([head, value]);
}

export function writeNumber(number: number, tag: number = tags.integer): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(number, 1);
  // The shortest form whose first bit is not the sign.
  let start = 0;
  while (start < 4 && bytes[start] === 0 && (bytes[start + 1] ?? 0) < 0x80) start++;
  return write(tag, bytes.subarray(start));
}

function readHead(bytes: Buffer): { tag: number; start: number; length: number } | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return undefined;
  if ((tag & 0x1f) === 0x1f) throw new MalformedBer('tag of several bytes');
  if (first < 0x80) return { tag, start: 2, length: first };
  const size = first & 0x7f;
  if (size === 0 || size > 4) throw new MalformedBer('bad length');
  if (bytes.length < 2 + size) return undefined;
  return { tag, start: 2 + size, length: bytes.readUIntBE(2, size) };
}
