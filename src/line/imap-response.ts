// Responses of IMAP servers (RFC 9051 7): `* ...`, `+ ...` and `tag OK ...`.

import { firstLine, lineText, type Unread } from './line-end.ts';

/** The line of a response; where it ends in a literal, the part before that. */
export interface ImapResponse {
  /** `*`, `+` or the tag of a command. */
  readonly tag: string;
  /** In capitals: OK, NO, BAD, BYE, PREAUTH, CAPABILITY, 23; '' behind `+`. */
  readonly word: string;
  /** Response code of a status, without its brackets: `CAPABILITY IMAP4rev2 IDLE`. */
  readonly code: string | undefined;
  /** What stands behind. */
  readonly text: string;
}

const lineBytesMax = 8192;

/** The first response in `bytes`, which are all that came so far; for a greeting. */
export function readImapResponse(bytes: Buffer): ImapResponse | Unread {
  const line = firstLine(bytes, 0, lineBytesMax);
  if (typeof line === 'string') return line;
  return parseImapResponse(line) ?? 'malformed';
}

/** A line with its CR LF; undefined if it is not the first of a response. */
export function parseImapResponse(line: Buffer): ImapResponse | undefined {
  const text = lineText(line);
  const go = /^\+(?: (.*))?$/s.exec(text);
  if (go !== null) return { tag: '+', word: '', code: undefined, text: go[1] ?? '' };
  // A tag is made of ASTRING-CHAR without the plus sign (RFC 9051 9).
  const match = /^(\*|[!#$&',-Z[\]^-z|}~]+) ([A-Za-z0-9-]+)(?: (.*))?$/s.exec(text);
  if (match === null) return undefined;
  const [, tag = '', word = '', rest = ''] = match;
  const status = statuses.test(word);
  // Only untagged responses are not a status.
  if (tag !== '*' && !/^(OK|NO|BAD)$/i.test(word)) return undefined;
  const code = status ? /^\[([^\]]*)\](?: (.*))?$/s.exec(rest) : null;
  if (status && code === null && rest.startsWith('[')) return undefined;
  return {
    tag,
    word: word.toUpperCase(),
    code: code?.[1],
    text: code === null ? rest : (code[2] ?? '')
  };
}

const statuses = /^(OK|NO|BAD|BYE|PREAUTH)$/i;
