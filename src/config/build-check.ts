// Health check and timing of one service.

import type { CheckName } from '../health-check/registry.ts';
import type { CheckSettings, RealServer } from './model.ts';
import type { Report } from './problem.ts';
import type { Setting } from './section.ts';
import type { GlobalSection, ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

/** In whole seconds, as the file has them. */
export interface Timing {
  readonly interval: number;
  readonly timeout: number;
  readonly retries: number;
}

export function readTiming(settings: GlobalSection['settings'], report: Report): Timing {
  const { checkInterval, checkTimeout, checkRetries } = settings;
  const timing = {
    interval: checkInterval?.value ?? 9,
    timeout: checkTimeout?.value ?? 4,
    retries: checkRetries?.value ?? 2
  };
  judgeTiming(timing, [checkInterval, checkTimeout, checkRetries], report);
  return timing;
}

export function buildCheck(
  settings: ServiceSettings | SubVSSettings,
  servers: readonly RealServer[],
  defaultPort: number,
  global: Timing,
  report: Report
): CheckSettings {
  const { chkInterval, chkTimeout, chkRetryCount } = settings;
  const timing = {
    interval: chkInterval?.value || global.interval,
    timeout: chkTimeout?.value || global.timeout,
    retries: chkRetryCount?.value || global.retries
  };
  judgeTiming(timing, [chkInterval, chkTimeout, chkRetryCount], report);
  const port = settings.checkPort?.value ?? 0;
  return {
    type: settings.checkType?.value ?? usualCheck(port, servers, defaultPort),
    port,
    url: settings.checkUrl?.value ?? '/',
    method: settings.checkUseGet?.value === 1 ? 'GET' : 'HEAD',
    http11: settings['checkUse1.1']?.value ?? false,
    host: settings.checkHost?.value,
    intervalMs: timing.interval * 1000,
    timeoutMs: timing.timeout * 1000,
    retries: timing.retries
  };
}

/** By the port that is checked, as on a LoadMaster; servers on several ports have no usual one. */
function usualCheck(port: number, servers: readonly RealServer[], defaultPort: number): CheckName {
  const ports = new Set(port === 0 ? servers.map((server) => server.port) : [port]);
  if (ports.size > 1) return 'tcp';
  const [only = defaultPort] = ports;
  return only === 80 ? 'http' : only === 443 ? 'https' : 'tcp';
}

/** A check with all its tries must be over before the next one begins. */
function judgeTiming(
  timing: Timing,
  settings: readonly (Setting<number> | undefined)[],
  report: Report
): void {
  const least = timing.timeout * timing.retries + 1;
  const given = settings.find((setting) => setting !== undefined);
  if (timing.interval >= least || given === undefined) return;
  // What is wrong in itself is reported already.
  if (settings.some((setting) => setting !== undefined && setting.value === undefined)) return;
  const tries = `${timing.retries} retries of ${timing.timeout} s do not fit into`;
  const cure = `use an interval of at least ${least} s`;
  report(given.place, given.path, `${tries} an interval of ${timing.interval} s; ${cure}`);
}
