// The two NTLM messages that a server must know (MS-NLMP 2.2.1.2 and 2.2.1.3): it builds the
// challenge and reads the name out of the client's proof. The proof itself is not verified.

const signature = Buffer.from('NTLMSSP\0', 'latin1');

// UNICODE, REQUEST_TARGET, NTLM, ALWAYS_SIGN, TARGET_TYPE_DOMAIN, EXTENDED_SESSIONSECURITY,
// TARGET_INFO, VERSION, 128, 56
const challengeFlags = 0xa2898205;

export interface NtlmProof {
  readonly domain: string;
  readonly user: string;
}

/** 1, 2 or 3; undefined where the token is not NTLM at all. */
export function ntlmMessageType(token: Buffer): number | undefined {
  if (token.length < 12 || !token.subarray(0, 8).equals(signature)) return undefined;
  return token.readUInt32LE(8);
}

/** The Type 2 message. `challenge` has eight bytes. */
export function buildChallenge(domain: string, fqdn: string, challenge: Buffer): Buffer {
  const target = Buffer.from(domain, 'utf16le');
  const [computer = fqdn, ...dnsDomain] = fqdn.split('.');
  const info = Buffer.concat([
    attribute(2, domain),
    attribute(1, computer.toUpperCase()),
    attribute(4, dnsDomain.join('.')),
    attribute(3, fqdn),
    attribute(0, '')
  ]);
  const head = Buffer.alloc(56);
  signature.copy(head);
  head.writeUInt32LE(2, 8);
  writeDescriptor(head, 12, target.length, 56);
  head.writeUInt32LE(challengeFlags, 20);
  challenge.copy(head, 24);
  writeDescriptor(head, 40, info.length, 56 + target.length);
  // Version 10.0, build 14393 (Windows Server 2016), NTLM revision 15.
  Buffer.from([10, 0, 0x39, 0x38, 0, 0, 0, 15]).copy(head, 48);
  return Buffer.concat([head, target, info]);
}

/** Reads a Type 3 message; undefined where it is damaged. */
export function readProof(token: Buffer): NtlmProof | undefined {
  if (ntlmMessageType(token) !== 3 || token.length < 64) return undefined;
  const encoding = (token.readUInt32LE(60) & 1) === 1 ? 'utf16le' : 'latin1';
  const text = (at: number): string => {
    const offset = token.readUInt32LE(at + 4);
    return token.subarray(offset, offset + token.readUInt16LE(at)).toString(encoding);
  };
  return { domain: text(28), user: text(36) };
}

function attribute(id: number, value: string): Buffer {
  const text = Buffer.from(value, 'utf16le');
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(text.length, 2);
  return Buffer.concat([head, text]);
}

function writeDescriptor(into: Buffer, at: number, length: number, offset: number): void {
  into.writeUInt16LE(length, at);
  into.writeUInt16LE(length, at + 2);
  into.writeUInt32LE(offset, at + 4);
}
