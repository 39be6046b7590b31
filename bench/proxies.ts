// The HTTP proxies compared, each configured for the same work: nine rules, least connection, health
// checks where it has them, keep-alive to clients and, unless the work says otherwise, to servers.

import type { Backend } from './backend.ts';
import type { Proxy, ProxyName } from './contest.ts';
import { ballast } from './http/ballast.ts';
import { haproxy } from './http/haproxy.ts';
import { nginx } from './http/nginx.ts';
import type { Setup } from './http/setup.ts';
import type { CertificateFiles, Place } from './place.ts';
import { freePort, startProgram } from './program.ts';
import { serverAddresses } from './workload.ts';

export interface Task {
  readonly setup: Setup;
  readonly place: Place;
  readonly certificate: CertificateFiles;
  readonly port: number;
  /** For a proxy that has a management listener. */
  readonly adminPort: number;
  readonly serverPort: number;
  /** Each as `address:port`. */
  readonly servers: readonly string[];
  readonly logFile: string | undefined;
}

export interface ProxyKind {
  /** `idleSeconds` is what a reload changes. */
  configuration(task: Task, idleSeconds: number): string;
  /** Undefined where the program is not installed. */
  command(file: string, setup: Setup): readonly [string, ...string[]] | undefined;
  readonly reloadSignal: NodeJS.Signals;
}

const kinds: Readonly<Partial<Record<ProxyName, ProxyKind>>> = { ballast, haproxy, nginx };

const idleSeconds = 1800;

/** Undefined where the program is not installed. `name` becomes part of the names of its files. */
export async function startProxy(
  proxy: ProxyName,
  name: string,
  setup: Setup,
  place: Place,
  backend: Backend
): Promise<Proxy | undefined> {
  const kind = kinds[proxy];
  const fileName = `${proxy}-${name}.conf`;
  const command = kind?.command(place.pathOf(fileName), setup);
  if (kind === undefined || command === undefined) return undefined;
  const serverPort = setup.tlsBehind ? backend.tlsPort : backend.plainPort;
  const task: Task = {
    setup,
    place,
    certificate: place.certificates[setup.key],
    port: await freePort(),
    adminPort: await freePort(),
    serverPort,
    servers: serverAddresses.map((address) => `${address}:${serverPort}`),
    logFile: setup.accessLog ? place.write(`${proxy}-${name}.log`, '') : undefined
  };
  const { port, logFile } = task;
  place.write(fileName, kind.configuration(task, idleSeconds));
  const program = await startProgram(proxy, command, '127.0.0.1', port, logFile);
  let reloads = 0;
  const reload = (): void => {
    place.write(fileName, kind.configuration(task, idleSeconds + ++reloads));
    process.kill(program.pid, kind.reloadSignal);
  };
  return { name: proxy, program, port, logFile, reload };
}
