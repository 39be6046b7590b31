import { digest } from './digest.ts';
import type { KeyOf, PersistenceKind, PersistenceOptions } from './persistence.ts';
import { masked } from './source-address.ts';

/** `cookie`: the value that a server gave out belongs to that server. */
export const serverCookie: PersistenceKind = {
  keyOf: cookieKey,
  cookie: 'server',
  needs: 'cookie'
};

/** `cookie-src`: the same, and the source address while the client has no such cookie. */
export const serverCookieOrSource: PersistenceKind = {
  keyOf: (options) => {
    const byCookie = cookieKey(options);
    return (facts) => byCookie(facts) ?? masked(facts.sourceAddress(), options);
  },
  cookie: 'server',
  needs: 'cookie'
};

function cookieKey({ name }: PersistenceOptions): KeyOf {
  return (facts) => {
    const value = facts.cookie(name);
    return value === undefined || value === '' ? undefined : digest(value);
  };
}
