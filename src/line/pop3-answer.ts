// Answers of POP3 servers (RFC 1939 3): a status line, and for some commands lines up to a dot.

import { firstLine, lineText, type Unread } from './line-end.ts';

export interface Pop3Status {
  /** `more`: the server waits for a line of the client, within AUTH (RFC 5034 4). */
  readonly is: 'ok' | 'error' | 'more';
  /** What stands behind, with a response code like `[IN-USE]` if there is one. */
  readonly text: string;
}

/** RFC 1939 3 knows 512; a challenge of AUTH may be longer (RFC 5034 4: 12288). */
const lineBytesMax = 12288;

/** The first status line in `bytes`, which are all that came so far. */
export function readPop3Status(bytes: Buffer): Pop3Status | Unread {
  const line = firstLine(bytes, 0, lineBytesMax);
  if (typeof line === 'string') return line;
  return parsePop3Status(line) ?? 'malformed';
}

/** A line with its CR LF; undefined if it is not a status line. */
export function parsePop3Status(line: Buffer): Pop3Status | undefined {
  const match = /^(\+OK|-ERR|\+)(?: (.*))?$/s.exec(lineText(line));
  if (match === null) return undefined;
  const [, word, text = ''] = match;
  return { is: word === '+OK' ? 'ok' : word === '-ERR' ? 'error' : 'more', text };
}
