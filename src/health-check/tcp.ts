// The TCP check, and the connection every other check starts with.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { formatEndpoint } from '../net/address.ts';
import { CheckFailure, type CheckTarget, type HealthCheck } from './health-check.ts';

/** Up when the TCP handshake completes; nothing is sent. */
export const checkTcp: HealthCheck = async (target, _options, signal) => {
  const socket = await connectTcp(target, signal);
  socket.destroy();
};

/** The caller destroys the socket; the signal destroys it as well. */
export async function connectTcp(target: CheckTarget, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: target.address, port: target.port });
  // A reset between two awaits would otherwise be an unhandled 'error'; whoever waits next sees it.
  socket.on('error', () => {});
  addAbortSignal(signal, socket);
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    const why = signal.aborted ? 'no answer in time' : explainSocketError(error);
    throw new CheckFailure(`cannot connect to ${formatTarget(target)}: ${why}`, false);
  }
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
  EADDRNOTAVAIL: 'no local address or port is free for it'
};

export function explainSocketError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return words[code] ?? error.message;
}
