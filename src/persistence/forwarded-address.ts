import { parseAddress, splitEndpoint } from '../net/address.ts';
import type { PersistenceKind } from './persistence.ts';
import { masked } from './source-address.ts';

/** `super-src`: the client that a trusted proxy names in X-Forwarded-For, else the source address. */
export const forwardedAddress: PersistenceKind = {
  keyOf: (options) => (facts) => {
    const source = facts.sourceAddress();
    const named = options.isTrusted(source) ? facts.header('x-forwarded-for') : undefined;
    return masked((named === undefined ? undefined : firstAddress(named)) ?? source, options);
  },
  cookie: 'none',
  needs: undefined
};

/** Some proxies add the port. */
function firstAddress(list: string): string | undefined {
  const end = list.indexOf(',');
  const first = (end === -1 ? list : list.slice(0, end)).trim();
  // Longer than any address with a port, so not worth a look.
  return first.length > 64 ? undefined : parseAddress(splitEndpoint(first).host);
}
