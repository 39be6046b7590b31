// Who a request comes from, as IIS decides it: NTLM (also inside Negotiate) takes three legs on one
// TCP connection and names that connection's user from then on; Basic names one request's user.

import { randomBytes } from 'node:crypto';
import { buildChallenge, ntlmMessageType, readProof } from './ntlm.ts';
import { fieldOf, type LabRequest } from './request.ts';

export interface LabUser {
  readonly domain: string;
  readonly name: string;
  readonly password: string;
  /** His password is over: he gets in nowhere until it is changed. */
  readonly expired?: boolean;
}

/** What one TCP connection remembers. */
export interface SignInState {
  /** `DOMAIN\user` after a whole handshake. */
  user: string | undefined;
  challenge: Buffer | undefined;
}

export type SignIn =
  | { readonly kind: 'user'; readonly user: string; readonly persistent: boolean }
  /** The second leg: the value of the only `WWW-Authenticate` line. */
  | { readonly kind: 'challenge'; readonly value: string }
  | { readonly kind: 'refused' };

export const defaultUsers: readonly LabUser[] = [
  { domain: 'CORP', name: 'alice', password: 'Ballast-1' },
  { domain: 'CORP', name: 'bob', password: 'Ballast-2' },
  { domain: 'CORP', name: 'carol', password: 'Ballast-3', expired: true }
];

export function signIn(
  state: SignInState,
  request: LabRequest,
  server: { readonly name: string; readonly users: readonly LabUser[] }
): SignIn {
  const authorization = fieldOf(request, 'authorization');
  if (authorization === undefined) {
    if (state.user === undefined) return { kind: 'refused' };
    return { kind: 'user', user: state.user, persistent: true };
  }
  const [scheme = '', credentials = ''] = authorization.split(/ +/, 2);
  const token = Buffer.from(credentials, 'base64');
  switch (scheme.toLowerCase()) {
    case 'ntlm':
    case 'negotiate':
      return ntlmLeg(state, scheme, token, server);
    case 'basic':
      return basic(token, server.users);
    default:
      return { kind: 'refused' };
  }
}

function ntlmLeg(
  state: SignInState,
  scheme: string,
  token: Buffer,
  server: { readonly name: string; readonly users: readonly LabUser[] }
): SignIn {
  const type = ntlmMessageType(token);
  if (type === undefined) return kerberosStandIn(token, server.users);
  switch (type) {
    case 1: {
      // A new handshake ends what the connection was before.
      state.user = undefined;
      state.challenge = randomBytes(8);
      const domain = server.users[0]?.domain ?? 'CORP';
      const challenge = buildChallenge(domain, server.name, state.challenge);
      return { kind: 'challenge', value: `${scheme} ${challenge.toString('base64')}` };
    }
    case 3: {
      // A proof without a challenge on this very connection belongs to another one.
      const challenged = state.challenge !== undefined;
      state.challenge = undefined;
      const proof = readProof(token);
      const user = challenged && proof ? findUser(proof.user, server.users) : undefined;
      state.user = user && user.expired !== true ? accountOf(user) : undefined;
      if (state.user === undefined) return { kind: 'refused' };
      return { kind: 'user', user: state.user, persistent: true };
    }
    default:
      return { kind: 'refused' };
  }
}

/** Real tickets are out of reach; `KERBEROS:name:` and any padding stands for one. */
function kerberosStandIn(token: Buffer, users: readonly LabUser[]): SignIn {
  const [mark, name = ''] = token.toString('latin1').split(':', 2);
  const user = mark === 'KERBEROS' ? findUser(name, users) : undefined;
  if (user === undefined) return { kind: 'refused' };
  return { kind: 'user', user: accountOf(user), persistent: false };
}

function basic(token: Buffer, users: readonly LabUser[]): SignIn {
  const text = token.toString('utf8');
  const colon = text.indexOf(':');
  const user = findUser(text.slice(0, colon), users);
  const isRight = user?.password === text.slice(colon + 1) && user.expired !== true;
  if (user === undefined || !isRight) return { kind: 'refused' };
  return { kind: 'user', user: accountOf(user), persistent: false };
}

/** By `name`, `DOMAIN\name` or `name@domain`. */
export function findUser(written: string, users: readonly LabUser[]): LabUser | undefined {
  const name = written.replace(/^.*\\/, '').replace(/@.*$/, '').toLowerCase();
  return users.find((user) => user.name.toLowerCase() === name);
}

export function accountOf(user: LabUser): string {
  return `${user.domain}\\${user.name}`;
}
