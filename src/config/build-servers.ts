// Real servers of one service, with their addresses resolved.

import { lookup } from 'node:dns/promises';
import { formatEndpoint } from '../net/address.ts';
import type { RealServer } from './model.ts';
import { quote, type Report } from './problem.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';
import { endpointAt, type ServerEntry } from './vocabulary/real-server.ts';

/** The address of a host name; rejects where it has none. */
export type Resolve = (host: string) => Promise<string>;

const lookupTimeoutMs = 10_000;

/** Asks once for each name, and for all of them at the same time. */
export function resolveOnce(ask: Resolve = askSystem): Resolve {
  const answers = new Map<string, Promise<string>>();
  return (host) => {
    const known = answers.get(host);
    if (known !== undefined) return known;
    const answer = ask(host);
    // Whoever needs it waits for it later; until then a refusal must not end the process.
    answer.catch(() => undefined);
    answers.set(host, answer);
    return answer;
  };
}

async function askSystem(host: string): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const reason = new Error(`no answer in ${lookupTimeoutMs / 1000} s`);
    timer = setTimeout(() => reject(reason), lookupTimeoutMs);
  });
  try {
    const { address } = await Promise.race([lookup(host, { order: 'ipv4first' }), late]);
    return address;
  } finally {
    clearTimeout(timer);
  }
}

export async function buildServers(
  entries: readonly ServerEntry[],
  idPrefix: string,
  defaultPort: number,
  resolve: Resolve,
  report: Report
): Promise<RealServer[]> {
  const servers = new Map<string, RealServer>();
  for (const entry of entries) {
    const address = await addressOf(entry, resolve, report);
    if (address === undefined) continue;
    const port = entry.port ?? defaultPort;
    const endpoint = formatEndpoint(address, port);
    if (servers.has(endpoint)) {
      // 0 stands for the port of a service that has none, which is reported already.
      const shown = port === 0 ? address : endpoint;
      const message = `${shown} stands twice in this service; keep one of them`;
      report(entry.place, entry.path, message);
      continue;
    }
    servers.set(endpoint, {
      id: `${idPrefix}/${endpoint}`,
      name: entry.name ?? formatEndpoint(entry.host, port),
      address,
      port,
      hostName: entry.isHostName ? entry.host : undefined,
      weight: entry.weight,
      limit: entry.limit,
      enable: entry.enable,
      critical: entry.critical
    });
  }
  return [...servers.values()];
}

/** The sorry server of a service or SubVS. Its id and name tell it from a real server there. */
export async function buildStandby(
  { standbyAddr, standbyPort }: ServiceSettings | SubVSSettings,
  fullName: string,
  defaultPort: number,
  resolve: Resolve,
  report: Report
): Promise<RealServer | undefined> {
  if (standbyAddr === undefined) {
    if (standbyPort !== undefined) {
      const message = 'there is no sorry server; add standbyAddr';
      report(standbyPort.place, standbyPort.path, message);
    }
    return undefined;
  }
  if (standbyAddr.value === undefined) return undefined;
  const { place, path } = standbyAddr;
  const host = endpointAt(standbyAddr.value, standbyPort?.value);
  const usual = { weight: 1000, limit: 0, enable: true, critical: false };
  const entry: ServerEntry = { ...host, ...usual, place, path, name: undefined };
  const [server] = await buildServers([entry], fullName, defaultPort, resolve, report);
  if (server === undefined) return undefined;
  const endpoint = formatEndpoint(server.address, server.port);
  return { ...server, id: `${fullName}/sorry@${endpoint}`, name: `sorry ${server.name}` };
}

async function addressOf(
  entry: ServerEntry,
  resolve: Resolve,
  report: Report
): Promise<string | undefined> {
  if (!entry.isHostName) return entry.host;
  try {
    return await resolve(entry.host);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = `${quote(entry.host)} cannot be resolved (${code ?? message})`;
    report(entry.place, entry.path, `${why}; correct the name or give an IP address`);
    return undefined;
  }
}
