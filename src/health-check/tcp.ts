// The TCP check, and the connection every other check starts with.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { formatEndpoint, plainAddress } from '../net/address.ts';
import { formatProxyHeader } from '../net/proxy-header.ts';
import { CheckFailure, type CheckTarget, type HealthCheck } from './health-check.ts';

/** Up when the TCP handshake completes; nothing is asked. */
export const checkTcp: HealthCheck = async (target, _options, signal) => {
  const socket = await connectTcp(target, signal);
  socket.destroy();
};

/** The caller destroys the socket; the signal destroys it as well. */
export async function connectTcp(target: CheckTarget, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: target.address, port: target.port });
  // A reset between two awaits would otherwise be an unhandled 'error'; whoever waits next sees it.
  socket.on('error', () => {});
  destroyOnAbort(socket, signal);
  try {
    await once(socket, 'connect');
    introduceOurselves(socket, target);
    return socket;
  } catch (error) {
    const why = signal.aborted ? 'no answer in time' : explainSocketError(error);
    throw new CheckFailure(`cannot connect to ${formatTarget(target)}: ${why}`, false);
  }
}

/** As addAbortSignal, which makes an error with a stack for each socket that is closed early. */
export function destroyOnAbort(socket: Socket, signal: AbortSignal): void {
  const destroy = (): void => void socket.destroy(new Error('aborted'));
  if (signal.aborted) return destroy();
  signal.addEventListener('abort', destroy, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', destroy));
}

/** A check is nobody else's connection (proxy-protocol.txt 2.1). */
function introduceOurselves(socket: Socket, { address, port, proxyProtocol }: CheckTarget): void {
  if (proxyProtocol === undefined) return;
  const { localAddress = '', localPort = 0 } = socket;
  const here = { address: plainAddress(localAddress), port: localPort };
  socket.write(formatProxyHeader(proxyProtocol, here, { address, port }));
}

export function formatTarget({ address, port }: CheckTarget): string {
  return formatEndpoint(address, port);
}

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection closed by the server',
  EHOSTUNREACH: 'no route to this host',
  ENETUNREACH: 'no route to this network',
  EHOSTDOWN: 'host is down',
  ETIMEDOUT: 'no answer in time',
  EADDRNOTAVAIL: 'no local address or port is free for it',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what the server sent is not TLS',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what the server sent is not TLS'
};

export function explainSocketError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return words[code] ?? error.message;
}
