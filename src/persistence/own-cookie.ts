// The cookie of ours that names a real server (`active-cookie`). It tells nothing about the server,
// is the same in every worker, and cannot be made up for a server of another service.

import { createHmac } from 'node:crypto';
import { digest } from './digest.ts';

/** Held against one another by their `endpoint`, as different SubVSs may share their servers. */
export function cookieValue(secret: string, endpoint: string): string {
  return createHmac('sha256', secret)
    .update(`persistence cookie of ${endpoint}`)
    .digest('base64url')
    .slice(0, 22);
}

/** Each SubVS has its own unless told otherwise: its servers may be others than its neighbours'. */
export function usualCookieName(service: string): string {
  return `Ballast-${digest(service).slice(0, 8)}`;
}

/**
 * The whole field line. Only characters of a token and of base64url come in, so nothing can end
 * it early. `SameSite=None` because Office Online Server lives in frames of other sites, and gives
 * nothing away: the cookie only chooses a server. Browsers take that under TLS alone.
 */
export function setCookieField(
  name: string,
  value: string,
  maxAgeSeconds: number,
  secure: boolean
): string {
  const reach = secure ? 'Secure; SameSite=None' : 'SameSite=Lax';
  return `Set-Cookie: ${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; ${reach}\r\n`;
}
