// The ClientHello, read before TLS begins: whom the client wants, and which kinds of certificates it
// can take. OpenSSL decides over everything else, and over hellos that cannot be read here.

export interface ClientHello {
  /** SNI in lower case without a final dot; undefined where the client asks for no name. */
  readonly serverName: string | undefined;
  readonly offersTls13: boolean;
  readonly cipherSuites: readonly number[];
  /** Empty where the client is older than TLS 1.2. */
  readonly signatureSchemes: readonly number[];
  /** Named groups; empty where the client does not say. */
  readonly groups: readonly number[];
}

/** Long enough for any real client; a hello with keys of several kinds has 2 KB. */
export const helloBytesMax = 16_384;
/** Some clients cut it to pieces on purpose, but not into crumbs. */
const recordsMax = 16;

const extension = {
  serverName: 0,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  supportedVersions: 43
} as const;

/** `incomplete` until all of it has come; undefined for bytes that are no readable ClientHello. */
export function readClientHello(bytes: Buffer): ClientHello | 'incomplete' | undefined {
  const message = gatherMessage(bytes);
  if (!Buffer.isBuffer(message)) return message;
  try {
    return readMessage(new Reader(message));
  } catch (error) {
    if (error instanceof RangeError) return undefined; // a length that leads beyond the end
    throw error;
  }
}

/** The handshake message, which may come in several records (RFC 8446 5.1). */
function gatherMessage(bytes: Buffer): Buffer | 'incomplete' | undefined {
  const parts: Buffer[] = [];
  let missing = -1;
  for (let at = 0; parts.length < recordsMax;) {
    if (bytes.length > at && bytes[at] !== 22) return undefined; // no handshake record
    if (bytes.length > at + 1 && bytes[at + 1] !== 3) return undefined;
    if (bytes.length < at + 5) return 'incomplete';
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    const part = bytes.subarray(at + 5, end);
    if (parts.length === 0) {
      if (end < at + 9 || (part.length > 0 && part[0] !== 1)) return undefined; // no ClientHello
      if (part.length < 4) return 'incomplete';
      missing = 4 + part.readUIntBE(1, 3);
      if (missing > helloBytesMax) return undefined;
    }
    parts.push(part.subarray(0, missing));
    missing -= part.length;
    if (missing <= 0) return Buffer.concat(parts).subarray(4);
    if (bytes.length < end) return 'incomplete';
    at = end;
  }
  return undefined;
}

/** RFC 8446 4.1.2; TLS 1.0 to 1.2 have the same form. */
function readMessage(message: Reader): ClientHello {
  message.take(2 + 32); // version, random
  message.take(message.number(1)); // session id
  const cipherSuites = numbers(message.take(message.number(2)), 2);
  message.take(message.number(1)); // compression
  let serverName: string | undefined;
  let offersTls13 = false;
  let signatureSchemes: readonly number[] = [];
  let groups: readonly number[] = [];
  const extensions = new Reader(message.isEmpty ? noBytes : message.take(message.number(2)));
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const data = new Reader(extensions.take(extensions.number(2)));
    if (type === extension.serverName) {
      serverName = readServerName(data);
    } else if (type === extension.supportedGroups) {
      groups = numbers(data.take(data.number(2)), 2);
    } else if (type === extension.signatureAlgorithms) {
      signatureSchemes = numbers(data.take(data.number(2)), 2);
    } else if (type === extension.supportedVersions) {
      offersTls13 = numbers(data.take(data.number(1)), 2).includes(0x0304);
    }
  }
  return { serverName, offersTls13, cipherSuites, signatureSchemes, groups };
}

/** RFC 6066 3: a list that holds one name of the type host_name. */
function readServerName(data: Reader): string | undefined {
  const list = new Reader(data.take(data.number(2)));
  if (list.number(1) !== 0) return undefined;
  const name = list.take(list.number(2)).toString('latin1').toLowerCase();
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

function numbers(bytes: Buffer, size: number): number[] {
  const found: number[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) found.push(bytes.readUIntBE(at, size));
  return found;
}

const noBytes = Buffer.alloc(0);

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(size: 1 | 2): number {
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('beyond the end');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
