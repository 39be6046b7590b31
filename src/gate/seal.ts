// Small secrets on their way between workers and primary, and at rest in their memory: a core file
// or a log has nothing that opens them.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { GateKeys } from './keys.ts';

const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM under a fresh nonce. What was sealed for one purpose opens for no other. */
export function seal(keys: GateKeys, purpose: string, text: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', keys.seal, nonce);
  cipher.setAAD(Buffer.from(purpose));
  const sealed = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(sealed).toString('base64url');
}

/** Undefined where it was changed, sealed with another key or for another purpose. */
export function open(keys: GateKeys, purpose: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < nonceBytes + tagBytes) return undefined;
  const end = bytes.length - tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', keys.seal, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes
  });
  decipher.setAAD(Buffer.from(purpose));
  decipher.setAuthTag(bytes.subarray(end));
  const text = decipher.update(bytes.subarray(nonceBytes, end), undefined, 'utf8');
  try {
    return text + decipher.final('utf8');
  } catch {
    return undefined; // the only thing that `final` says
  }
}
