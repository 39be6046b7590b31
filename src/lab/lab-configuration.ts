// The configuration that the lab writes for Ballast: both templates before the same two servers.

import type { LabPlaces } from './lab-places.ts';

export const serverNames = ['EX01', 'EX02'] as const;
/** Names of the two virtual services, as they stand in the status. */
export const serviceNames = ['Offloaded', 'Reencrypted'] as const;

export function labConfiguration(places: LabPlaces): string {
  return `# Written by the lab; gone with it.
global:
  workers: 2
  checkInterval: 2
  checkTimeout: 1
  checkRetries: 1
  drainTime: 1
admin: { address: 127.0.0.1, port: ${places.admin} }
certificates:
  - { name: lab, file: lab.pem, key: lab.key }
virtualServices:
  - template: Exchange 2016 HTTPS Offloaded
    name: Offloaded
    address: 127.0.0.1
    port: ${places.offloaded}
    redirectPort: ${places.offloadedRedirect}
    certificates: [lab]
    checkPort: ${places.serverHttps} # the template says 443
    realServers:
${realServers(places, places.serverHttp)}
  - template: Exchange 2016 HTTPS Reencrypted
    name: Reencrypted
    address: 127.0.0.1
    port: ${places.reencrypted}
    redirectPort: ${places.reencryptedRedirect}
    certificates: [lab]
    checkPort: ${places.serverHttps}
    realServers:
${realServers(places, places.serverHttps)}
`;
}

function realServers({ serverAddresses }: LabPlaces, port: number): string {
  return serverAddresses
    .map(
      (address, at) => `      - { address: '${address}', port: ${port}, name: ${serverNames[at]} }`
    )
    .join('\n');
}
