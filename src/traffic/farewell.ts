// How a session ends that cannot go on: a last line where the protocol has one and the client can
// read it, else a cut that it can tell from a regular end.

import type { FarewellReason } from '../dialect/dialect.ts';
import { ProxyError, type ErrorCode } from '../error.ts';
import type { TcpSession } from './tcp-session.ts';

/** What the client is told, by reason; it learns the others by the end of its connection. */
const farewells: Partial<Record<ErrorCode, readonly [reason: FarewellReason, words: string]>> = {
  'no-server': ['no-server', 'no server can take this session now, please try again later'],
  'cannot-connect': ['no-server', 'no server can take this session now, please try again later'],
  'greeting-refused': ['no-server', 'no server can take this session now, please try again later'],
  'too-many-connections': ['too-many', 'too many connections from your address'],
  idle: ['idle', 'nothing was said for too long'],
  'login-timeout': ['login-time', 'nobody signed in for too long'],
  'line-too-long': ['line-too-long', 'line too long'],
  'protocol-violation': ['violation', 'protocol violation'],
  'unclear-mail': ['unclear-mail', 'the message holds a bare CR, a bare LF or a NUL'],
  'recipients-refused': ['recipients-refused', 'too many recipients were refused'],
  draining: ['going-down', 'going down, please connect again'],
  drained: ['going-down', 'going down, please connect again']
};

/** Where TLS is spoken through us it begins with the first byte; there a line would be garbage. */
const implicitTlsPorts: readonly number[] = [465, 993, 995];

/** RFC 8446 6: a fatal alert, internal_error, in a record of its own. */
const alert = Buffer.from([21, 3, 3, 0, 2, 2, 80]);

export function sayFarewell(session: TcpSession, error: unknown): void {
  const reason = proxyErrorOf(session, error);
  session.error = reason;
  const { client, dialect, phase } = session;
  // Who ended his side in good order has ours ended likewise.
  if (client.isClosed || (reason.code === 'client-closed' && !client.isOpen)) return;
  const opaque = isOpaque(session);
  const farewell = farewells[reason.code];
  if (opaque && session.server === undefined) client.socket.write(alert);
  // In the midst of a line the end must look like none.
  else if (farewell === undefined || (!opaque && phase?.mayInterrupt === false)) client.abort();
  else if (!opaque && dialect !== undefined) {
    const [kind, words] = wordsOf(reason, farewell);
    const own = dialect.farewell(kind, `${words} (${session.id})`, session.isGreeted);
    client.socket.write(session.lastWords ?? own, 'latin1');
  }
}

/** What a client did wrong it is told; what a server did is for the log. */
function wordsOf(
  { code, source, message }: ProxyError,
  [kind, words]: readonly [FarewellReason, string]
): readonly [FarewellReason, string] {
  if (code !== 'protocol-violation') return [kind, words];
  return source === 'client' ? [kind, message] : ['server-violation', 'server error'];
}

function isOpaque({ isOpaque, tlsVersion, tcp, here }: TcpSession): boolean {
  if (isOpaque) return true;
  if (tcp.recipients !== undefined) return false;
  return tlsVersion === undefined && tcp.startTls === 'no' && implicitTlsPorts.includes(here.port);
}

/** Whatever else is thrown is our bug: it ends its own session, with a stack. */
function proxyErrorOf(session: TcpSession, error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  session.traffic.log.error({ err: error, id: session.id }, 'session failed');
  return new ProxyError('no-server', 'ballast', 'internal error');
}
