// What RFC 6265 calls cookie-string and set-cookie-string, searched for one cookie.

/** The value of the first cookie `name` in a Cookie field. */
export function findCookie(text: string, name: string): string | undefined {
  for (let from = 0; ;) {
    const at = text.indexOf(name, from);
    if (at === -1) return undefined;
    from = at + name.length;
    if (text[from] !== '=' || !beginsPair(text, at)) continue;
    const end = text.indexOf(';', from);
    return text.slice(from + 1, end === -1 ? text.length : end).trim();
  }
}

/** The value that a Set-Cookie field gives to the cookie `name`. */
export function findSetCookie(text: string, name: string): string | undefined {
  if (!text.startsWith(name) || text[name.length] !== '=') return undefined;
  const end = text.indexOf(';');
  return text.slice(name.length + 1, end === -1 ? text.length : end).trim();
}

function beginsPair(text: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && (text[before] === ' ' || text[before] === '\t')) before--;
  return before < 0 || text[before] === ';';
}
