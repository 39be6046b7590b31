// The access line of a request or a session: who, where to, how long, and why it ended. Never a query, a cookie
// or an Authorization value: they hold secrets.

import type { ProxyError } from '../error.ts';
import type { Exchange } from './exchange.ts';
import type { TcpSession } from './tcp-session.ts';
import type { HttpSession } from './http-session.ts';

/** Enough to find a request by; a line stays far below the 4096 bytes of an atomic write. */
const pathLengthMax = 512;

export function logAccess(exchange: Exchange, endMs: number): void {
  const { session, request, realServer, error } = exchange;
  session.traffic.log.line(
    error === undefined ? 'info' : 'warn',
    {
      id: exchange.id,
      client: session.clientAddress,
      user: exchange.pass?.user,
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

/** The line of a session that was relayed. */
export function logSession(session: TcpSession, endMs: number): void {
  const { error, startMs, connectedMs } = session;
  // Clients go as they please; that needs nobody's attention.
  const quiet = error === undefined || error.code === 'client-closed' || error.code === 'idle';
  session.traffic.log[quiet ? 'info' : 'warn'](
    {
      id: session.id,
      client: session.from.address,
      virtualService: session.virtualService.settings.name,
      server: session.realServer?.settings.name,
      bytesToServer: session.bytesToServer,
      bytesToClient: session.bytesToClient,
      connectMs: connectedMs === 0 ? undefined : tenths(connectedMs - startMs),
      totalMs: tenths(endMs - startMs),
      tls: session.tlsVersion,
      closed: error?.code ?? `${session.endedBy ?? 'client'}-ended`,
      reason: error?.message,
      fault: error?.source
    },
    'session'
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
  return timeMs === 0 ? undefined : tenths(timeMs - exchange.startMs);
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
