// SIGHUP: load the file again, see that all of it can be had, then change over. Up to the line that
// says so nothing has changed, and a refusal leaves it at that.

import type { Server } from 'node:http';
import { loadConfiguration } from '../config/load.ts';
import type { Configuration } from '../config/model.ts';
import { formatProblem } from '../config/problem.ts';
import { openAdmin } from './admin.ts';
import { adminAddress, explainListenError } from './listeners.ts';
import { listenAddresses, newAddresses, probeListen } from './listeners.ts';
import type { Primary } from './parts.ts';
import { noteReload, type ReloadResult } from './reload-record.ts';

/** Longest wait for the workers; after it the next reload may come. */
const applyTimeMaxMs = 30_000;

export async function reload(primary: Primary): Promise<void> {
  const result = await tryReload(primary);
  primary.reloads = noteReload(primary.reloads, result, Date.now());
}

async function tryReload(primary: Primary): Promise<ReloadResult> {
  try {
    const configuration = await loadAgain(primary);
    if (configuration === undefined) return 'refused';
    const admin = await openNewAdmin(primary, configuration);
    if (admin === undefined || primary.phase === 'draining') return 'refused';
    return await changeOver(primary, configuration, admin);
  } catch (error) {
    // Whatever went wrong here, the services that run must go on running.
    primary.log.error({ err: error }, 'reload failed');
    return 'failed';
  }
}

async function loadAgain(primary: Primary): Promise<Configuration | undefined> {
  const { file, log } = primary;
  const loaded = await loadConfiguration(file, { writable: true });
  if ('problems' in loaded) {
    for (const problem of loaded.problems) {
      log.error({ problem: formatProblem(problem) }, 'reload refused');
    }
    return undefined;
  }
  for (const warning of loaded.warnings) log.warn(warning);
  const wanted = listenAddresses(loaded.configuration);
  const refusals = await probeListen(newAddresses(wanted, listenAddresses(primary.configuration)));
  for (const reason of refusals) log.error({ reason }, 'reload refused');
  return refusals.length === 0 ? loaded.configuration : undefined;
}

/** The listener that is there where it stays the same; undefined where the new one is refused. */
async function openNewAdmin(
  primary: Primary,
  configuration: Configuration
): Promise<Server | undefined> {
  const address = adminAddress(configuration);
  if (newAddresses([address], [adminAddress(primary.configuration)]).length === 0) {
    return primary.admin;
  }
  try {
    return await openAdmin(address, primary.adminSource);
  } catch (error) {
    const reason = explainListenError(address, error);
    primary.log.error({ reason }, 'reload refused');
    return undefined;
  }
}

async function changeOver(
  primary: Primary,
  configuration: Configuration,
  admin: Server
): Promise<ReloadResult> {
  const { log, logons, monitor, stapler, workers } = primary;
  if (admin !== primary.admin) primary.admin?.close();
  primary.admin = admin;
  primary.configuration = configuration;
  primary.revision++;
  const { revision } = primary;
  log.level = configuration.global.logLevel;
  monitor.reconcile(configuration);
  stapler.reconcile(configuration);
  logons.reconcile(configuration);
  const deadline = AbortSignal.timeout(applyTimeMaxMs);
  const applied = await Promise.race([workers.apply(configuration, revision), ended(deadline)]);
  if (applied === 'applied') {
    log.info({ revision }, 'reloaded');
    return 'applied';
  }
  const reason = applied === 'late' ? 'not every worker is done' : applied.cannotListen;
  log.error({ revision, reason }, 'reloaded in part');
  return 'partial';
}

function ended(deadline: AbortSignal): Promise<'late'> {
  return new Promise((resolve) => {
    deadline.addEventListener('abort', () => resolve('late'), { once: true });
  });
}
