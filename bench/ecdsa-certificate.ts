// A self-signed certificate for an ECDSA P-256 key: Node makes such keys, but no certificates.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { encode, tag } from '../src/tls/der.ts';

// RFC 5480 and RFC 5280 4.1, 4.2.1.6.
const ecdsaWithSha256 = '06082a8648ce3d040302';
const commonName = '0603550403';
const subjectAltName = '0603551d11';
const utf8String = 0x0c;
const utcTime = 0x17;
const set = 0x31;
const dnsName = 0x82;
const extensions = 0xa3;
const version3 = 'a003020102';

export function ecdsaCertificate(host: string): { chainPem: string; keyPem: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = encode(tag.sequence, hex(ecdsaWithSha256));
  const attribute = encode(tag.sequence, hex(commonName), encode(utf8String, Buffer.from(host)));
  const name = encode(tag.sequence, encode(set, attribute));
  const names = encode(tag.sequence, encode(dnsName, Buffer.from(host)));
  const extension = encode(tag.sequence, hex(subjectAltName), encode(tag.octetString, names));
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(15)]);
  const dayMs = 86_400_000;
  const toBeSigned = encode(
    tag.sequence,
    hex(version3),
    encode(tag.integer, serial),
    algorithm,
    name,
    encode(tag.sequence, time(Date.now() - dayMs), time(Date.now() + 30 * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    encode(extensions, encode(tag.sequence, extension))
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const bits = encode(tag.bitString, Buffer.from([0]), signature);
  const certificate = encode(tag.sequence, toBeSigned, algorithm, bits);
  const lines = certificate.toString('base64').match(/.{1,64}/g) ?? [];
  return {
    chainPem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  };
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

/** YYMMDDhhmmssZ */
function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/\D/g, '');
  return encode(utcTime, Buffer.from(`${digits.slice(2, 14)}Z`));
}
