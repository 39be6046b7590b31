// Names and passwords as clients send them: the body of the login form, and Authorization: Basic.

import { isUtf8 } from 'node:buffer';
import { curlCharsMax } from './login-url.ts';

export const formBytesMax = 8192;
export const userCharsMax = 256;
export const passwordCharsMax = 256;

export interface Credentials {
  /** As typed; may be empty, and an empty password must never reach a directory. */
  readonly user: string;
  readonly password: string;
}

export interface LoginForm extends Credentials {
  /** Still escaped: for `safeDestination`. */
  readonly curl: string;
  readonly curlid: string;
  readonly isPrivate: boolean;
}

const fieldsMax = 32;

const charsMax: Readonly<Record<string, number>> = {
  curl: curlCharsMax,
  curlid: 64,
  username: userCharsMax,
  password: passwordCharsMax,
  pubpriv: 1
};

/** Undefined for a body that our form, or a client that plays it, does not send. */
export function parseLoginForm(body: Buffer): LoginForm | undefined {
  if (body.length > formBytesMax) return undefined;
  const fields = readFields(body.toString('latin1'));
  const user = fields?.get('username');
  const password = fields?.get('password');
  if (fields === undefined || user === undefined || password === undefined) return undefined;
  return {
    user: user.trim(),
    password,
    curl: fields.get('curl') ?? '',
    curlid: fields.get('curlid') ?? '',
    isPrivate: fields.get('pubpriv') === '1'
  };
}

/** The fields that we know, each at most once; others are passed over. */
function readFields(body: string): Map<string, string> | undefined {
  const pairs = body.split('&');
  if (pairs.length > fieldsMax) return undefined;
  const fields = new Map<string, string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const name = decodeField(at === -1 ? pair : pair.slice(0, at));
    const most = name === undefined ? undefined : charsMax[name];
    if (name === undefined) return undefined;
    if (most === undefined) continue;
    const value = decodeField(at === -1 ? '' : pair.slice(at + 1));
    if (value === undefined || value.length > most || fields.has(name)) return undefined;
    fields.set(name, value);
  }
  return fields;
}

/** One name or value in latin1 as it came; undefined for bad escapes, bad UTF-8, control characters. */
function decodeField(text: string): string | undefined {
  if (/%(?![0-9a-f]{2})/i.test(text)) return undefined;
  const bytes = Buffer.from(
    text.replace(/\+/g, ' ').replace(/%(..)/g, (_, hex: string) => {
      return String.fromCharCode(Number.parseInt(hex, 16));
    }),
    'latin1'
  );
  return isUtf8(bytes) ? withoutControls(bytes.toString('utf8')) : undefined;
}

const windows1252 = new TextDecoder('windows-1252');
const basicCharsMax = 2048;

/** The value of an Authorization field, if it is Basic (RFC 7617) with something in it. */
export function parseBasic(authorization: string): Credentials | undefined {
  if (authorization.length > basicCharsMax) return undefined;
  const encoded = /^basic +([0-9a-z+/]+={0,2})$/i.exec(authorization)?.[1];
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  // Old clients of Windows send its code page, which is Latin-1 and more.
  const text = withoutControls(isUtf8(bytes) ? bytes.toString('utf8') : windows1252.decode(bytes));
  const at = text?.indexOf(':') ?? -1;
  if (text === undefined || at === -1) return undefined;
  const user = text.slice(0, at);
  const password = text.slice(at + 1); // which may have colons of its own
  if (user.length > userCharsMax || password.length > passwordCharsMax) return undefined;
  return { user, password };
}

/** The field line that asks for it. A quoted string has room for ASCII only, and not for all of that. */
export function basicChallenge(realm: string): string {
  const quoted = realm.replace(/[^ -~]/gu, '?').replace(/["\\]/g, '\\$&');
  return `WWW-Authenticate: Basic realm="${quoted}", charset="UTF-8"\r\n`;
}

/** RFC 7617 2: neither part may hold any. */
function withoutControls(text: string): string | undefined {
  return /\p{Cc}/u.test(text) ? undefined : text;
}
