// What TLS changes in heads: fields that tell the servers of the client's TLS, and those that keep
// the client in it (Strict-Transport-Security, https in Location).

import { isWord } from '../http1/bytes.ts';
import { HeadEdits } from '../http1/head-edits.ts';
import type { AnswerHead, RequestHead } from '../http1/head.ts';
import type { Exchange } from './exchange.ts';

const transportSecurity = 'strict-transport-security';

/** The service's Strict-Transport-Security for an answer that brings none (RFC 6797 7.1: one). */
export function transportSecurityField({ virtualService }: Exchange, head: AnswerHead): string {
  const { hsts } = virtualService;
  return hsts === '' || hasField(head, transportSecurity) ? '' : hsts;
}

function hasField({ bytes, fields, fieldCount }: AnswerHead, name: string): boolean {
  for (let n = 0; n < fieldCount; n++) {
    if (isWord(bytes, fields[n * 4] ?? 0, fields[n * 4 + 1] ?? 0, name)) return true;
  }
  return false;
}

/** `sslRewrite`: a server that is spoken to in clear takes the client to be in clear as well. */
export function secureLocation(
  { request }: Exchange,
  head: AnswerHead,
  edits: HeadEdits | undefined
): HeadEdits | undefined {
  if (head.status !== 201 && (head.status < 300 || head.status > 399)) return edits;
  const changed = edits ?? new HeadEdits(head);
  const found = changed.replace('location', (value) => secured(value, request));
  return found ? changed : edits;
}

/** Undefined where the value does not lead back to the host that was asked for, or not in clear. */
function secured(value: string, request: RequestHead): string | undefined {
  const parts = /^http:\/\/([^/?#@]+)([/?#].*)?$/is.exec(value);
  if (parts === null) return undefined;
  const [, authority = '', rest = ''] = parts;
  const [host, port] = split(authority);
  const [askedHost, askedPort] = split(request.authority);
  // Port 80 of a server that knows no better stands for the port that the client came to.
  if (host !== askedHost || (port !== askedPort && port !== '' && port !== '80')) return undefined;
  return `https://${request.authority}${rest}`;
}

/** Host in lower case, and port; '' for the usual one. */
function split(authority: string): [host: string, port: string] {
  const port = /:(\d*)$/.exec(authority)?.[1];
  return port === undefined
    ? [authority.toLowerCase(), '']
    : [authority.slice(0, -port.length - 1).toLowerCase(), port];
}
