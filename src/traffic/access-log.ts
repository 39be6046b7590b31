// The access line of a request: who, where to, how long, and why it ended. Never a query, a cookie
// or an Authorization value: they hold secrets.

import type { ProxyError } from '../error.ts';
import type { Exchange } from './exchange.ts';
import type { HttpSession } from './http-session.ts';

/** Enough to find a request by; a line stays far below the 4096 bytes of an atomic write. */
const pathLengthMax = 512;

export function logAccess(exchange: Exchange, endMs: number): void {
  const { session, request, realServer, error } = exchange;
  session.traffic.log[error === undefined ? 'info' : 'warn'](
    {
      id: exchange.id,
      client: session.clientAddress,
      service: (exchange.service ?? exchange.virtualService).settings.name,
      virtualService: exchange.virtualService.settings.name,
      server: realServer?.settings.name,
      method: request.method,
      host: request.host.slice(0, 255),
      path: printable(request.path.slice(0, pathLengthMax)),
      status: exchange.status,
      bytesToServer: exchange.bytesToServer,
      bytesToClient: exchange.bytesToClient,
      connectMs: sinceStart(exchange.connectedMs, exchange),
      firstByteMs: sinceStart(exchange.firstByteMs, exchange),
      totalMs: sinceStart(endMs, exchange),
      tls: session.tlsVersion,
      closed: error?.code ?? (exchange.keepAlive ? undefined : 'complete'),
      reason: error?.message,
      fault: error?.source
    },
    'request'
  );
}

/** A head that could not be read: there is no request to speak of. */
export function logRefusal(
  session: HttpSession,
  id: string,
  reason: ProxyError,
  status: number
): void {
  session.traffic.log.warn(
    {
      id,
      client: session.clientAddress,
      virtualService: session.entrance.virtualService?.settings.name,
      status,
      closed: reason.code,
      reason: reason.message,
      fault: reason.source
    },
    'refused'
  );
}

/** C1 controls would move the cursor of a terminal that shows the log; C0 never get this far. */
function printable(text: string): string {
  return text.replace(/[\x7f-\x9f]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
}

/** Milliseconds with one decimal; undefined for what did not happen. */
function sinceStart(timeMs: number, exchange: Exchange): number | undefined {
  return timeMs === 0 ? undefined : Math.round((timeMs - exchange.startMs) * 10) / 10;
}
