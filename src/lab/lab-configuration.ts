// The configuration that the lab writes for Ballast: templates of HTTPS, with and without
// pre-authentication, and of mail before the same two servers.

import { directoryDomain, mailGroup } from './lab-directory.ts';
import type { MailProtocol } from './mail-connection.ts';
import type { MailPortName } from './mail.ts';
import type { LabPlaces } from './lab-places.ts';

export const serverNames = ['EX01', 'EX02'] as const;

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
ssoDomains:
  - name: ${directoryDomain}
    server: 127.0.0.1:${places.directory}
    caFile: lab.pem
    maxFailedAuths: 4
    unblockTout: 120
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
  - template: Exchange 2016 HTTPS Offloaded with ESP
    name: Guarded
    address: 127.0.0.1
    port: ${places.guarded}
    redirectPort: ${places.guardedRedirect}
    certificates: [lab]
    checkPort: ${places.serverHttps}
    allowedHosts: 127.0.0.1 localhost *.lab.example
    domain: ${directoryDomain}
    realServers:
${realServers(places, places.serverHttp)}
    subVSs:
      - name: OWA
        allowedGroups: ${mailGroup}
        includeNestedGroups: true
        userPwdChangeUrl: /owa/auth/expiredpassword.aspx?url=/owa/auth.owa
        excludedDirectories: /owa/auth/expiredpassword.aspx
${mailProtocols.map((protocol) => mailServices(places, protocol)).join('')}`;
}

export const mailProtocols = ['imap', 'pop3', 'smtp'] as const;

/** The first word of a service's name is a row of the status, the other one a column. */
export const mailNames = { imap: 'IMAP', pop3: 'POP', smtp: 'SMTP' } as const;
export const mailWays = ['STARTTLS', 'TLS', 'through'] as const;

function mailServices(places: LabPlaces, protocol: MailProtocol): string {
  const name = mailNames[protocol];
  const { startTls, offloaded, passedThrough } = places.mail[protocol];
  const ways: readonly (readonly [template: string, port: number, server: MailPortName])[] = [
    [`${name} with STARTTLS`, startTls, protocol],
    [`${name}S Offloaded`, offloaded, protocol],
    [`${name}S`, passedThrough, `${protocol}s`]
  ];
  return ways
    .map(([template, port, server], at) => {
      const serverPort = places.serverMail[server];
      const ours = at < 2 ? '\n    certificates: [lab]' : '';
      return `  - template: Exchange 2016 ${template}
    name: ${name} ${mailWays[at]}
    address: 127.0.0.1
    port: ${port}${ours}
    checkPort: ${serverPort}
    realServers:
${realServers(places, serverPort)}
`;
    })
    .join('');
}

function realServers({ serverAddresses }: LabPlaces, port: number): string {
  return serverAddresses
    .map(
      (address, at) => `      - { address: '${address}', port: ${port}, name: ${serverNames[at]} }`
    )
    .join('\n');
}
