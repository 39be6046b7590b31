import { digest } from './digest.ts';
import type { PersistenceKind } from './persistence.ts';

/** `header`: the value of the field that the parameter `cookie` names, as on a LoadMaster. */
export const header: PersistenceKind = {
  keyOf:
    ({ name }) =>
    (facts) => {
      const value = facts.header(name);
      return value === undefined || value === '' ? undefined : digest(value);
    },
  cookie: 'none',
  needs: 'cookie'
};
