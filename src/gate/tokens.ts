// Random handles, and what tables know them by: who reads a table has nothing to sign in with.

import { createHmac, hash, randomBytes } from 'node:crypto';
import type { GateKeys } from './keys.ts';

/** Value of a cookie of ours: 32 random bytes, 43 characters of base64url. */
export function newHandle(): string {
  return randomBytes(32).toString('base64url');
}

/** What a session is known by. */
export function keyOfHandle(handle: string): string {
  return hash('sha256', handle, 'base64url');
}

/** The same for somebody who sends name and password with every request. */
export function keyOfBasic(keys: GateKeys, domain: string, user: string, password: string): string {
  return createHmac('sha256', keys.basic)
    .update(`${domain}\0${user}\0${password}`) // no part can hold a NUL
    .digest('base64url');
}
