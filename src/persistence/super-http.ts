import { digest } from './digest.ts';
import type { PersistenceKind } from './persistence.ts';

/**
 * `super`: User-Agent and Authorization. The tokens of NTLM and Negotiate do not count: they differ
 * from connection to connection, and no record under one would ever be found again.
 */
export const superHttp: PersistenceKind = {
  keyOf: () => (facts) => {
    const agent = facts.header('user-agent');
    const authorization = facts.header('authorization');
    const lasting =
      authorization === undefined || /^(?:ntlm|negotiate)\b/i.test(authorization)
        ? undefined
        : authorization;
    if (agent === undefined && lasting === undefined) return undefined;
    return digest(`${agent ?? ''}\n${lasting ?? ''}`);
  },
  cookie: 'none',
  needs: undefined
};
