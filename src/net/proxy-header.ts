// The PROXY header (proxy-protocol.txt of HAProxy), both versions: how one balancer tells the next
// whose connection it forwards. It stands before everything else, before TLS too.

import { addressBytes, addressFamily, addressOfBytes, parseAddress } from './address.ts';

export interface Endpoint {
  /** Canonical IP address; '' = not known any more. */
  readonly address: string;
  readonly port: number;
}

/** What a connection began with. More bytes than `length` are not the header's. */
export interface ProxyHeader {
  readonly length: number;
  /** Undefined: the sender speaks for itself, or says nothing (LOCAL, UNKNOWN). */
  readonly client: Endpoint | undefined;
}

/** No header, or one that cannot be understood; the connection must end. */
export interface NoProxyHeader {
  readonly refused: string;
}

/** 2.1: with its line end; only UNKNOWN can be that long. */
const textBytesMax = 107;
/** Addresses and TLVs. One of those may be the client's certificate. */
const blockBytesMax = 4096;

const textStart = Buffer.from('PROXY ');
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** 2.2: signature, version and command, family and protocol, length of the rest. */
const fixedLength = signature.length + 4;

/** Reads from the first byte on; the verdict does not depend on where the network cut the bytes. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | NoProxyHeader | 'incomplete' {
  if (startsAlike(bytes, signature)) {
    return bytes.length < fixedLength ? 'incomplete' : readBinary(bytes);
  }
  if (!startsAlike(bytes, textStart)) return { refused: 'no PROXY header' };
  return bytes.length < textStart.length ? 'incomplete' : readText(bytes);
}

/** One is the beginning of the other. */
function startsAlike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function readText(bytes: Buffer): ProxyHeader | NoProxyHeader | 'incomplete' {
  const end = bytes.findIndex((byte) => byte < 0x20 || byte > 0x7e);
  const lineLength = end === -1 ? bytes.length : end;
  if (lineLength > textBytesMax - 2) return { refused: 'PROXY line too long' };
  if (end === -1 || (bytes[end] === 0x0d && bytes.length === end + 1)) return 'incomplete';
  if (bytes[end] !== 0x0d || bytes[end + 1] !== 0x0a) {
    return { refused: 'PROXY line with a control character' };
  }
  const line = bytes.toString('latin1', textStart.length, end);
  const length = end + 2;
  // 2.1: whatever stands behind it.
  if (/^UNKNOWN(?: |$)/.test(line)) return { length, client: undefined };
  const [protocol = '', source = '', destination = '', port = '', toPort = '', ...more] =
    line.split(' ');
  const client = endpointOf(protocol, source, port);
  if (client === undefined || endpointOf(protocol, destination, toPort) === undefined) {
    return { refused: 'PROXY line with a bad address' };
  }
  return more.length > 0 ? { refused: 'PROXY line with too many words' } : { length, client };
}

function endpointOf(protocol: string, text: string, port: string): Endpoint | undefined {
  const family = protocol === 'TCP4' ? /^[0-9.]+$/ : /^[0-9a-f.]*:[0-9a-f:.]*$/i;
  if (!/^TCP[46]$/.test(protocol) || !family.test(text)) return undefined;
  if (!/^(?:0|[1-9][0-9]{0,4})$/.test(port)) return undefined;
  const address = parseAddress(text);
  return address === undefined || Number(port) > 65_535
    ? undefined
    : { address, port: Number(port) };
}

function readBinary(bytes: Buffer): ProxyHeader | NoProxyHeader | 'incomplete' {
  const version = bytes.readUInt8(signature.length) >> 4;
  const command = bytes.readUInt8(signature.length) & 15;
  const family = bytes.readUInt8(signature.length + 1) >> 4;
  const protocol = bytes.readUInt8(signature.length + 1) & 15;
  const blockLength = bytes.readUInt16BE(signature.length + 2);
  if (version !== 2) return { refused: `PROXY header of version ${version}` };
  if (command > 1) return { refused: `PROXY header with command ${command}` };
  if (blockLength > blockBytesMax) return { refused: 'PROXY header too long' };
  const length = fixedLength + blockLength;
  const isLocal = command === 0;
  // Neither addresses nor their absence mean anything to LOCAL.
  const unspecified = isLocal || family === 0 || protocol === 0;
  if (!isLocal && (family > 2 || protocol > 1)) {
    return { refused: `PROXY header with address family ${family}, protocol ${protocol}` };
  }
  const addressLength = family === 1 ? 4 : 16;
  if (!unspecified && blockLength < 2 * addressLength + 4) {
    return { refused: 'PROXY header without room for its addresses' };
  }
  if (bytes.length < length) return 'incomplete';
  if (unspecified) return { length, client: undefined };
  const source = bytes.subarray(fixedLength, fixedLength + addressLength);
  const port = bytes.readUInt16BE(fixedLength + 2 * addressLength);
  return { length, client: { address: addressOfBytes(source), port } };
}

/**
 * Says whose connection it is, and where the client wanted to go. Where only one of the two is an
 * IPv4 address it goes as one mapped into IPv6; where one is not known, nothing is said of either.
 */
export function formatProxyHeader(
  version: 'v1' | 'v2',
  source: Endpoint,
  destination: Endpoint
): Buffer {
  if (source.address === '' || destination.address === '') {
    return version === 'v1'
      ? Buffer.from('PROXY UNKNOWN\r\n')
      : Buffer.from([...signature, 0x21, 0, 0, 0]);
  }
  const family = Math.max(addressFamily(source.address), addressFamily(destination.address));
  const ends = [source, destination].map(({ address }) => bytesIn(family, address));
  const ports = [source.port, destination.port];
  if (version === 'v1') {
    const addresses = ends.map((end) => (family === 4 ? end.join('.') : groups(end)));
    return Buffer.from(`PROXY TCP${family} ${addresses.join(' ')} ${ports.join(' ')}\r\n`);
  }
  const block = [...ends.flat(), ...ports.flatMap((port) => [port >> 8, port & 255])];
  const familyAndProtocol = family === 4 ? 0x11 : 0x21;
  return Buffer.from([...signature, 0x21, familyAndProtocol, 0, block.length, ...block]);
}

function bytesIn(family: number, address: string): number[] {
  const bytes = addressBytes(address);
  if (family === 4 || bytes.length === 16) return bytes;
  return [...Array<number>(10).fill(0), 255, 255, ...bytes];
}

/** 2.1 knows IPv6 addresses as hexadecimal groups only. */
function groups(bytes: readonly number[]): string {
  return Array.from({ length: 8 }, (_, n) => {
    const [high = 0, low = 0] = bytes.slice(2 * n);
    return (high * 256 + low).toString(16);
  }).join(':');
}
