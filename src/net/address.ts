// The only door to ipaddr.js: IP addresses as text, read strictly and written in one form.

import { BlockList } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * The canonical form of an IP address (RFC 5952 for IPv6), or undefined. IPv4 is four decimal
 * parts: octal, hexadecimal and short forms mean different hosts to different programs. An
 * IPv4 address mapped into IPv6 is the IPv4 address.
 */
export function parseAddress(text: string): string | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString();
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return undefined;
  // The tail of `::ffff:1.2.3.4` is held to the same form as any other IPv4 address.
  const tail = text.slice(text.lastIndexOf(':') + 1).split('%', 1)[0] ?? '';
  if (tail.includes('.') && !ipaddr.IPv4.isValidFourPartDecimal(tail)) return undefined;
  return canonical(ipaddr.IPv6.parse(text));
}

/** The canonical form of the address with these 4 or 16 bytes. */
export function addressOfBytes(bytes: Uint8Array): string {
  return canonical(ipaddr.fromByteArray([...bytes]));
}

/** 4 or 16 bytes; `address` must be canonical. Its zone means nothing to other machines. */
export function addressBytes(address: string): number[] {
  return ipaddr.parse(address.split('%', 1)[0] ?? '').toByteArray();
}

/** What a socket calls an address: an IPv4 peer of an IPv6 listener is an IPv4 peer. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

/** `address` must be canonical. */
export function addressFamily(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** True for the two that stand for every address of the machine. */
export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** `address` must be canonical. */
export function isLoopback(address: string): boolean {
  return ipaddr.parse(address).range() === 'loopback';
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`, `host:80`. */
export function formatEndpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Cuts `host`, `host:port`, `[IPv6]`, `[IPv6]:port` or a bare IPv6 address apart; checks nothing. */
export function splitEndpoint(text: string): { host: string; port: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) return { host: bracketed[1] ?? '', port: bracketed[2] };
  const colon = text.indexOf(':');
  if (colon === -1 || colon !== text.lastIndexOf(':')) return { host: text, port: undefined };
  return { host: text.slice(0, colon), port: text.slice(colon + 1) };
}

/** The leading `bits` of a canonical address, the others zero, as `address/bits` unless all count. */
export function maskAddress(address: string, bits: number): string {
  const [withoutZone = address] = address.split('%', 1);
  const parsed = ipaddr.parse(withoutZone);
  const bytes = parsed.toByteArray();
  if (bits >= bytes.length * 8) return address;
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - i * 8))));
  return `${ipaddr.fromByteArray(masked).toString()}/${bits}`;
}

/** `192.0.2.0/24`, `2001:db8::/32` or a single address, in its canonical form; else undefined. */
export function parseNetwork(text: string): string | undefined {
  const [start = '', length, ...more] = text.split('/');
  const address = parseAddress(start);
  if (address === undefined || address.includes('%') || more.length > 0) return undefined;
  const most = address.includes(':') ? 128 : 32;
  if (length === undefined) return `${address}/${most}`;
  // `::ffff:192.0.2.0/120` would be an IPv4 network with a length that it cannot have.
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > most) return undefined;
  return `${address}/${length}`;
}

/** Whether an address is in one of these canonical networks. */
export function networkTest(networks: readonly string[]): (address: string) => boolean {
  if (networks.length === 0) return () => false;
  const list = new BlockList();
  for (const network of networks) {
    const [start = '', length] = network.split('/');
    list.addSubnet(start, Number(length), start.includes(':') ? 'ipv6' : 'ipv4');
  }
  return (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

/** The leading bits of an IPv4 netmask, `24` or `255.255.255.0`; undefined where it is none. */
export function parseNetmask(text: string): number | undefined {
  if (/^(?:[0-9]|[12][0-9]|3[0-2])$/.test(text)) return Number(text);
  if (!ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  return ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask() ?? undefined;
}

function canonical(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  if (address instanceof ipaddr.IPv4) return address.toString();
  return address.isIPv4MappedAddress()
    ? address.toIPv4Address().toString()
    : address.toRFC5952String();
}
