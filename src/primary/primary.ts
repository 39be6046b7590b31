// The primary process: owns the configuration, checks the servers, runs the workers. One life:
// load, try the addresses, start, serve until a signal, drain.

import { fileURLToPath } from 'node:url';
import { loadConfiguration } from '../config/load.ts';
import type { Configuration, SsoDomain } from '../config/model.ts';
import { formatProblem } from '../config/problem.ts';
import { createLog, flushLog, type Logger } from '../log.ts';
import { openAdmin } from './admin.ts';
import { adminSourceOf } from './admin-source.ts';
import { Directory } from '../directory/directory.ts';
import { HealthMonitor } from './health-monitor.ts';
import { Logons } from './logons.ts';
import { adminAddress, explainListenError, listenAddresses, probeListen } from './listeners.ts';
import { OcspStapler } from './ocsp-stapler.ts';
import type { Primary } from './parts.ts';
import { noReloads } from './reload-record.ts';
import { reload } from './reload.ts';
import { listenToSignals, type Signals } from './signals.ts';
import { readVersion } from './version.ts';
import { Workers, type Applied } from './workers.ts';

/** The contract's exit codes. */
const exitCode = { well: 0, refused: 1, cannotListen: 3 } as const;

export interface PrimaryOptions {
  /** What the workers run instead of Ballast's own worker. */
  readonly workerProgram?: string;
}

/** Settles with the exit code when all is over. */
export async function runPrimary(file: string, options: PrimaryOptions = {}): Promise<number> {
  // From the first moment on, or a signal during the start would leave a half-started program.
  const signals = listenToSignals();
  const loaded = await loadConfiguration(file, { writable: true });
  if ('problems' in loaded) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return exitCode.refused;
  }
  const { configuration } = loaded;
  const refusals = await probeListen([
    ...listenAddresses(configuration),
    adminAddress(configuration)
  ]);
  if (refusals.length > 0) {
    for (const refusal of refusals) console.error(refusal);
    return exitCode.cannotListen;
  }
  const log = createLog(configuration.global.logLevel, 'primary');
  for (const warning of loaded.warnings) log.warn(warning);
  const primary = assemble(file, configuration, log, options.workerProgram ?? ownWorkerProgram());
  try {
    return await serve(primary, signals);
  } finally {
    primary.monitor.stop();
    primary.stapler.stop();
    primary.logons.stop();
    primary.admin?.close();
    await flushLog(log);
  }
}

async function serve(primary: Primary, signals: Signals): Promise<number> {
  const { configuration, log, monitor, stapler, workers } = primary;
  const address = adminAddress(configuration);
  try {
    primary.admin = await openAdmin(address, primary.adminSource);
  } catch (error) {
    console.error(explainListenError(address, error));
    return exitCode.cannotListen;
  }
  monitor.reconcile(configuration);
  stapler.reconcile(configuration);
  primary.logons.reconcile(configuration);
  const started = startUp(primary);
  const first = await Promise.race([started, signals.stop]);
  if (first !== 'stop' && first !== 'applied') {
    console.error(first.cannotListen);
    await workers.kill();
    return exitCode.cannotListen;
  }
  if (first === 'applied') {
    primary.phase = 'ready';
    // Programs wait for this line, so it is written at every level.
    const facts = { revision: primary.revision, version: readVersion() };
    log.child({}, { level: 'info' }).info(facts, 'ready');
    signals.onHangUp(() => reload(primary));
    await signals.stop;
  }
  await drain(primary, signals);
  return exitCode.well;
}

/** Every worker listens, and every server was checked once. */
async function startUp({ configuration, monitor, workers, revision }: Primary): Promise<Applied> {
  const applied = await workers.apply(configuration, revision);
  if (applied === 'applied') await monitor.allCheckedOnce();
  return applied;
}

async function drain(primary: Primary, signals: Signals): Promise<void> {
  const { log, workers } = primary;
  primary.phase = 'draining';
  log.info({ drainTimeMs: primary.configuration.global.drainTimeMs }, 'draining');
  const ended = await Promise.race([workers.drain(), signals.stopNow]);
  if (ended === 'stop now') await workers.kill();
  log.info('stopped');
}

function assemble(
  file: string,
  configuration: Configuration,
  log: Logger,
  program: string
): Primary {
  const monitor: HealthMonitor = new HealthMonitor({
    log,
    onHealth: (id, health) => workers.tellHealth(id, health)
  });
  const logons = new Logons({
    log,
    openDirectory: (domain) => watchedDirectory(domain, log),
    onEnded: (keys) => workers.tellEnded(keys)
  });
  const workers: Workers = new Workers({
    program,
    log,
    health: () => monitor.all(),
    onSuspect: (id) => monitor.checkNow(id),
    logons
  });
  const primary: Primary = {
    file,
    log,
    monitor,
    logons,
    stapler: new OcspStapler({ log, onStaple: (staple) => workers.tellStaple(staple) }),
    workers,
    adminSource: adminSourceOf(() => primary),
    configuration,
    revision: 1,
    reloads: noReloads(Date.now()),
    phase: 'starting',
    admin: undefined
  };
  return primary;
}

/** Its servers are checked from now on; what changes is logged. */
function watchedDirectory(domain: SsoDomain, log: Logger): Directory {
  const directory = new Directory(domain, {
    onChange: (health) =>
      log[health.state === 'up' ? 'info' : 'error']({ domain: domain.name, ...health }, 'directory')
  });
  void directory.start();
  return directory;
}

function ownWorkerProgram(): string {
  return fileURLToPath(new URL('../worker/worker.ts', import.meta.url));
}
