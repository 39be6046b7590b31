// The real servers behind every proxy: nginx, because it is cheap and steady, else a stand-in.

import { fileURLToPath } from 'node:url';
import { nginxFile } from './nginx-file.ts';
import type { Place } from './place.ts';
import { findProgram, freePort, startProgram, type Program } from './program.ts';
import { answerBody, checkBody, checkPath, serverAddresses } from './workload.ts';

export interface Backend {
  readonly program: Program;
  readonly plainPort: number;
  readonly tlsPort: number;
}

export async function startBackend(place: Place): Promise<Backend> {
  const [plainPort, tlsPort] = [await freePort(), await freePort()];
  const [first = ''] = serverAddresses;
  const nginx = findProgram('nginx');
  if (nginx === undefined) return startStandIn(place);
  const file = place.write('backend.conf', configuration(place, plainPort, tlsPort));
  const program = await startProgram('nginx as server', [nginx, '-c', file], first, tlsPort);
  return { program, plainPort, tlsPort };
}

/** A server of ours, which can also do bulk transfers and long polls. */
export async function startStandIn(place: Place): Promise<Backend> {
  const [plainPort, tlsPort] = [await freePort(), await freePort()];
  const [first = ''] = serverAddresses;
  const file = fileURLToPath(new URL('stand-in.ts', import.meta.url));
  const ports = [plainPort, tlsPort].map(String);
  const command = [process.execPath, file, ...ports, place.chainFile, place.keyFile] as const;
  const program = await startProgram('stand-in server', command, first, tlsPort);
  return { program, plainPort, tlsPort };
}

function configuration(place: Place, plainPort: number, tlsPort: number): string {
  const listens = serverAddresses.flatMap((address) => [
    `listen ${address}:${plainPort};`,
    `listen ${address}:${tlsPort} ssl;`
  ]);
  return nginxFile(
    place,
    'backend',
    `default_type text/html;
  ssl_certificate ${place.chainFile};
  ssl_certificate_key ${place.keyFile};
  server {
    ${listens.join('\n    ')}
    location / { return 200 '${answerBody}'; }
    location = ${checkPath} { return 200 '${checkBody}'; }
  }`
  );
}
