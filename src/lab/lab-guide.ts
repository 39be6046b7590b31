// What the lab tells its visitor to try. Pure.

import { defaultUsers } from './sign-in.ts';
import type { LabPlaces, MailServicePorts } from './lab-places.ts';

export interface GuideFacts {
  readonly places: LabPlaces;
  readonly folder: string;
  readonly terminal: boolean;
  readonly pids: readonly (number | undefined)[];
}

export function labGuide({ places, folder, terminal, pids }: GuideFacts): string {
  const offloaded = `https://127.0.0.1:${places.offloaded}`;
  const reencrypted = `https://127.0.0.1:${places.reencrypted}`;
  const guarded = `https://127.0.0.1:${places.guarded}`;
  const { imap, pop3, smtp } = places.mail;
  const [alice, bob, carol] = defaultUsers.map(
    ({ domain, name, password }) => `${domain}\\${name}:${password}`
  );
  const kill = terminal
    ? 'keys: 1 and 2 kill or revive EX01 and EX02, o OWA health page, m mail services of EX01, q quits'
    : `kill -9 ${pids[0]}    # EX01; kill -9 ${pids[1]} is EX02; a dead one comes back after 10 s`;
  return `
Ballast runs before two stand-in Exchange servers. Configuration and log:
  ${folder}/ballast.yaml
  ${folder}/ballast.log

To try, each also with ${reencrypted} (re-encrypted) instead of
${offloaded} (offloaded):

  a health page; NTLM, three legs on one connection: the answer names the user (X-User)
    curl -k ${offloaded}/owa/healthcheck.htm
    curl -k --ntlm -u '${alice}' -i ${offloaded}/owa/
  plain HTTP is sent to HTTPS (to port 443, as in production)
    curl -i http://127.0.0.1:${places.offloadedRedirect}/owa/?a=b
  Outlook Anywhere: the answer comes while a body of 1 GiB is still on its way (Ctrl-C to stop)
    (head -c 5000 /dev/zero; sleep 60) | curl -ki -N --basic -u '${alice}' -X RPC_IN_DATA \\
      -H 'Content-Length: 1073741824' -H 'Transfer-Encoding:' -T - --output - \\
      '${offloaded}/rpc/rpcproxy.dll?EX01:6001'
  MAPI over HTTP: PROCESSING at once, PENDING every 2 s, then DONE
    curl -kN --ntlm -u '${alice}' -d x ${reencrypted}/mapi/emsmdb
  an ActiveSync Ping that hangs for 20 s
    curl -ki --basic -u '${bob}' -d '' --output - \\
      '${offloaded}/Microsoft-Server-ActiveSync?Cmd=Ping&heartbeat=20'
  200 MB down, always the same bytes
    curl -k --ntlm -u '${alice}' '${reencrypted}/owa/download?bytes=200000000' | sha256sum

Pre-authentication: nobody reaches a server before the directory of the lab has said who he is.
  the login page, in a browser; the first two get in, the third one must change his password first
    ${guarded}/owa/   ${alice?.replace(':', ' ')}   ${bob?.replace(':', ' ')}   ${carol?.replace(':', ' ')}
  ActiveSync with Basic, and EWS, which signs in at the servers by itself
    curl -ki --basic -u '${alice}' -d '' '${guarded}/Microsoft-Server-ActiveSync?Cmd=Sync'
    curl -ki --ntlm -u '${alice}' -d x ${guarded}/EWS/Exchange.asmx

Mail, by STARTTLS or TLS that ends here, or TLS passed through to the servers:
  IMAP ${mailPorts(imap)}   POP ${mailPorts(pop3)}   SMTP ${mailPorts(smtp)}

  a mail in, and out again
    printf 'Subject: Hi\\r\\n\\r\\nHello\\r\\n' | curl -k --ssl-reqd -T - --mail-from me@lab.example \\
      --mail-rcpt alice@lab.example smtp://127.0.0.1:${smtp.startTls}
    curl -k -u '${alice}' 'imaps://127.0.0.1:${imap.offloaded}/INBOX;MAILINDEX=4'
    curl -k -u '${alice}' --ssl-reqd pop3://127.0.0.1:${pop3.startTls}
  what a server says, and who of the two says it
    openssl s_client -quiet -crlf -starttls smtp -connect 127.0.0.1:${smtp.startTls}
  mail that comes while one waits: type 1 LOGIN alice Ballast-1, 2 SELECT INBOX, 3 IDLE
    openssl s_client -quiet -crlf -starttls imap -connect 127.0.0.1:${imap.startTls}

What Ballast knows: curl http://127.0.0.1:${places.admin}/status
A server dies and comes back:
    ${kill}
`;
}

function mailPorts({ startTls, offloaded, passedThrough }: MailServicePorts): string {
  return `${startTls} ${offloaded} ${passedThrough}`;
}
