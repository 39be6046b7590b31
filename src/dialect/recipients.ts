// Whose mail is taken: the recipient of an RCPT (RFC 5321 4.1.1.3), judged by its domain. What is let
// through goes to the server as it came, so it must be an address that every program reads alike; all
// that is old, odd or a way to name a second destination is refused instead of understood.

import { domainToASCII, domainToUnicode } from 'node:url';

export interface Refusal {
  /** For the client, without a line end. */
  readonly reply: string;
  /** For the log. */
  readonly why: string;
  /** As the client wrote it, a character a byte. */
  readonly address: string;
}

/**
 * A glob over domains as it is compared: in A-labels and lower case, `*` for any characters and `?`
 * for one; undefined where no domain can fit it.
 */
export function domainGlob(text: string): string | undefined {
  const labels = text
    .trim()
    .toLowerCase()
    .replace(/\.$/, '')
    .split('.')
    .map((label) => (isAscii(label) || /[*?]/.test(label) ? label : domainToASCII(label)));
  return labels.every((label) => /^[a-z0-9_*?-]+$/.test(label)) ? labels.join('.') : undefined;
}

/** Why mail is not taken for what stands behind RCPT; undefined where it is. */
export function refuseRecipient(
  argument: string,
  globs: readonly string[],
  smtpUtf8: boolean
): Refusal | undefined {
  // A bracket or a backslash within would leave open where the address ends.
  const match = /^TO: *<([^<>\\]*)>(.*)$/is.exec(argument);
  const [, path = argument, tail = ''] = match ?? [];
  const [reply, why] = match === null ? noAddress : (judgePath(path, globs, smtpUtf8) ?? []);
  if (reply !== undefined && why !== undefined) return { reply, why, address: path };
  const fault = judgeParameters(tail);
  return fault === undefined ? undefined : { reply: fault, why: 'parameters', address: path };
}

type Fault = readonly [reply: string, why: string];

const noAddress: Fault = ['501 5.1.3 Bad recipient address syntax', 'no clear address'];
const relaying = '550 5.7.1 Relaying denied';

function judgePath(bytes: string, globs: readonly string[], smtpUtf8: boolean): Fault | undefined {
  // RFC 5321 4.5.1: always there, without a domain.
  if (/^postmaster$/i.test(bytes)) return undefined;
  const path = decode(bytes);
  if (path === undefined) return noAddress;
  if (!isAscii(path) && !smtpUtf8) {
    return ['553 5.6.7 Internationalized address needs SMTPUTF8', 'UTF-8 without SMTPUTF8'];
  }
  // RFC 5321 4.1.2: @a,@b:user@c, which a server may send along that way.
  if (path.startsWith('@')) return [relaying, 'source route'];
  // A quoted one behind it is in what should be the domain, which holds no quotes.
  const at = path.lastIndexOf('@');
  if (at === -1) return noAddress;
  const [local, domain] = [path.slice(0, at), path.slice(at + 1)];
  if (domain.startsWith('[')) return [relaying, 'address literal'];
  const name = canonicalDomain(domain);
  if (name === undefined) return noAddress;
  if (!globs.some((glob) => fits(glob, name))) return [relaying, 'domain'];
  return judgeLocalPart(local);
}

/**
 * Servers have taken `user%other`, `other!user` and `"user@other"` before their own domain for mail
 * to another one (RFC 2505 2.12; Postfix: allow_percent_hack, swap_bangpath, resolve_dequoted_address).
 */
function judgeLocalPart(local: string): Fault | undefined {
  // As compatible characters are read by some: U+FF20 is an @ to them.
  const plain = local.normalize('NFKC');
  const bare = plain.replace(/^"|"$/g, '');
  // Exchange unwraps `IMCEASMTP-user+40other` to user@other; its other kinds name mailboxes of its own.
  if (/[%!@:,]|^IMCEASMTP-/i.test(bare)) return [relaying, 'routing in the local part'];
  const isClear = dotString.test(plain) || quotedString.test(plain);
  return isClear ? undefined : noAddress;
}

/** RFC 5321 4.1.2, RFC 6531 3.3, without what names a route. */
const visible = String.raw`(?![\0-\x7f])[\p{L}\p{M}\p{N}\p{S}\p{P}]`;
const atom = String.raw`(?:[A-Za-z0-9#$&'*+/=?^_\x60{|}~-]|${visible})`;
const dotString = new RegExp(String.raw`^${atom}+(?:\.${atom}+)*$`, 'u');
/** Only where dots and blanks need it; there are no quoted pairs. */
const quotedString = new RegExp(String.raw`^"(?:${atom}|[. ])+"$`, 'u');

/** In A-labels, lower case, without its last dot; undefined for what is no domain, or not one only. */
function canonicalDomain(text: string): string | undefined {
  const domain = text.toLowerCase().replace(/\.$/, '');
  const ascii = isAscii(domain) ? domain : toALabels(domain);
  if (ascii === undefined || ascii.length > 253) return undefined;
  const labels = ascii.split('.');
  if (!labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) return undefined;
  // Postfix (resolve_numeric_domain) and others take it for an address literal.
  return /^\d+$/.test(labels.at(-1) ?? '') ? undefined : ascii;
}

/** What is changed by the mapping of UTS 46 may be mapped otherwise by the server. */
function toALabels(domain: string): string | undefined {
  if (!/^[a-z0-9_.\-\p{L}\p{M}\p{N}]+$/u.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  return domainToUnicode(ascii) === domain ? ascii : undefined;
}

/** In time that grows with the product of both lengths at most. */
function fits(glob: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let from = 0;
  for (let i = 0; i < name.length;) {
    const char = glob[at];
    if (char === '*') {
      star = at++;
      from = i;
    } else if (char === '?' || char === name[i]) {
      at++;
      i++;
    } else if (star !== -1) {
      at = star + 1;
      i = ++from;
    } else return false;
  }
  return /^\**$/.test(glob.slice(at));
}

/** Of delivery reports (RFC 3461) and recipients that changed hands (RFC 7293); no other can be followed. */
const parameters: ReadonlySet<string> = new Set(['NOTIFY', 'ORCPT', 'RRVS']);

function judgeParameters(tail: string): string | undefined {
  if (!/^(?: +[A-Za-z0-9][A-Za-z0-9-]*(?:=[^\0-\x20=<>\x7f]+)?)* *$/.test(tail)) {
    return '501 5.5.4 Syntax error in parameters';
  }
  const names = tail.split(/ +/).map((word) => word.split('=', 1)[0] ?? '');
  const known = names.every((name) => name === '' || parameters.has(name.toUpperCase()));
  return known ? undefined : '555 5.5.4 Unsupported parameter';
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return undefined; // not UTF-8
  }
}
