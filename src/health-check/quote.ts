// What a server said, fit for one line of a log.

export const quotedBytesMax = 100;

/** The first bytes. */
export function quote(bytes: Buffer): string {
  const cut = bytes.length > quotedBytesMax ? '...' : '';
  const text = bytes.toString('latin1', 0, quotedBytesMax).replaceAll(/[\r\n\t ]+/g, ' ');
  return text.replaceAll(/[^\x20-\x7e]/g, escapeByte).trim() + cut;
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
