// Ballast as the benches that work in slices start it.

import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Place } from './place.ts';
import { freePort, startProgram, type Program } from './program.ts';
import { familyOf } from './slice-clock.ts';
import {
  checkPath,
  directories,
  requestHeaders,
  requestPaths,
  serverAddresses
} from './workload.ts';

export interface Started {
  readonly program: Program;
  /** Of the primary and its workers. */
  readonly pids: readonly number[];
}

/** Keys are those of the configuration file. */
export type Section = Readonly<Record<string, unknown>>;

export interface Configuration {
  readonly global?: Section;
  readonly rules: readonly Section[];
  readonly virtualServices: readonly Section[];
}

const startTimeMs = 30_000;

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** `port` is one that it listens on when it is ready. */
export async function startBallast(
  place: Place,
  name: string,
  { global, rules, virtualServices }: Configuration,
  port: number
): Promise<Started> {
  const whole = {
    global: { workers: 1, accessLog: false, ...global },
    admin: { port: await freePort() },
    rules,
    virtualServices
  };
  // JSON is YAML.
  const file = place.write(`${name}.yaml`, JSON.stringify(whole));
  const command = [process.execPath, main, 'run', '--config', file] as const;
  const program = await startProgram(name, command, '127.0.0.1', port);
  await ready(program);
  return { program, pids: familyOf(program.pid) };
}

/** Its ports may have accepted before: it tries first whether it can listen, then starts workers. */
async function ready(program: Program): Promise<void> {
  const over = performance.now() + startTimeMs;
  while (!program.said().includes('"ready"')) {
    if (performance.now() > over) throw new Error(`not ready in time: ${program.said()}`);
    await delay(50);
  }
}

/** The nine rules of the Exchange templates. */
export const templateRules: readonly Section[] = directories.map(({ name, prefix }) => ({
  name,
  matchType: 'regex',
  pattern: `/^${prefix.replaceAll('/', '\\/')}.*/`,
  noCase: true
}));

export const serversAt = (serverPort: number): string[] =>
  serverAddresses.map((address) => `${address}:${serverPort}`);

/** A SubVS for each rule, least connection, checked as Exchange is. */
export function httpService(
  name: string,
  port: number,
  rules: readonly Section[],
  serverPort: number
): Section {
  const subVSs = rules.map((rule) => ({
    name: rule['name'],
    rules: [rule['name']],
    schedule: 'lc',
    checkType: 'http',
    checkPort: serverPort,
    checkUrl: checkPath,
    checkUseGet: 1,
    realServers: serversAt(serverPort)
  }));
  return { name, address: '127.0.0.1', port, vsType: 'http', subVSs };
}

/** GETs as clients send them, about 400 bytes each. */
export function requestsFor(paths: readonly string[] = requestPaths): Buffer[] {
  const fields = Object.entries(requestHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
  return paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\n${fields.join('')}\r\n`));
}
