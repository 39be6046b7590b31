// Answers of pre-authentication: pages, redirects to them, and what a client hears that must first
// say who it is.

import { STATUS_CODES } from 'node:http';
import { tick } from '../net/clock.ts';
import type { Exchange } from './exchange.ts';

export interface OwnAnswer {
  readonly status: number;
  /** Complete field lines. */
  readonly fields: string;
  /** Its type stands in `fields`. */
  readonly body: string;
  /** The request's body was read to its end, so another request can follow. */
  readonly bodyTaken?: boolean;
}

/** Answers the request in place of a server. */
export function answerOwn(exchange: Exchange, own: OwnAnswer): void {
  const { session, request, virtualService } = exchange;
  if (session.client.isClosed) return;
  const { status, fields } = own;
  const body = Buffer.from(own.body);
  exchange.status = status;
  exchange.firstByteMs = tick();
  // What is not read of a body must not be taken for the next request.
  const isRead = own.bodyTaken === true || request.framing === 'none';
  exchange.keepAlive = isRead && request.persistent && !session.isEnding;
  const old = request.minorVersion === 0;
  const connection = exchange.keepAlive ? (old ? 'Connection: Keep-Alive\r\n' : '') : closing;
  const head = Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Login Timeout'}\r\n${fields}` +
      `Content-Length: ${body.length}\r\n${virtualService.hsts}` +
      `X-Request-Id: ${exchange.id}\r\n${connection}\r\n`,
    'latin1'
  );
  exchange.bytesToClient += head.length + body.length;
  session.client.write(request.isHead ? head : Buffer.concat([head, body]));
}

const closing = 'Connection: close\r\n';
