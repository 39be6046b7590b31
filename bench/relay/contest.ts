// The relay scenarios as contests: where their server runs, how a round is started.

import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Tally } from '../client.ts';
import type { Contest, Proxy } from '../contest.ts';
import { requireOpenFiles } from '../open-files.ts';
import type { Place } from '../place.ts';
import { freePort, lastLine, startProgram, type Program } from '../program.ts';
import type { Sample } from '../sample.ts';
import type { Settings } from '../settings.ts';
import { serverAddresses } from '../workload.ts';
import { openIdle } from './idle.ts';
import { startRelay } from './proxies.ts';
import type { RelayOrder } from './round.ts';
import type { RelayJob, RelayScenario } from './scenarios.ts';
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
  { held }: Pick<Settings, 'held'>,
  place: Place,
  server: RelayServer
): Contest {
  const job =
    scenario.job.kind === 'idle' && held !== undefined
      ? { ...scenario.job, sessions: held }
      : scenario.job;
  if (job.kind === 'idle') requireOpenFiles(job.sessions);
  return {
    scenario,
    start: (name) => startRelay(name, scenario, place, server),
    verify: (proxy) => verify(scenario, proxy),
    round: (proxy, seconds) => runRound(scenario, job, proxy, seconds)
  };
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
  job: RelayJob,
  { port, program }: Proxy,
  seconds: number
): Promise<Sample> {
  const order: RelayOrder = { target: { port, tls }, job, seconds, pid: program.pid };
  return JSON.parse(await lastLine(pathOf('round.ts'), [JSON.stringify(order)])) as Sample;
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
