// Whole messages of LDAP out of bytes (RFC 4511 5.1), and whether they are what they should be all
// the way down. The library behind this loops for ever over a length that leads out of its message,
// recurses for every message of a read, and takes an empty answer for a success. Pure.

/** Of one connection: what we ask for is a few names. */
export const answerBytesMax = 256 * 1024;

const sequence = 0x30;
const integer = 0x02;
const enumerated = 0x0a;
const octets = 0x04;
const set = 0x31;

const bindResponse = 0x61;
const searchEntry = 0x64;
const searchDone = 0x65;
const searchReference = 0x73;
const extendedResponse = 0x78;

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** Length of the message that these bytes begin with; undefined = its head is not all here. */
export function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length > 0 && bytes[0] !== sequence) throw new Error('it does not speak LDAP');
  const head = readHead(bytes, 0);
  return head?.end;
}

/** Throws where a whole message is none that may answer a question of ours. */
export function checkMessage(bytes: Buffer): void {
  const whole = only(bytes, 0, bytes.length);
  const [id, operation, ...more] = children(bytes, expect(whole, sequence));
  expectSize(expect(id, integer), 1, 4);
  // Controls, which we never ask for, would be a third.
  if (operation === undefined || more.length > 0) throw malformed();
  checkOperation(bytes, operation);
}

/** Result code of an answer to an extended request; the message was checked. */
export function extendedResult(bytes: Buffer): number {
  const operation = children(bytes, only(bytes, 0, bytes.length))[1];
  const [code] = children(bytes, expect(operation, extendedResponse));
  const { start, end } = expect(code, enumerated);
  return bytes.readUIntBE(start, end - start);
}

function checkOperation(bytes: Buffer, operation: Element): void {
  const parts = children(bytes, operation);
  switch (operation.tag) {
    case bindResponse:
    case searchDone:
    case extendedResponse: {
      const [code, matched, text] = parts;
      expectSize(expect(code, enumerated), 1, 2);
      expect(matched, octets);
      expect(text, octets);
      return;
    }
    case searchEntry: {
      const [name, attributes, ...more] = parts;
      expect(name, octets);
      for (const attribute of children(bytes, expect(attributes, sequence))) {
        const [type, values, ...others] = children(bytes, expect(attribute, sequence));
        expect(type, octets);
        for (const value of children(bytes, expect(values, set))) expect(value, octets);
        if (others.length > 0) throw malformed();
      }
      if (more.length > 0) throw malformed();
      return;
    }
    case searchReference:
      for (const url of parts) expect(url, octets);
      return;
    default:
      throw malformed();
  }
}

function children(bytes: Buffer, parent: Element): Element[] {
  const found: Element[] = [];
  for (let at = parent.start; at < parent.end;) {
    const element = readHead(bytes, at);
    if (element === undefined || element.end > parent.end) throw malformed();
    found.push(element);
    at = element.end;
  }
  return found;
}

function only(bytes: Buffer, start: number, end: number): Element {
  const [one, ...more] = children(bytes, { tag: 0, start, end });
  if (one === undefined || more.length > 0) throw malformed();
  return one;
}

function readHead(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first };
  const size = first & 0x7f;
  // 0x80 is BER's length without an end, which LDAP does not have.
  if (size === 0 || size > 4) throw malformed();
  const start = at + 2 + size;
  if (start > bytes.length) return undefined;
  const end = start + bytes.readUIntBE(at + 2, size);
  if (end - at > answerBytesMax) throw new Error('its answer is too long');
  return { tag, start, end };
}

function expect(element: Element | undefined, tag: number): Element {
  if (element?.tag !== tag) throw malformed();
  return element;
}

function expectSize({ start, end }: Element, least: number, most: number): void {
  if (end - start < least || end - start > most) throw malformed();
}

function malformed(): Error {
  return new Error('its answer is not LDAP');
}
