// Command lines of SMTP and POP3: a verb, and behind a space what it is about (RFC 5321 4.1.1,
// RFC 1939 3).

import { lineText } from './line-end.ts';

export interface Command {
  /** In capitals. */
  readonly verb: string;
  /** What stands behind the first space; undefined where there is none. */
  readonly argument: string | undefined;
}

/**
 * A line with its CR LF; undefined where no verb begins it. Servers skip blanks and tabs before a
 * verb, or take others for a space; what would be another command to them is none here.
 */
export function parseCommand(line: Buffer): Command | undefined {
  const text = lineText(line);
  const verb = /^[A-Za-z][A-Za-z0-9-]*(?=$| )/.exec(text)?.[0];
  if (verb === undefined) return undefined;
  const argument = text.length === verb.length ? undefined : text.slice(verb.length + 1);
  return { verb: verb.toUpperCase(), argument };
}

/** Whether a verb stands alone; blanks behind it do not count (RFC 5321 4.1.1). */
export function standsAlone({ argument }: Command): boolean {
  return argument === undefined || /^ *$/.test(argument);
}

export interface Chunk {
  readonly length: number;
  readonly last: boolean;
}

/** What stands behind BDAT (RFC 3030 2); undefined where it leaves open how many bytes follow. */
export function parseChunk({ argument = '' }: Command): Chunk | undefined {
  const match = /^(0|[1-9][0-9]{0,14})( LAST)?$/i.exec(argument);
  if (match === null) return undefined;
  return { length: Number(match[1]), last: match[2] !== undefined };
}
