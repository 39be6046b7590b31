// The relay scenarios as contests: where their server runs, how a round is started.

import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Contest, Proxy } from '../contest.ts';
import type { Place } from '../place.ts';
import { freePort, lastLine, startProgram, type Program } from '../program.ts';
import type { Sample } from '../sample.ts';
import type { Settings } from '../settings.ts';
import { serverAddresses } from '../workload.ts';
import { Tally } from './client.ts';
import { openIdle } from './idle.ts';
import { startRelay } from './proxies.ts';
import type { RoundOrder } from './round.ts';
import type { Job, RelayScenario } from './scenarios.ts';
import { session } from './sessions.ts';

export interface RelayServer {
  readonly program: Program;
  readonly imapPort: number;
  readonly smtpPort: number;
}

const settleMs = 15_000;

export async function startRelayServer(): Promise<RelayServer> {
  const [imapPort, smtpPort] = [await freePort(), await freePort()];
  const [first = ''] = serverAddresses;
  const ports = [String(imapPort), String(smtpPort)];
  const command = [process.execPath, pathOf('server.ts'), ...ports] as const;
  const program = await startProgram('mail server', [...command], first, smtpPort);
  return { program, imapPort, smtpPort };
}

export function relayContest(
  scenario: RelayScenario,
  { idleSessions }: Pick<Settings, 'idleSessions'>,
  place: Place,
  server: RelayServer
): Contest {
  const job =
    scenario.job.kind === 'idle' && idleSessions !== undefined
      ? { ...scenario.job, sessions: idleSessions }
      : scenario.job;
  if (job.kind === 'idle') requireFiles(job.sessions);
  return {
    scenario,
    start: (name) => startRelay(name, scenario, place, server),
    verify: (proxy) => verify(scenario, proxy),
    round: (proxy, seconds) => runRound(scenario, job, proxy, seconds)
  };
}

/** A relay holds two sockets a session. */
function requireFiles(sessions: number): void {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const most = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
  const needed = 2 * sessions + 500;
  if (most < needed) {
    throw new Error(
      `${sessions} idle sessions need ${needed} open files, ulimit -Hn is ${most}: --sessions N`
    );
  }
}

/** Tries until a first session goes well: the proxy may still check its servers. */
async function verify(scenario: RelayScenario, proxy: Proxy): Promise<void> {
  const target = { port: proxy.port, tls: scenario.tls };
  const over = performance.now() + settleMs;
  for (;;) {
    const tally = new Tally();
    if (scenario.protocol === 'smtp') await session(target, tally);
    else await (await openIdle(target, 1, tally)).close();
    if (tally.failures.size === 0) return;
    const [why = ''] = tally.failures.keys();
    if (performance.now() > over) throw new Error(`${proxy.name}: ${why}\n${proxy.program.said()}`);
    await delay(200);
  }
}

async function runRound(
  { tls }: RelayScenario,
  job: Job,
  { port, program }: Proxy,
  seconds: number
): Promise<Sample> {
  const order: RoundOrder = { target: { port, tls }, job, seconds, pid: program.pid };
  return JSON.parse(await lastLine(pathOf('round.ts'), [JSON.stringify(order)])) as Sample;
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
