// Our two cookies: `__Host-lmdata` has the handle of a session, `__Host-lmlogin` that of a browser
// which looks at the login form. The prefix makes browsers take them over TLS and for this host only.

export const sessionCookie = '__Host-lmdata';
export const loginCookie = '__Host-lmlogin';

/** What both names begin with. */
const ours = '__Host-lm';

/** More values than this of one cookie are nobody's mistake. */
const handlesMax = 4;

/** Those that Exchange's own forms give out. */
const exchangeCookies = ['cadata', 'cadataTTL', 'cadataKey', 'cadataIV', 'cadataSig'];

/**
 * All well-formed values of a cookie of ours, given the values of the Cookie fields. Browsers with a
 * stale copy beside the new one were locked out of a LoadMaster (PD-18736): any that holds counts.
 */
export function findHandles(cookies: readonly string[], name: string): string[] {
  const found: string[] = [];
  for (const field of cookies) {
    if (!field.includes(name)) continue;
    for (const pair of field.split(';')) {
      const handle = nameOf(pair) === name ? withoutBlanks(pair.slice(pair.indexOf('=') + 1)) : '';
      if (!/^[\w-]{43}$/.test(handle) || found.includes(handle)) continue;
      if (found.push(handle) === handlesMax) return found;
    }
  }
  return found;
}

/** A Cookie value for a server: without ours, all else byte for byte. '' = leave the field out. */
export function withoutOurCookies(cookies: string): string {
  let kept = '';
  let from = 0;
  let end = 0;
  for (let at = cookies.indexOf(ours); at !== -1; at = cookies.indexOf(ours, end)) {
    const begin = cookies.lastIndexOf(';', at) + 1;
    const next = cookies.indexOf(';', at);
    end = next === -1 ? cookies.length : next;
    const name = nameOf(cookies.slice(begin, end));
    if (name !== sessionCookie && name !== loginCookie) continue;
    // With the semicolon before it; the first one goes with the one behind it.
    kept += cookies.slice(from, Math.max(begin - 1, from));
    from = begin <= from ? end + 1 : end;
  }
  return from === 0 ? cookies : withoutBlanks(kept + cookies.slice(from));
}

/**
 * Whether a value of Set-Cookie sets one of ours, which is for no server to do. Browsers make of `=name=value`
 * and of a name in other letters what they like.
 */
export function setsOurs(setCookie: string): boolean {
  return /^[\s=]*__host-lm(?:data|login)\s*(?:[=;]|$)/i.test(setCookie);
}

function nameOf(pair: string): string {
  const end = pair.indexOf('=');
  return withoutBlanks(end === -1 ? pair : pair.slice(0, end));
}

/** Not `trim`, which also cuts off what browsers take for a part of a name: U+00A0 `__Host-...`. */
function withoutBlanks(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

// Field lines, each with its line end. A session ends with the browser, or when Ballast says so.

export function setSession(handle: string): string {
  return `Set-Cookie: ${sessionCookie}=${handle}; Path=/; Secure; HttpOnly; SameSite=Lax\r\n`;
}

/** Lax, so that a tab opened from a mail brings it along, and the form in the first tab stays good. */
export function setLogin(handle: string): string {
  return `Set-Cookie: ${loginCookie}=${handle}; Path=/; Secure; HttpOnly; SameSite=Lax\r\n`;
}

export const expireSession = expire(sessionCookie);
export const expireLogin = expire(loginCookie);
/** Signs out of Outlook on the web as well. */
export const expireExchange = exchangeCookies.map(expire).join('');
/** The same as values of Set-Cookie. */
export const expiredExchangeCookies: readonly string[] = exchangeCookies.map(expired);

function expire(name: string): string {
  return `Set-Cookie: ${expired(name)}\r\n`;
}

function expired(name: string): string {
  const past = 'Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0';
  return `${name}=; Path=/; ${past}; Secure; HttpOnly; SameSite=Lax`;
}
