import { digest } from './digest.ts';
import type { PersistenceKind } from './persistence.ts';

/** `query-hash`: the value of one item of the query, as the client wrote it. */
export const queryItem: PersistenceKind = {
  keyOf: ({ name }) => {
    const beginning = `${name}=`;
    return (facts) => {
      const value = valueOf(facts.query(), beginning);
      return value === undefined || value === '' ? undefined : digest(value);
    };
  },
  cookie: 'none',
  needs: 'queryTag'
};

function valueOf(query: string, beginning: string): string | undefined {
  for (let start = 1; start < query.length;) {
    const next = query.indexOf('&', start);
    const end = next === -1 ? query.length : next;
    if (query.startsWith(beginning, start)) return query.slice(start + beginning.length, end);
    start = end + 1;
  }
  return undefined;
}
