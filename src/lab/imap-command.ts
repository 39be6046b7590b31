// Reads one IMAP command with its literals (RFC 9051 9, RFC 7888).

import type { MailConnection } from './mail-connection.ts';

/** Atoms, quoted strings and literals are all texts here. */
export type Token = string | readonly Token[];

export interface ImapCommand {
  readonly tag: string;
  /** Upper case. */
  readonly name: string;
  /** `UID` stands before it. */
  readonly byUid: boolean;
  /** Undefined where they cannot be understood. */
  readonly tokens: readonly Token[] | undefined;
}

/** As much as a message may have. */
const literalBytesMax = 37_748_736;

/** Undefined where the client is gone. */
export async function readImapCommand(client: MailConnection): Promise<ImapCommand | undefined> {
  const parts: (string | { readonly literal: string })[] = [];
  for (;;) {
    const line = await client.readLine();
    if (line === undefined) return undefined;
    const [mark, digits, plus] = /\{(\d{1,10})(\+?)\}$/.exec(line) ?? [];
    if (mark === undefined) {
      parts.push(line);
      break;
    }
    const length = Number(digits);
    if (length > literalBytesMax) throw client.violation('literal too long');
    if (plus === '') {
      if (client.saidMore) client.note('literal before the continuation');
      await client.say('+ Ready for additional command text.');
    }
    const bytes = await client.readBytes(length);
    if (bytes === undefined) return undefined;
    parts.push(line.slice(0, -mark.length), { literal: bytes.toString('latin1') });
  }
  const [tag, name, ...rest] = tokenize(parts) ?? [];
  const [first = ''] = typeof parts[0] === 'string' ? parts[0].split(' ', 1) : [];
  if (typeof tag !== 'string' || typeof name !== 'string') {
    return { tag: first === '' ? '*' : first, name: '', byUid: false, tokens: undefined };
  }
  if (name.toUpperCase() !== 'UID') {
    return { tag, name: name.toUpperCase(), byUid: false, tokens: rest };
  }
  const [real, ...tokens] = rest;
  return { tag, name: typeof real === 'string' ? real.toUpperCase() : '', byUid: true, tokens };
}

function tokenize(parts: readonly (string | { readonly literal: string })[]): Token[] | undefined {
  const whole: Token[] = [];
  const open: Token[][] = [whole];
  for (const part of parts) {
    if (typeof part !== 'string') {
      open.at(-1)?.push(part.literal);
      continue;
    }
    const pattern = / +|([()])|"((?:[^"\\]|\\["\\])*)"|((?:[^ ()"[\]]|\[[^\]]*\])+)/y;
    while (pattern.lastIndex < part.length) {
      const match = pattern.exec(part);
      if (match === null) return undefined;
      const [, bracket, quoted, atom] = match;
      if (bracket === '(') {
        const list: Token[] = [];
        open.at(-1)?.push(list);
        open.push(list);
      } else if (bracket === ')') {
        open.pop();
        if (open.length === 0) return undefined;
      } else if (quoted !== undefined) {
        open.at(-1)?.push(quoted.replaceAll(/\\(.)/g, '$1'));
      } else if (atom !== undefined) {
        open.at(-1)?.push(atom);
      }
    }
  }
  return open.length === 1 ? whole : undefined;
}
