// A name as somebody typed it: which account is meant, and how the directory and the real servers
// are told of it. Pure. Whoever names a domain that this SSO domain does not have is refused here,
// so a name can neither reach another domain by a trust nor have two lockout counters.

import type { DirectorySettings, NameFormat } from './settings.ts';

export interface LogonName {
  /** Without the domain, as typed. */
  readonly account: string;
  /** What the directory, or a real server, is to see as the domain; undefined = none was typed. */
  readonly domain: string | undefined;
  /** How it was typed. */
  readonly form: 'principal' | 'username' | 'plain';
  /**
   * The same for all spellings of one account: for counters and lockouts. Active Directory ignores
   * case, accents and width when it compares names, and so does this.
   */
  readonly key: string;
}

type NameSettings = Pick<DirectorySettings, 'name' | 'realm' | 'logonFormat' | 'serverLogonFormat'>;

export const nameCharsMax = 256;
/** Active Directory has no longer ones. */
export const passwordCharsMax = 256;

/** Control and format characters, halves of pairs, private and unassigned ones, line separators. */
const neverInNames = /[\p{C}\p{Zl}\p{Zp}]/u;
/** RFC 4513 5.2: a library might take these for SASL mechanisms. */
const mechanisms = /^(?:external|plain|digest-md5|scram-sha-1)$/i;

/** Reads a name, or says why it cannot be one; the reason is for the log and holds none of it. */
export function readLogonName(typed: string, settings: NameSettings): LogonName | string {
  if (typed.length > nameCharsMax) return `name of more than ${nameCharsMax} characters`;
  if (neverInNames.test(typed)) return 'name with control characters';
  const name = typed.trim();
  if (name === '') return 'no name';
  const [before, ...after] = name.split(/[@\\]/);
  if (after.length > 1) return 'name with more than one @ or \\';
  const second = after[0];
  if (second === undefined) {
    if (mechanisms.test(name)) return 'name of a SASL mechanism';
    return { account: name, domain: undefined, form: 'plain', key: foldName(name) };
  }
  const form = name.includes('@') ? 'principal' : 'username';
  const [account = '', domain = ''] = form === 'principal' ? [before, second] : [second, before];
  if (account.trim() !== account || account === '') return 'no name before or behind the domain';
  if (!isOurs(domain, settings)) return 'domain that is not the one of this SSO domain';
  return { account, domain, form, key: foldName(account) };
}

/** Why no directory should be asked about this password; undefined = it may be. */
export function whyNoPassword(password: string): string | undefined {
  // RFC 4513 5.1.2: a bind with an empty password succeeds, and says nothing about the name.
  if (password === '') return 'no password';
  if (password.length > passwordCharsMax) {
    return `password of more than ${passwordCharsMax} characters`;
  }
  // A server that reads C strings would compare less than what was typed.
  if (password.includes('\0')) return 'password with NUL';
  return password.isWellFormed() ? undefined : 'password that is not Unicode';
}

/** By which name the directory is asked: in the configured format where no domain was typed. */
export function bindName(name: LogonName, settings: NameSettings): string {
  // Active Directory knows a DNS name only behind an @.
  if (name.form === 'username' && name.domain?.includes('.') === true) return principalOf(name);
  return write(name, settings.logonFormat, settings.realm);
}

/** By which name a real server hears of him. */
export function serverLogonName(name: LogonName, settings: NameSettings): string {
  return write(name, settings.serverLogonFormat, settings.realm);
}

/** `user@domain`, whatever was typed: who he is in sessions and logs. */
export function principalName({ account, domain }: LogonName, { realm }: NameSettings): string {
  return `${account}@${(domain?.includes('.') === true ? domain : realm).toLowerCase()}`;
}

function write({ account, domain, form }: LogonName, format: NameFormat, realm: string): string {
  const used = form === 'plain' ? format : form;
  const whose = domain ?? realm;
  if (used === 'principal') return `${account}@${whose}`;
  return used === 'username' ? `${whose}\\${account}` : account;
}

function principalOf({ account, domain = '' }: LogonName): string {
  return `${account}@${domain}`;
}

/** The realm or the name of the SSO domain, in full or only its first label (NetBIOS). */
function isOurs(domain: string, { name, realm }: NameSettings): boolean {
  const asked = domain.toLowerCase();
  return [name, realm].some((one) => {
    const ours = one.toLowerCase();
    return asked === ours || asked === ours.split('.')[0];
  });
}

function foldName(name: string): string {
  // First up, since there is no lower case in which ß and ss are one.
  return name.normalize('NFKD').replace(/\p{M}/gu, '').toUpperCase().toLowerCase();
}
