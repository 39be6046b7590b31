// Ballast's own answers (the contract's last table): redirects, error messages, refusals. Each
// carries the request id that the log line with the reason has.

import { STATUS_CODES } from 'node:http';
import { ProxyError, type ErrorCode } from '../error.ts';
import type { RequestHead } from '../http1/head.ts';
import type { Exchange } from './exchange.ts';
import { logRefusal } from './access-log.ts';
import type { HttpSession } from './http-session.ts';

/** Status by reason; 0 = nobody is there to read an answer. Other reasons no exchange can have. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  'malformed-request': 400,
  'uri-too-long': 414,
  'head-too-large': 431,
  'not-implemented': 501,
  'version-not-supported': 505,
  'request-timeout': 408,
  'client-closed': 0,
  'no-rule': 404,
  'rule-must-fail': 403,
  forbidden: 403,
  'no-server': 503,
  'no-directory': 503,
  'cannot-connect': 502,
  'server-closed': 502,
  'server-timeout': 504,
  'malformed-answer': 502,
  'truncated-answer': 502,
  'too-many-connections': 503,
  'service-gone': 503,
  draining: 503
};

/** Answers a request that could not be served; cuts the connection where an answer has begun. */
export function answerError(exchange: Exchange, error: unknown): void {
  const reason = proxyErrorOf(exchange.session, error);
  const { session, request } = exchange;
  exchange.error = reason;
  if (exchange.status !== 0 || session.client.isClosed) {
    exchange.keepAlive = false;
    // The client must not take what it got for the whole.
    if (exchange.status !== 0 && exchange.status !== 101) session.client.abort();
    return;
  }
  const configured = configuredAnswer(exchange, reason);
  // A redirector has no servers and needs none: its answer is what it is there for.
  if (configured !== undefined && exchange.service?.settings.realServers.length === 0) {
    exchange.error = undefined;
  }
  const status = configured?.code ?? statusOf[reason.code] ?? 503;
  if (status === 0) return;
  exchange.status = status;
  // Only where no byte of a body can be taken for the next request.
  exchange.keepAlive =
    (reason.code === 'no-rule' || reason.code === 'no-server') &&
    request.framing === 'none' &&
    request.persistent &&
    !session.isEnding;
  const location =
    configured !== undefined && status >= 300 && status < 400
      ? locationOf(configured.urlOrText, exchange)
      : undefined;
  const text = location === undefined ? configured?.urlOrText || undefined : undefined;
  const said = { text, location, hsts: exchange.virtualService.hsts };
  session.client.write(write(status, exchange.id, said, exchange.keepAlive, request));
}

/** Answers a request whose head could not be read; the connection closes. */
export function answerUnread(session: HttpSession, error: unknown): void {
  const reason = proxyErrorOf(session, error);
  const { traffic, client } = session;
  const id = traffic.requestId();
  const status = statusOf[reason.code] ?? 503;
  session.counters.error(reason.code);
  logRefusal(session, id, reason, status);
  if (status !== 0 && !client.isClosed) {
    const hsts = session.entrance.virtualService?.hsts ?? '';
    const said = { text: undefined, location: undefined, hsts };
    client.write(write(status, id, said, false, undefined));
  }
}

/** `errorCode` and `errorUrl` of the SubVS, else of the service. */
function configuredAnswer(
  exchange: Exchange,
  reason: ProxyError
): { readonly code: number; readonly urlOrText: string } | undefined {
  const { service, virtualService } = exchange;
  if (reason.code === 'no-rule') return virtualService.settings.notAvailable;
  if (reason.code !== 'no-server') return undefined;
  return service?.settings.notAvailable ?? virtualService.settings.notAvailable;
}

/**
 * The redirect's target (guide 5.1, kemp-traffic 7): `%h` is the requested host without its port,
 * `%s` path and query. Both were checked byte by byte when the head was read, so no line end can
 * be in them; what a URL may not hold is percent-encoded all the same.
 */
function locationOf(template: string, exchange: Exchange): string {
  const { request, session } = exchange;
  const local = session.client.socket.localAddress ?? '';
  const host = request.host || (local.includes(':') ? `[${local}]` : local);
  const safePath = request.pathAndQuery.replace(
    /[^!#$%&'()*+,\-./0-9:;=?@A-Z[\]_a-z~]/g,
    percentEncoded
  );
  const filled = template.replace(/%[hs]/g, (token) =>
    token === '%h' ? host : safePath.startsWith('/') ? safePath : `/${safePath}`
  );
  // Asked of the template: in `%h:8443%s` the host is no scheme.
  if (/^[a-z][a-z0-9+.-]*:/i.test(template)) return filled;
  // Without a scheme it is relative to this host; `//` would name another one.
  const scheme = session.tlsVersion === undefined ? 'http' : 'https';
  return `${scheme}://${request.authority || host}/${filled.replace(/^\/+/, '')}`;
}

function percentEncoded(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

interface Said {
  readonly text: string | undefined;
  readonly location: string | undefined;
  /** A complete field line, or ''. */
  readonly hsts: string;
}

function write(
  status: number,
  id: string,
  { text, location, hsts }: Said,
  keepAlive: boolean,
  request: RequestHead | undefined
): Buffer {
  const reason = STATUS_CODES[status] ?? 'Error';
  const message = text ?? `${status} ${reason}`;
  const body = Buffer.from(
    `<!DOCTYPE html><title>${status} ${reason}</title>` +
      `<p>${location === undefined ? message : 'The page is at another address.'}` +
      `<p>Request ${id}\n`
  );
  const old = request?.minorVersion === 0;
  // RFC 9110 15.3.5, 15.3.6, 8.6: these have no body and announce none.
  const bodiless = status === 204 || status === 205;
  const head =
    `HTTP/1.1 ${status} ${reason}\r\n` +
    (location === undefined ? '' : `Location: ${location}\r\n`) +
    (bodiless
      ? ''
      : `Content-Type: text/html; charset=utf-8\r\nContent-Length: ${body.length}\r\n`) +
    'Cache-Control: no-store\r\n' +
    hsts +
    `X-Request-Id: ${id}\r\n` +
    (keepAlive ? (old ? 'Connection: Keep-Alive\r\n' : '') : 'Connection: close\r\n') +
    '\r\n';
  const bytes = Buffer.from(head, 'latin1');
  return request?.isHead === true || bodiless ? bytes : Buffer.concat([bytes, body]);
}

/** Anything but a `ProxyError` is a mistake of ours: it ends this exchange, and is told in full. */
function proxyErrorOf(session: HttpSession, error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  session.traffic.log.error({ err: error }, 'unexpected error');
  return new ProxyError('malformed-answer', 'ballast', 'internal error');
}
