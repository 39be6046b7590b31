// The answers to FETCH (RFC 9051 7.5.2), as far as ordinary clients ask.

import type { Token } from './imap-command.ts';
import type { Message } from './mailbox.ts';

export interface FetchItem {
  /** As the answer names it. */
  readonly name: string;
  /** Sets `\Seen`. */
  readonly marks: boolean;
  readonly value: (message: Message) => string | Buffer;
}

const macros: Readonly<Record<string, readonly string[]>> = {
  ALL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE'],
  FAST: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'],
  FULL: ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE', 'ENVELOPE', 'BODY']
};

const simple: Readonly<Record<string, (message: Message) => string | Buffer>> = {
  FLAGS: ({ flags }) => `(${[...flags].join(' ')})`,
  UID: ({ uid }) => String(uid),
  INTERNALDATE: ({ date }) => `"${internalDate(date)}"`,
  'RFC822.SIZE': ({ bytes }) => String(bytes.length),
  ENVELOPE: envelope,
  BODY: structure,
  BODYSTRUCTURE: structure,
  RFC822: ({ bytes }) => bytes,
  'RFC822.HEADER': ({ bytes }) => headOf(bytes),
  'RFC822.TEXT': ({ bytes }) => bytes.subarray(headOf(bytes).length)
};

/** Undefined where one of them is not known. */
export function fetchItems(token: Token, byUid: boolean): FetchItem[] | undefined {
  const given = typeof token === 'string' ? (macros[token.toUpperCase()] ?? [token]) : token;
  const names = given.filter((name) => typeof name === 'string');
  const withUid = byUid && !names.some((name) => name.toUpperCase() === 'UID');
  const items = (withUid ? ['UID', ...names] : names).map(fetchItem);
  const known = items.filter((item) => item !== undefined);
  return known.length === items.length && names.length === given.length ? known : undefined;
}

function fetchItem(written: string): FetchItem | undefined {
  const name = written.toUpperCase();
  const value = Object.hasOwn(simple, name) ? simple[name] : undefined;
  if (value !== undefined) {
    return { name, marks: name === 'RFC822' || name === 'RFC822.TEXT', value };
  }
  const [all, peek, section = '', from, length] =
    /^BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?$/.exec(name) ?? [];
  if (all === undefined) return undefined;
  const cut = cutSection(section);
  if (cut === undefined) return undefined;
  const origin = from === undefined ? '' : `<${from}>`;
  const start = Number(from ?? 0);
  return {
    name: `BODY[${section}]${origin}`,
    marks: peek === undefined,
    value: ({ bytes }) =>
      cut(bytes).subarray(start, length === undefined ? undefined : start + Number(length))
  };
}

function cutSection(section: string): ((bytes: Buffer) => Buffer) | undefined {
  switch (section) {
    case '':
      return (bytes) => bytes;
    case 'HEADER':
    case '1.MIME':
      return headOf;
    case 'TEXT':
    case '1':
      return (bytes) => bytes.subarray(headOf(bytes).length);
  }
  const [, not, names] = /^HEADER\.FIELDS(\.NOT)? \(([^)]*)\)$/.exec(section) ?? [];
  if (names === undefined) return undefined;
  const wanted = new Set(names.replaceAll('"', '').split(' '));
  return (bytes) => {
    const fields = headOf(bytes)
      .toString('latin1')
      .split(/(?<=\r\n)(?![ \t])/);
    const kept = fields.filter(
      (field) =>
        field !== '\r\n' &&
        wanted.has(field.slice(0, field.indexOf(':')).toUpperCase()) === (not === undefined)
    );
    return Buffer.from(`${kept.join('')}\r\n`, 'latin1');
  };
}

/** With the empty line. */
function headOf(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n\r\n');
  return end === -1 ? bytes : bytes.subarray(0, end + 4);
}

function fieldOf(bytes: Buffer, name: string): string {
  const pattern = new RegExp(`^${name}:[ \\t]*(.*)$`, 'im');
  const value = pattern.exec(headOf(bytes).toString('latin1'))?.[1]?.trim();
  return value === undefined || value === '' ? 'NIL' : `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

function envelope({ bytes }: Message): string {
  const people = (name: string): string => {
    const address = /([^\s<>"]+)@([^\s<>"]+)/.exec(fieldOf(bytes, name));
    return address === null ? 'NIL' : `((NIL NIL "${address[1]}" "${address[2]}"))`;
  };
  const from = people('From');
  const senders = `${from} ${from} ${from}`;
  const id = fieldOf(bytes, 'Message-ID');
  const [date, subject] = [fieldOf(bytes, 'Date'), fieldOf(bytes, 'Subject')];
  return `(${date} ${subject} ${senders} ${people('To')} NIL NIL NIL ${id})`;
}

function structure({ bytes }: Message): string {
  const body = bytes.subarray(headOf(bytes).length);
  const lines = body.toString('latin1').split('\n').length - 1;
  return `("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" ${body.length} ${lines})`;
}

function internalDate(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(' ');
  return `${day}-${month}-${year} ${time} +0000`;
}
