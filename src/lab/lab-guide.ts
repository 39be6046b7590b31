// What the lab tells its visitor to try. Pure.

import { defaultUsers } from './sign-in.ts';
import type { LabPlaces } from './lab-places.ts';

export interface GuideFacts {
  readonly places: LabPlaces;
  readonly folder: string;
  readonly terminal: boolean;
  readonly pids: readonly (number | undefined)[];
}

export function labGuide({ places, folder, terminal, pids }: GuideFacts): string {
  const offloaded = `https://127.0.0.1:${places.offloaded}`;
  const reencrypted = `https://127.0.0.1:${places.reencrypted}`;
  const admin = `http://127.0.0.1:${places.admin}`;
  const [alice, bob] = defaultUsers.map(
    ({ domain, name, password }) => `${domain}\\${name}:${password}`
  );
  const kill = terminal
    ? 'keys: 1 and 2 kill or revive EX01 and EX02, o toggles the OWA health page of EX01, q quits'
    : `kill -9 ${pids[0]}    # EX01; kill -9 ${pids[1]} is EX02; a dead one comes back after 10 s`;
  return `
Ballast runs before two stand-in Exchange servers. Configuration and log:
  ${folder}/ballast.yaml
  ${folder}/ballast.log

To try, each also with ${reencrypted} (re-encrypted) instead of
${offloaded} (offloaded):

  a health page, through Ballast
    curl -k ${offloaded}/owa/healthcheck.htm
  NTLM, three legs on one connection; the answer names the user (X-User)
    curl -k --ntlm -u '${alice}' -i ${offloaded}/owa/
    curl -k --ntlm -u '${bob}' -d '<GetFolder/>' ${reencrypted}/EWS/Exchange.asmx
  plain HTTP is sent to HTTPS (to port 443, as in production)
    curl -i http://127.0.0.1:${places.offloadedRedirect}/owa/?a=b
  Outlook Anywhere: the echo (200, 20 bytes), then a body of 1 GiB that never ends;
  the answer comes while the body is still on its way (Ctrl-C to stop)
    curl -k --ntlm -u '${alice}' -X RPC_IN_DATA -d ABCD -o /dev/null \\
      -w '%{http_code} %{size_download}\\n' '${offloaded}/rpc/rpcproxy.dll?EX01:6001'
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
  what Ballast knows
    curl ${admin}/status
  a server dies and comes back
    ${kill}
`;
}
