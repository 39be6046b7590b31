// `ballast lab`: two stand-in Exchange servers and a directory, Ballast before them with templates of
// HTTPS and of mail, and a place to watch what happens when a server dies. Everything ends with it
// and nothing is left.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { selfSignedCertificate } from '../tls/certificate.ts';
import { startBallast } from './ballast-process.ts';
import { labConfiguration, serverNames } from './lab-configuration.ts';
import { startLabDirectory } from './lab-directory.ts';
import { labGuide } from './lab-guide.ts';
import { findPlaces, type LabPlaces } from './lab-places.ts';
import { LabServer } from './lab-server.ts';
import { showOnTerminal, tellChanges } from './lab-view.ts';
import type { Ldap } from './ldap.ts';
import type { Pace } from './visit.ts';

const domain = 'lab.example';
const reviveAfterMs = 10_000;
/** Short enough to watch. */
const pace: Partial<Pace> = {
  pendingPeriodMs: 2000,
  heartbeatMs: 60_000,
  eventPeriodMs: 2000,
  events: 30
};
const newsPeriodMs = 5000;

/** Returns the exit code: 0 when the visitor ended the lab, 1 when something in it failed. */
export async function runLab(): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.on('SIGINT', end).on('SIGTERM', end);
  const folder = await mkdtemp(join(tmpdir(), 'ballast-lab-'));
  const servers: LabServer[] = [];
  try {
    await inLab(folder, servers, stop);
    return 0;
  } catch (error) {
    if (error === stop.signal.reason) return 0;
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    // From here on a dead stand-in stays dead.
    stop.abort();
    await Promise.all(servers.map((server) => server.end()));
    await rm(folder, { recursive: true, force: true });
    process.off('SIGINT', end).off('SIGTERM', end);
  }
}

async function inLab(folder: string, servers: LabServer[], stop: AbortController): Promise<void> {
  const terminal = process.stdout.isTTY && process.stdin.isTTY;
  print('Starting two stand-in Exchange servers and Ballast ...');
  const places = await findPlaces();
  const names = [domain, `*.${domain}`, 'localhost', '127.0.0.1'];
  const certificate = await selfSignedCertificate(`mail.${domain}`, names);
  // One certificate for all, as Extended Protection wants it of real servers.
  const tls = { key: certificate.keyPem, cert: certificate.chainPem };
  const directory = await startLabDirectory({ port: places.directory }, tls);
  stop.signal.addEventListener('abort', () => void directory.close());
  const run = { terminal, stop: stop.signal, servers, directory };
  for (const [at, name] of serverNames.entries()) {
    servers.push(standIn(name, at, places, tls, run));
  }
  await Promise.all(servers.map((server) => server.start()));
  await writeFile(join(folder, 'lab.pem'), certificate.chainPem);
  await writeFile(join(folder, 'lab.key'), certificate.keyPem, { mode: 0o600 });
  const file = join(folder, 'ballast.yaml');
  await writeFile(file, labConfiguration(places));
  const ballast = await startBallast(file, join(folder, 'ballast.log'), stop.signal);
  const statusUrl = `http://127.0.0.1:${places.admin}/status`;
  print(labGuide({ places, folder, terminal, pids: servers.map(({ pid }) => pid) }));
  const view = terminal
    ? showOnTerminal(statusUrl, servers, stop)
    : tellChanges(statusUrl, stop.signal);
  const died = ballast.ended.then((lines) => {
    if (!stop.signal.aborted) throw new Error(`Ballast ended by itself:\n${lines}`);
  });
  try {
    await Promise.race([view, died]);
  } finally {
    // The terminal is set right before anything else is written to it.
    stop.abort();
    await view;
    await ballast.end();
  }
}

interface LabRun {
  readonly terminal: boolean;
  readonly stop: AbortSignal;
  /** All of them, in the end. */
  readonly servers: readonly LabServer[];
  readonly directory: Ldap;
}

function standIn(
  name: string,
  at: number,
  places: LabPlaces,
  tls: { readonly key: string; readonly cert: string },
  { terminal, stop, servers, directory }: LabRun
): LabServer {
  const host = places.serverAddresses[at] ?? '127.0.0.1';
  const { imap, imaps, pop3, pop3s, smtp, smtps } = places.serverMail;
  const options = {
    name: `${name.toLowerCase()}.${domain}`,
    http: { host, port: places.serverHttp },
    https: { host, port: places.serverHttps, ...tls },
    mail: {
      imap: { host, port: imap },
      imaps: { host, port: imaps },
      pop3: { host, port: pop3 },
      pop3s: { host, port: pop3s },
      smtp: { host, port: smtp },
      smtps: { host, port: smtps },
      tls,
      newsPeriodMs
    },
    pace
  };
  const onDeath = (): void => {
    // On a terminal a key brings it back.
    if (!terminal) void reviveLater(server, stop);
  };
  const onDelivery = (user: string, bytes: Uint8Array): void => {
    for (const other of servers) if (other !== server) other.deliver(user, bytes);
  };
  const onPassword = (user: string, password: string): void => {
    directory.setPassword(user, password);
    for (const each of servers) each.setPassword(user, password);
  };
  const server: LabServer = new LabServer(name, options, { onDeath, onDelivery, onPassword });
  return server;
}

async function reviveLater(server: LabServer, stop: AbortSignal): Promise<void> {
  print(`${server.name} died; it comes back in ${reviveAfterMs / 1000} s`);
  try {
    await delay(reviveAfterMs, undefined, { signal: stop });
    await server.start();
    print(`${server.name} is back, process ${server.pid}`);
  } catch (error) {
    if (!stop.aborted) print(error instanceof Error ? error.message : String(error));
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
