// Capabilities of an IMAP server (RFC 9051 7.2.2) as a client is shown them, in the untagged
// response and in response codes.

import type { ImapResponse } from '../line/imap-response.ts';

export interface Shown {
  /** TLS is still to come, by STARTTLS. */
  readonly startTls: boolean;
  readonly logins: boolean;
  /** Signed in: from now on nothing is looked at. */
  readonly signedIn: boolean;
}

export interface Literals {
  /** LITERAL+ (RFC 7888): data may follow without being asked for. */
  readonly any: boolean;
  /** LITERAL-, which IMAP4rev2 includes: up to 4096 bytes. */
  readonly short: boolean;
}

/** What the server can read, from its list of capabilities. */
export function readLiterals(list: string): Literals {
  const names = list.toUpperCase().split(' ');
  const any = names.includes('LITERAL+');
  return { any, short: any || names.includes('LITERAL-') || names.includes('IMAP4REV2') };
}

/** The list of capabilities for the client. */
export function showCapabilities(list: string, shown: Shown): string {
  const kept = list.split(' ').filter((name) => {
    const upper = name.toUpperCase();
    if (upper === '' || upper === 'STARTTLS') return false;
    // Compressed before the sign-in the dialogue could not be followed up to it.
    if (upper.startsWith('COMPRESS=')) return shown.signedIn;
    // A referral in the clear could lead anywhere (RFC 2221 5).
    if (upper === 'LOGIN-REFERRALS') return !shown.startTls;
    return shown.logins || !(upper.startsWith('AUTH=') || upper === 'LOGINDISABLED');
  });
  if (shown.startTls && !shown.signedIn) kept.push('STARTTLS');
  if (!shown.logins) kept.push('LOGINDISABLED');
  return kept.join(' ');
}

/** A status response whose code must not reach the client as it is; undefined where it may. */
export function rewriteStatus(response: ImapResponse, shown: Shown): string | undefined {
  const { tag, word, code, text } = response;
  const list = capabilitiesIn(response);
  if (list !== undefined) {
    return `${tag} ${word} [CAPABILITY ${showCapabilities(list, shown)}] ${text}\r\n`;
  }
  if (shown.startTls && code !== undefined && /^REFERRAL\b/i.test(code)) {
    return `${tag} ${word} ${text}\r\n`;
  }
  return undefined;
}

/** The list in the code of a status response. */
export function capabilitiesIn({ code }: ImapResponse): string | undefined {
  return code === undefined
    ? undefined
    : (/^CAPABILITY(?: (.*))?$/is.exec(code)?.slice(1)[0] ?? undefined);
}
