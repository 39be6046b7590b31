// Log-ons of the mail services: name and password, or one of the mechanisms PLAIN, LOGIN and NTLM,
// whose messages are the same in all protocols.

import { randomBytes } from 'node:crypto';
import { buildChallenge, ntlmMessageType, readProof } from './ntlm.ts';
import { findUser, type LabUser } from './sign-in.ts';

export const mechanisms = ['NTLM', 'PLAIN', 'LOGIN'] as const;

export interface LogOnServer {
  readonly name: string;
  readonly users: readonly LabUser[];
}

/** Sends a challenge in base64 and returns the answer, or undefined where the client is gone. */
export type Ask = (challenge: string) => Promise<string | undefined>;

export function logOn(
  name: string,
  password: string,
  users: readonly LabUser[]
): LabUser | undefined {
  const user = findUser(name, users);
  return user?.password === password ? user : undefined;
}

/** `initial` is what came with the command; an equals sign stands for nothing (RFC 4954 4). */
export async function authenticate(
  server: LogOnServer,
  mechanism: string,
  initial: string | undefined,
  ask: Ask
): Promise<LabUser | undefined> {
  const first = async (challenge: string): Promise<string> =>
    initial === undefined ? answerTo(ask, challenge) : decode(initial === '=' ? '' : initial);
  switch (mechanism.toUpperCase()) {
    case 'PLAIN': {
      const [, name = '', password = ''] = (await first('')).split('\0');
      return logOn(name, password, server.users);
    }
    case 'LOGIN': {
      const name = await first(encode('Username:'));
      return logOn(name, await answerTo(ask, encode('Password:')), server.users);
    }
    case 'NTLM': {
      const hello = Buffer.from(await first(''), 'latin1');
      if (ntlmMessageType(hello) !== 1) return undefined;
      const domain = server.users[0]?.domain ?? 'CORP';
      const challenge = buildChallenge(domain, server.name, randomBytes(8));
      const proof = readProof(
        Buffer.from(await answerTo(ask, challenge.toString('base64')), 'latin1')
      );
      return proof && findUser(proof.user, server.users);
    }
    default:
      return undefined;
  }
}

/** Empty also where the client gave up by `*`: no log-on is made of it. */
async function answerTo(ask: Ask, challenge: string): Promise<string> {
  return decode((await ask(challenge)) ?? '');
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('latin1');
}

function encode(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64');
}
