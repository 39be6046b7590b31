// Writes LDAP messages for scripted servers, right and wrong ones.

export function tlv(tag: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const value = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const { length } = value;
  const head =
    length < 0x80 ? [tag, length] : [tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff];
  return Buffer.concat([Buffer.from(head), value]);
}

export function message(id: number, ...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.from([2, 1, id]), ...parts);
}

/** Of a bind (0x61), a search (0x65) or StartTLS (0x78). */
export function result(tag: number, code: number, text: Buffer | string = ''): Buffer {
  return tlv(tag, Buffer.from([10, 1, code]), tlv(4), tlv(4, text));
}

export function entry(dn: string, attributes: Readonly<Record<string, readonly string[]>>): Buffer {
  const list = Object.entries(attributes).map(([type, values]) =>
    tlv(0x30, tlv(4, type), tlv(0x31, ...values.map((value) => tlv(4, value))))
  );
  return tlv(0x64, tlv(4, dn), tlv(0x30, ...list));
}
