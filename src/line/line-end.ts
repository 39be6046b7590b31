// Line ends. A line that two programs could read in two ways is how commands and mail were smuggled
// past others, so there is one reading: CR LF ends a line, and neither byte stands anywhere else.

export const LF = 0x0a;
export const CR = 0x0d;

/** What is wrong with a line that came up to its LF, in words; undefined where it is well. */
export function findLineFault(line: Buffer): string | undefined {
  const end = line.length - 2;
  if (end < 0 || line[end] !== CR) return 'a line must end in CR LF';
  if (line.indexOf(CR) !== end) return 'a line must not hold a CR';
  // Programs in C take NUL for the end of a text.
  if (line.includes(0)) return 'a line must not hold a NUL';
  return undefined;
}

/** The line without its CR LF, a character a byte. */
export function lineText(line: Buffer): string {
  return line.toString('latin1', 0, line.length - 2);
}

/**
 * The first line of `bytes` with its end. What is longer than `bytesMax`, or no clean line, is
 * malformed.
 */
export function firstLine(bytes: Buffer, from: number, bytesMax: number): Buffer | Unread {
  const end = bytes.indexOf(LF, from);
  if (end === -1) return bytes.length - from >= bytesMax ? 'malformed' : 'incomplete';
  const line = bytes.subarray(from, end + 1);
  return line.length > bytesMax || findLineFault(line) !== undefined ? 'malformed' : line;
}

/** Why nothing could be read: bytes are missing, or they are not of the protocol. */
export type Unread = 'incomplete' | 'malformed';
