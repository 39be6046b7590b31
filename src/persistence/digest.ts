import { hash } from 'node:crypto';

/** 132 bits of SHA-256: nobody finds two clients with one key, nor the text that it came from. */
export function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}
