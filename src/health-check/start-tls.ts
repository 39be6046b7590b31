// TLS of a check: it verifies nothing and talks to servers of any age (kemp-traffic 5.2).

import { once } from 'node:events';
import { constants } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { CheckFailure, type CheckOptions, type CheckTarget } from './health-check.ts';
import { destroyOnAbort, explainSocketError, formatTarget } from './tcp.ts';

/** SMTP, IMAP and POP with TLS from the first byte on (RFC 8314 7). */
const tlsPorts: ReadonlySet<number> = new Set([465, 993, 995]);

/** For checks that have no names of their own for it, as `https` is. */
export function beginsWithTls({ port }: CheckTarget, { tls }: Pick<CheckOptions, 'tls'>): boolean {
  return tls ?? tlsPorts.has(port);
}

/** A context costs a third of a millisecond, so all checks share this one. */
let oldServersContext: SecureContext | undefined;

/** `host` is sent as SNI where it is a name; it may have a port. */
export async function startTls(
  plain: Socket,
  target: CheckTarget,
  host: string | undefined,
  signal: AbortSignal
): Promise<Socket> {
  oldServersContext ??= createSecureContext({
    minVersion: 'TLSv1',
    ciphers: 'DEFAULT@SECLEVEL=0',
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT
  });
  const socket = connectTls({
    socket: plain,
    secureContext: oldServersContext,
    rejectUnauthorized: false,
    servername: serverName(host)
  });
  socket.on('error', () => {});
  destroyOnAbort(socket, signal);
  try {
    await once(socket, 'secureConnect');
    return socket;
  } catch (error) {
    plain.destroy();
    const why = signal.aborted ? 'no end of it in time' : explainSocketError(error);
    throw new CheckFailure(`TLS handshake with ${formatTarget(target)} failed: ${why}`, false);
  }
}

/** An IP address must never stand in it (RFC 6066 3). */
function serverName(host = ''): string {
  const name = host.replace(/:\d+$/, '');
  return isIP(name) === 0 ? name : '';
}
