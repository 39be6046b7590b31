// The field lines that we write ourselves: what belongs to each connection, and the additional
// L7 header (guide 2.4). All else goes on as it came, but for what content rules change.

import { editHead } from '../content-rule/edit.ts';
import { isFoldedWord } from '../http1/bytes.ts';
import type { HeadEdits } from '../http1/head-edits.ts';
import type { AnswerHead, Framing, RequestHead } from '../http1/head.ts';
import type { Exchange } from './exchange.ts';
import { cookieEdits, guardEdits, setCookieEdits } from './guard-fields.ts';
import { ownCookieField } from './persistent-server.ts';
import { backFromServerForm } from './server-logon.ts';
import { secureLocation, transportSecurityField } from './tls-fields.ts';

const clientSideNames = ['x-clientside'];

/** Field lines to add to a request. Those of the client that ours would not outdo are dropped. */
export function requestFields(exchange: Exchange): string {
  const { request, session, virtualService } = exchange;
  let fields = '';
  if (request.asksForUpgrade) {
    fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
  } else if (request.minorVersion === 0) {
    // Whatever the client wants of us, we keep our connection to the server (RFC 9112 C.2.2).
    fields = 'Connection: Keep-Alive\r\n';
  }
  if (virtualService.reservedFields.length > 0) {
    // A client must not write what the servers take for our word.
    dropFields(request, virtualService.reservedFields);
    fields += session.tlsFields(virtualService);
  }
  switch (virtualService.global.additionalL7Header) {
    case 'none':
      return fields;
    case 'x-forwarded-for':
      return `${fields}X-Forwarded-For: ${session.clientAddress}\r\n`;
    case 'x-clientside':
      dropFields(request, clientSideNames);
      return `${fields}X-ClientSide: ${session.clientSide}\r\n`;
  }
}

/** What content rules and pre-authentication change of the request; undefined = nothing. */
export function requestEdits(exchange: Exchange): HeadEdits | undefined {
  const { request, service, session, virtualService } = exchange;
  if (service === undefined) return undefined;
  const edits =
    service.requestEdits.length === 0
      ? undefined
      : editHead(request, service.requestEdits, session.facts);
  if (service.guard !== undefined) return guardEdits(exchange, service.guard.settings, edits);
  return virtualService.seesSessions ? cookieEdits(request, edits) : edits;
}

/** What they, and sslRewrite, change of an answer, its 101 included. */
export function answerEdits(exchange: Exchange, head: AnswerHead): HeadEdits | undefined {
  const { service, session, virtualService } = exchange;
  const edits =
    service === undefined || service.answerEdits.length === 0
      ? undefined
      : editHead(head, service.answerEdits, session.facts);
  const kept = virtualService.seesSessions ? setCookieEdits(head, edits) : edits;
  const guarded = service?.guard === undefined ? kept : backFromServerForm(exchange, head, kept);
  return virtualService.securesLocation ? secureLocation(exchange, head, guarded) : guarded;
}

/** Whether the client's connection can go on after this answer. */
export function clientStays(exchange: Exchange, head: AnswerHead, framing: Framing): boolean {
  const { request, session } = exchange;
  const { client } = session;
  if (!request.persistent || session.isEnding) return false;
  if (!client.isOpen && !client.hasHeld) return false;
  if (framing === 'close' || (framing === 'chunked' && request.minorVersion === 0)) return false;
  // The user that this connection stands for is known to the server's connection only.
  return head.persistent || !session.authenticatesConnection;
}

/** Field lines to add to the final answer. */
export function answerFields(exchange: Exchange, head: AnswerHead): string {
  const own = ownCookieField(exchange) + transportSecurityField(exchange, head);
  if (!exchange.keepAlive) return `${own}Connection: close\r\n`;
  const old = exchange.request.minorVersion === 0 || head.minorVersion === 0;
  return old ? `${own}Connection: Keep-Alive\r\n` : own;
}

/** Field lines to add to an interim answer. */
export function interimFields(head: AnswerHead): string {
  return head.status === 101 ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : '';
}

/** An HTTP/1.0 client gets the data without the chunks, so it must not read that there are any. */
export function dropChunked(head: AnswerHead): void {
  dropFields(head, ['transfer-encoding']);
}

/** Adds the fields of these names (lower case) to the hop-by-hop ones. */
function dropFields(head: RequestHead | AnswerHead, names: readonly string[]): void {
  const { bytes, fields, hopByHop } = head;
  for (let n = 0; n < head.fieldCount; n++) {
    const start = fields[n * 4] ?? 0;
    const end = fields[n * 4 + 1] ?? 0;
    if (!names.some((name) => isFoldedWord(bytes, start, end, name)) || hopByHop.includes(n))
      continue;
    hopByHop.push(n);
  }
  hopByHop.sort((a, b) => a - b);
}
