// Who may ask the management listener for what. It has no password, so it must not be a tool for web
// pages that an administrator's browser shows (DNS rebinding, forged requests), nor for other
// machines. Pure.

import { isLoopback, parseAddress, plainAddress, splitEndpoint } from '../net/address.ts';

/** What is looked at of a request; fields as they came. */
export interface Asker {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly contentType: string | undefined;
  /** Addresses of both ends of its connection. */
  readonly remoteAddress: string | undefined;
  readonly localAddress: string | undefined;
}

/** A status, and why. */
export type Refusal = readonly [status: number, reason: string];

/**
 * May names and addresses of people be told? A page whose own name leads to this address, as its owner
 * pleases, could read the answer: names with a dot in it are anybody's, an address is not.
 */
export function judgeReader({ host }: Pick<Asker, 'host'>): Refusal | undefined {
  if (host === undefined) return undefined; // no browser leaves it out
  const name = splitEndpoint(host).host.toLowerCase();
  if (parseAddress(name) !== undefined || !/[.:]/.test(name)) return undefined;
  return [421, 'ask by address, as in http://127.0.0.1/: a name may be that of a web page'];
}

/**
 * May something be changed? A page cannot send this type to another host without being allowed to, which
 * nobody does here, and says where it comes from. Other machines may look but not touch: whoever
 * guesses passwords could unlock his victim, since nothing here asks who somebody is.
 */
export function judgeChanger(asker: Asker): Refusal | undefined {
  const { origin, contentType, remoteAddress, localAddress } = asker;
  const foreign = judgeReader(asker);
  if (foreign !== undefined) return foreign;
  if (origin !== undefined) return [403, 'no web page may do this'];
  if (!/^application\/json(?:;|$)/i.test(contentType ?? '')) {
    return [415, 'Content-Type: application/json is required'];
  }
  if (isSameMachine(remoteAddress, localAddress)) return undefined;
  return [403, 'only from the machine that Ballast runs on: ballast sessions'];
}

/** Who has the address that he came to is this machine, or one that can pretend anything. */
function isSameMachine(remote: string | undefined, local: string | undefined): boolean {
  if (remote === undefined) return false;
  return remote === local || isLoopback(plainAddress(remote));
}
