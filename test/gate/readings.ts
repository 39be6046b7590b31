// How other programs read a path: what they decode, cut off or put in order before they act on it.
// Each is a caricature of one habit, as generous as the worst program that has it.

type Reading = readonly [program: string, path: string];

/** In small letters, so that they compare with the canonical path. */
export function readings(raw: string): Reading[] {
  const path = cut(raw, '?');
  const once = text(decode(path));
  const all: Reading[] = [
    ['who decodes once', once],
    ['who decodes twice', text(decode(decode(path)))],
    ['who decodes %u', text(decode(path.replace(/%u00(..)/gi, '%$1')))],
    ['who puts dots and slashes in order', inOrder(once)],
    ['Windows', inOrder(windowsName(once))],
    ['who cuts parameters off', text(decode(path.replace(/;[^/]*/g, '')))],
    ['who cuts parameters off, decoded', once.replace(/;[^/]*/g, '')],
    ['who reads to a NUL', cut(once, '\0')],
    ['who evaluates fragments', cut(once, '#')],
    ['who looks for the query after decoding', cut(once, '?')],
    ['ASP.NET', inOrder(once.replace(/\/?\((?:[A-Za-z]\([^()]*\))+\)/g, ''))],
    ['who takes overlong UTF-8', inOrder(generous(decode(path)))],
    ['who knows old code pages only', inOrder(windowsName(inOldCodePage(once)))]
  ];
  return all.map(([program, reading]) => [program, small(reading)]);
}

function cut(from: string, at: string): string {
  const index = from.indexOf(at);
  return index === -1 ? from : from.slice(0, index);
}

/** To bytes as latin1; what is no escape stays. */
function decode(path: string): string {
  const bytes = /[^\0-\xff]/.test(path) ? Buffer.from(path).toString('latin1') : path;
  return bytes.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16))
  );
}

function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function inOrder(path: string): string {
  const parts: string[] = [];
  const all = path.replace(/\/+/g, '/').split('/').slice(1);
  for (const [i, part] of all.entries()) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
    if ((part === '..' || part === '.') && i === all.length - 1) parts.push('');
  }
  return `/${parts.join('/')}`;
}

/** Backslashes are slashes, and names end before streams, dots and spaces. */
function windowsName(path: string): string {
  return path
    .replace(/\\/g, '/')
    .split('/')
    .map((part) =>
      part === '.' || part === '..'
        ? part
        : part.replace(/:[:$].*$/, '').replace(/[. \u00a0]+$/, '')
    )
    .join('/');
}

/** UTF-8 without asking for the shortest form, or for a good one. */
function generous(bytes: string): string {
  return text(
    bytes.replace(/[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]/g, (long) => {
      let code = 0;
      for (const byte of long.slice(1)) code = code * 64 + (byte.charCodeAt(0) & 0x3f);
      return String.fromCharCode(code + (long.length === 2 ? (long.charCodeAt(0) & 1) * 64 : 0));
    })
  );
}

/** Delimiters that only look different. */
function inOldCodePage(path: string): string {
  return path.replace(/[^\0-\x7f]/g, (char) => {
    const plain = { '\u2215': '/', '\u2044': '/', '\u2216': '\\' }[char] ?? char.normalize('NFKC');
    return /^[/\\.%;:?#]+$/.test(plain) ? plain : char;
  });
}

function small(path: string): string {
  return path.replace(/[^\u0130\u212a]+/g, (part) => part.toLowerCase());
}
