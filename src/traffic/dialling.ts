// How every connection to a server is dialled.

import type { VirtualService } from '../service/virtual-service.ts';

/** LoadMaster's connect timeout (kemp-traffic 5.3). */
export const connectTimeoutMs = 4000;

/** Guide 2.2: without subnet-originating requests they come from the service's own address. */
export function sourceAddress(
  virtualService: VirtualService,
  serverAddress: string
): string | undefined {
  const { subnetOriginating, address } = virtualService.settings;
  if (subnetOriginating || address === '0.0.0.0' || address === '::') return undefined;
  // An IPv4 address cannot speak to an IPv6 server.
  return address.includes(':') === serverAddress.includes(':') ? address : undefined;
}
