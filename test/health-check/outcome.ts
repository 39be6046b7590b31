// A check against a scripted server, and what came of it.

import type { Test } from 'tap';
import { CheckFailure, type CheckOptions } from '../../src/health-check/health-check.ts';
import { healthChecks, type CheckName } from '../../src/health-check/registry.ts';
import { scriptedServer, type ScriptedServer } from './scripted-server.ts';

export const plain: CheckOptions = {
  url: '/',
  method: 'HEAD',
  http11: false,
  host: undefined,
  headers: [],
  codes: [301, 302, 401],
  postData: undefined,
  bodyMatches: undefined,
  tls: undefined
};
export const get: CheckOptions = { ...plain, method: 'GET', url: '/owa/healthcheck.htm' };

/** 'up', or the failure. */
export async function outcome(
  type: CheckName,
  target: { address: string; port: number },
  options: CheckOptions,
  signal = AbortSignal.timeout(20_000)
): Promise<'up' | CheckFailure> {
  try {
    await healthChecks[type](target, options, signal);
    return 'up';
  } catch (error) {
    if (error instanceof CheckFailure) return error;
    throw error;
  }
}

export async function failure(...args: Parameters<typeof outcome>): Promise<CheckFailure> {
  const result = await outcome(...args);
  if (result === 'up') throw new Error('the check passed');
  return result;
}

/** A scripted server that is closed when the test ends. */
export async function server(
  t: Test,
  ...args: Parameters<typeof scriptedServer>
): Promise<ScriptedServer> {
  const scripted = await scriptedServer(...args);
  t.teardown(() => scripted.close());
  return scripted;
}
