import type { PersistenceKind } from './persistence.ts';
import { sourceAddress } from './source-address.ts';

/** `active-cookie`: a cookie of our own names the server, so there is nothing to remember. */
export const activeCookie: PersistenceKind = { keyOf: undefined, cookie: 'own', needs: undefined };

/** `active-cook-src`: the same, and the source address while the client has no such cookie. */
export const activeCookieOrSource: PersistenceKind = { ...sourceAddress, cookie: 'own' };
