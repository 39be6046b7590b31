// Which addresses a configuration listens on, and whether they can be had, before anything starts.

import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Configuration } from '../config/model.ts';
import { formatEndpoint } from '../net/address.ts';

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
  /** Whose it is, for the operator. */
  readonly owner: string;
}

export function listenAddresses({ virtualServices }: Configuration): ListenAddress[] {
  return virtualServices
    .filter(({ enable }) => enable)
    .flatMap(({ address, port, extraPorts, name }) =>
      [port, ...extraPorts].map((one) => ({ address, port: one, owner: name }))
    );
}

export function adminAddress({ admin: { address, port } }: Configuration): ListenAddress {
  return { address, port, owner: 'management' };
}

/** Those of `wanted` that `held` does not have. */
export function newAddresses(
  wanted: readonly ListenAddress[],
  held: readonly ListenAddress[]
): ListenAddress[] {
  const known = new Set(held.map(formatAddress));
  return wanted.filter((address) => !known.has(formatAddress(address)));
}

/**
 * Binds all at the same time, so that they are tried against each other as well, and lets go.
 * Returns a line for each that cannot be had.
 */
export async function probeListen(addresses: readonly ListenAddress[]): Promise<string[]> {
  const held: Server[] = [];
  const refusals: string[] = [];
  for (const address of addresses) {
    const server = createServer();
    const { address: host, port } = address;
    // As the workers listen: `::` is IPv6 only, beside a `0.0.0.0` of its own.
    server.listen({ host, port, exclusive: true, ipv6Only: true });
    try {
      await once(server, 'listening');
      held.push(server);
    } catch (error) {
      refusals.push(explainListenError(address, error));
    }
  }
  await Promise.all(held.map((server) => once(server.close(), 'close')));
  return refusals;
}

export function explainListenError(address: ListenAddress, error: unknown): string {
  return `cannot listen on ${formatAddress(address)} (${address.owner}): ${explain(error)}`;
}

function formatAddress({ address, port }: ListenAddress): string {
  return formatEndpoint(address, port);
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ('code' in error ? error.code : undefined) {
    case 'EADDRINUSE':
      return 'port in use';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address';
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6';
    case 'EACCES':
      return 'not permitted; ports below 1024 need CAP_NET_BIND_SERVICE or root';
    default:
      return error.message;
  }
}
