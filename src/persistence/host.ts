import { digest } from './digest.ts';
import type { PersistenceKind } from './persistence.ts';

/** `host`: the name that the client asks for. */
export const host: PersistenceKind = {
  keyOf: () => (facts) => {
    const name = facts.host();
    return name === '' ? undefined : digest(name);
  },
  cookie: 'none',
  needs: undefined
};
