// The login URLs of a LoadMaster (kemp-esp 2.2), which clients in use take apart:
// `/lm_auth_proxy?DoLMLogin?curl=L2fowa&curlid=...&curlmode=0`, with two question marks.

import { canonicalPath } from './canonical-path.ts';

export const loginPath = '/lm_auth_proxy';
export const logonUrl = `${loginPath}?LMLogon`;

/** Longest wanted URL that a login leads back to, before and after its escaping. */
const targetCharsMax = 2048;
export const curlCharsMax = 4096;

/** What a login URL asks for. */
export type LoginRequest =
  | { readonly page: 'login'; readonly curl: string }
  | { readonly page: 'logon' | 'logout' | 'unknown' }
  | { readonly page: 'asset'; readonly file: string };

/** Whether a canonical path is ours; it never reaches a server. */
export function isLoginPath(path: string): boolean {
  return path === loginPath || path.startsWith(`${loginPath}/`);
}

/**
 * Whether a path as it came could be taken for ours by anybody: a password that is sent to another
 * spelling must not reach a server either. Whether it is ours is for the gate to say.
 */
export function couldBeLogin(path: string): boolean {
  const first = path.charCodeAt(1) | 0x20;
  if (first !== 0x6c && first !== 0x25) return false; // l, L or %, which nearly no path begins with
  // However often it was escaped.
  const decoded = path.replace(/%(?:25)*([0-9a-f]{2})/gi, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return decoded.toLowerCase().startsWith(loginPath);
}

/** Location of the login page for a request target (path and query in latin1 as they came). */
export function loginLocation(target: string, token: string): string {
  const curl = escapeDestination(target);
  return `${loginPath}?DoLMLogin?curl=${curl}&curlid=${token}&curlmode=0`;
}

/** Reads the query of a login URL, `?` included. */
export function readLoginQuery(query: string): LoginRequest {
  const [, what = '', value = ''] =
    /^\?(DoLMLogin|LMLogon|LMimage=|LMLogout)(.*)$/.exec(query) ?? [];
  switch (what) {
    case 'DoLMLogin':
      return { page: 'login', curl: wellFormed(/[?&]curl=([^&]*)/.exec(value)?.[1] ?? '') };
    case 'LMimage=':
      return { page: 'asset', file: value };
    case 'LMLogon':
      return { page: 'logon' };
    case 'LMLogout':
      return { page: 'logout' };
    default:
      return { page: 'unknown' };
  }
}

/** What would not come back from the form is better forgotten at once. */
function wellFormed(curl: string): string {
  return unescapeDestination(curl) === undefined ? '' : curl;
}

/** For `curl=`: `L` and two hex digits where TMG has `Z`; '' where it is too long to come back. */
export function escapeDestination(target: string): string {
  if (target.length > targetCharsMax) return '';
  const escaped = target.replace(/[^-.0-9A-KM-Z_a-z~]/g, (char) => {
    return `L${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return escaped.length > curlCharsMax ? '' : escaped;
}

/** Undefined for anything that `escapeDestination` does not write. */
export function unescapeDestination(curl: string): string | undefined {
  if (curl.length > curlCharsMax || !/^(?:[-.0-9A-KM-Z_a-z~]|L[0-9a-fA-F]{2})*$/.test(curl)) {
    return undefined;
  }
  return curl.replace(/L([0-9a-fA-F]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
}

/**
 * Where a login leads: the wanted path and query on this very host, or `fallback`. `curl` comes from
 * the browser, so from anybody. Its path must be one that the gate itself would take, which leaves
 * no doubled slash, backslash, control byte or second meaning.
 */
export function safeDestination(curl: string, fallback = '/'): string {
  const target = unescapeDestination(curl);
  if (target === undefined || !/^\/[!-~]*$/.test(target) || /[\\#]/.test(target)) return fallback;
  const path = canonicalPath(target);
  if (typeof path !== 'string' || isLoginPath(path)) return fallback;
  // `/user@host` is a path to every browser; but to whoever cuts the slash off it is a site.
  return /^\/[^/]*@/.test(path) ? fallback : target;
}
