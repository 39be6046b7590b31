// Commands of IMAP clients (RFC 9051 2.2.1): a tag, a command, arguments; and the literals at the
// ends of their lines, behind which bytes are data.

export interface ImapCommand {
  readonly tag: string;
  /** In capitals. */
  readonly verb: string;
  /** What stands behind the first space; undefined where there is none. */
  readonly argument: string | undefined;
}

/** The first line of a command, without its line end; undefined if it is none. */
export function parseImapCommand(text: string): ImapCommand | undefined {
  // A tag is made of ASTRING-CHAR without the plus sign (RFC 9051 9).
  const match = /^([!#$&',-Z[\]^-z|}~]+) ([A-Za-z][A-Za-z0-9-]*)(?: (.*))?$/s.exec(text);
  if (match === null) return undefined;
  const [, tag = '', verb = '', argument] = match;
  return { tag, verb: verb.toUpperCase(), argument };
}

export interface Literal {
  readonly length: number;
  /** The other side must say that it wants the data before they come. */
  readonly synchronizing: boolean;
}

/** RFC 9051 9: number */
const literalBytesMax = 0xffffffff;

/**
 * The literal that a line, without its line end, ends in: `{5}`, `{5+}`, `~{5}` (RFC 9051 4.3,
 * RFC 7888, RFC 3516). Ambiguous is what one program may take for the begin of data and another may
 * not: within an open quote, within an atom, or in another form.
 */
export function findLiteral(text: string): Literal | 'none' | 'ambiguous' {
  if (hasOpenQuote(text)) return 'ambiguous';
  if (!text.endsWith('}')) return 'none';
  const match = /[ (]~?\{(0|[1-9][0-9]{0,9})(\+?)\}$/.exec(text);
  if (match === null) return text.includes('{') ? 'ambiguous' : 'none';
  const length = Number(match[1]);
  return length > literalBytesMax ? 'ambiguous' : { length, synchronizing: match[2] === '' };
}

function hasOpenQuote(text: string): boolean {
  let open = false;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) {
    if (!open || !isEscaped(text, at)) open = !open;
  }
  return open;
}

/** Within quotes: whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text[from - 1] === '\\') from--;
  return (at - from) % 2 === 1;
}
