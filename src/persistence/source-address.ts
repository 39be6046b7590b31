import { maskAddress } from '../net/address.ts';
import type { PersistenceKind, PersistenceOptions } from './persistence.ts';

/** `src`: the client's address, or as much of it as the mask lets through. */
export const sourceAddress: PersistenceKind = {
  keyOf: (options) => (facts) => masked(facts.sourceAddress(), options),
  cookie: 'none',
  needs: undefined
};

export function masked(address: string, { maskBits, maskBits6 }: PersistenceOptions): string {
  return maskAddress(address, address.includes(':') ? maskBits6 : maskBits);
}
