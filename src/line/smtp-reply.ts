// Replies of SMTP servers (RFC 5321 4.2): one or more lines with the same code, a hyphen behind the
// code of each but the last.

import { firstLine, lineText, type Unread } from './line-end.ts';

export interface SmtpReply {
  readonly code: number;
  /** What stands behind the code, line by line; a character a byte. */
  readonly lines: readonly string[];
  /** Where in the bytes the next reply begins. */
  readonly end: number;
}

export interface SmtpReplyLine {
  readonly code: number;
  readonly text: string;
  /** Another line of the same reply follows. */
  readonly more: boolean;
}

/** RFC 5321 4.5.3.1.5 knows 512; servers with long lists of mechanisms send more. */
const lineBytesMax = 4096;
const linesMax = 128;

/** The first reply in `bytes`, which are all that came so far; what stands behind is not judged. */
export function readSmtpReply(bytes: Buffer): SmtpReply | Unread {
  const lines: string[] = [];
  for (let at = 0, code = 0; lines.length < linesMax;) {
    const line = firstLine(bytes, at, lineBytesMax);
    if (typeof line === 'string') return line;
    const parsed = parseSmtpReplyLine(line);
    if (parsed === undefined || (lines.length > 0 && parsed.code !== code)) return 'malformed';
    lines.push(parsed.text);
    at += line.length;
    code = parsed.code;
    if (!parsed.more) return { code, lines, end: at };
  }
  return 'malformed';
}

/** A line with its CR LF; undefined if it is not one of a reply. */
export function parseSmtpReplyLine(line: Buffer): SmtpReplyLine | undefined {
  const text = lineText(line);
  const match = /^([2-5][0-5][0-9])(?:([ -])(.*))?$/s.exec(text);
  if (match === null) return undefined;
  const [, code = '', mark, words = ''] = match;
  return { code: Number(code), text: words, more: mark === '-' };
}
