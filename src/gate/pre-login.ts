// Ties a login form to the browser that asked for it, so that no foreign page can sign anybody in
// under another name. Nothing is kept: the form has a token, which is a code over the time, the
// service, and the handle in the browser's cookie.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { findHandles, loginCookie, setLogin } from './cookies.ts';
import type { GateKeys } from './keys.ts';
import { newHandle } from './tokens.ts';

/** How long a login form may stay open. */
const loginTimeMs = 600_000;

export interface PreLogin {
  /** For `curlid` of the form. */
  readonly token: string;
  /** Field line to go with the page. */
  readonly setCookie: string;
}

/** For a login page of a service. A cookie that is there stays, for forms in other tabs. */
export function beginLogin(
  keys: GateKeys,
  service: string,
  cookies: readonly string[],
  nowMs: number
): PreLogin {
  const handle = findHandles(cookies, loginCookie)[0] ?? newHandle();
  const time = Math.floor(nowMs).toString(36);
  return { token: `${time}-${codeOf(keys, service, handle, time)}`, setCookie: setLogin(handle) };
}

/**
 * Only what is `good` may sign in. `late`: the form had been open for too long; `no-cookie`: the
 * browser keeps none; `wrong`: the form is not from here, or from before a restart.
 */
export function judgeLogin(
  keys: GateKeys,
  service: string,
  cookies: readonly string[],
  token: string,
  nowMs: number
): 'good' | 'late' | 'no-cookie' | 'wrong' {
  const handles = findHandles(cookies, loginCookie);
  if (handles.length === 0) return 'no-cookie';
  const [, time = '', code = ''] = /^([0-9a-z]{1,9})-([\w-]{43})$/.exec(token) ?? [];
  if (code === '') return 'wrong';
  const given = Buffer.from(code);
  const isOurs = handles.some((handle) =>
    timingSafeEqual(given, Buffer.from(codeOf(keys, service, handle, time)))
  );
  if (!isOurs) return 'wrong';
  return nowMs - Number.parseInt(time, 36) <= loginTimeMs ? 'good' : 'late';
}

/**
 * Whether a browser says that another site's page has posted a form, by Origin, Sec-Fetch-Site and
 * what is in Host. Our own pages have an Origin of `null`: that comes with `no-referrer` (Fetch 3.2).
 */
export function isForeignPost(
  origin: string | undefined,
  fetchSite: string | undefined,
  authority: string
): boolean {
  if (fetchSite !== undefined) return fetchSite !== 'same-origin' && fetchSite !== 'none';
  if (origin === undefined || origin === 'null') return false; // the token decides alone
  return origin.toLowerCase() !== `https://${authority.toLowerCase()}`;
}

/** A name has no NUL, and time and handle have a form that was looked at. */
function codeOf(keys: GateKeys, service: string, handle: string, time: string): string {
  return createHmac('sha256', keys.token)
    .update(`${time}\0${handle}\0${service}`)
    .digest('base64url');
}
