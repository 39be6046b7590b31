// What an SMTP server offers in its answer to EHLO (RFC 5321 4.1.1.1), and what of it a client is
// shown.

import type { SmtpReplyLine } from '../line/smtp-reply.ts';

/**
 * Never offered and never let through: TLS of the server, inside which nothing could be followed,
 * and by what a server believes what it is told about the client.
 */
export const barred: ReadonlySet<string> = new Set([
  'STARTTLS',
  'X-ANONYMOUSTLS',
  'XCLIENT',
  'XFORWARD'
]);

/**
 * Not while the dialogue is followed: behind these the bytes are no commands of a client, or the
 * answers are not one for each.
 */
export const unfollowed: ReadonlySet<string> = new Set(['TURN', 'ATRN', 'XEXCH50', 'PRDR']);

/** X-EXPS is AUTH among Exchange servers. */
export const logins: ReadonlySet<string> = new Set(['AUTH', 'X-EXPS']);

export interface Offer {
  /** The answer for the client. */
  readonly text: string;
  readonly chunking: boolean;
  /** Nothing was offered that is barred: who asks the server for it all the same is refused there. */
  readonly finished: boolean;
}

export interface Shown {
  readonly startTls: boolean;
  readonly logins: boolean;
  /** The dialogue may be followed no further, if nothing is offered that is barred. */
  readonly mayFinish: boolean;
  /** All others are hidden. */
  readonly only?: ReadonlySet<string> | undefined;
}

/** Of a whole answer with code 250; its first line is the server's name and no keyword. */
export function rewriteOffer(lines: readonly SmtpReplyLine[], shown: Shown): Offer {
  const [name = '', ...offers] = lines.map(({ text }) => text);
  const keywords = offers.map(keywordOf);
  const finished = shown.mayFinish && !keywords.some((keyword) => barred.has(keyword));
  const kept = offers.filter((offer) => {
    const keyword = keywordOf(offer);
    if (barred.has(keyword) || (!finished && unfollowed.has(keyword))) return false;
    if (shown.only?.has(keyword) === false) return false;
    return shown.logins || !logins.has(keyword);
  });
  const all = [name, ...kept, ...(shown.startTls ? ['STARTTLS'] : [])];
  const text = all.map((line, i) => `250${i + 1 < all.length ? '-' : ' '}${line}\r\n`).join('');
  return { text, chunking: kept.some((offer) => keywordOf(offer) === 'CHUNKING'), finished };
}

/** Old servers write `AUTH=LOGIN`. */
function keywordOf(offer: string): string {
  return (/^\s*([A-Za-z0-9-]*)/.exec(offer)?.[1] ?? '').toUpperCase();
}
