import { digest } from './digest.ts';
import type { PersistenceKind } from './persistence.ts';

/** `url`: path and query as the client wrote them. */
export const url: PersistenceKind = {
  keyOf: () => (facts) => digest(facts.path() + facts.query()),
  cookie: 'none',
  needs: undefined
};
