// Health check and timing of one service.

import { compilePattern } from '../content-rule/pattern.ts';
import type { CheckName } from '../health-check/registry.ts';
import type { CheckSettings, RealServer } from './model.ts';
import type { Report } from './problem.ts';
import { withCure } from './read-file.ts';
import type { Setting } from './section.ts';
import type { GlobalSection, ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

/** By `checkUseGet`. */
const methods = ['HEAD', 'GET', 'POST', 'OPTIONS'] as const;
/** kemp-traffic 5.2: redirects are not followed, and 401 shows a living server that wants a user. */
const usualCodes: readonly number[] = [301, 302, 401];

/** kemp-api 1.4; implicit TLS and submission beyond it. */
const usualChecks: ReadonlyMap<number, CheckName> = new Map([
  [80, 'http'],
  [443, 'https'],
  [25, 'smtp'],
  [465, 'smtp'],
  [587, 'smtp'],
  [110, 'pop3'],
  [995, 'pop3'],
  [143, 'imap'],
  [993, 'imap']
]);

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
  judgeBody(settings, report);
  const port = settings.checkPort?.value ?? 0;
  return {
    type: settings.checkType?.value ?? usualCheck(port, servers, defaultPort),
    port,
    url: settings.checkUrl?.value ?? '/',
    method: methods[settings.checkUseGet?.value ?? 0] ?? 'HEAD',
    headers: settings.checkHeaders?.value ?? [],
    codes: settings.checkCodes?.value ?? usualCodes,
    pattern: settings.checkPattern?.value,
    postData: settings.checkPostData?.value,
    http11: settings['checkUse1.1']?.value ?? false,
    host: settings.checkHost?.value,
    tls: 'checkTLS' in settings ? settings.checkTLS?.value : undefined,
    intervalMs: timing.interval * 1000,
    timeoutMs: timing.timeout * 1000,
    retries: timing.retries
  };
}

/** What would be sent or looked at only with another method is a mistake. */
function judgeBody(settings: ServiceSettings | SubVSSettings, report: Report): void {
  const { checkUseGet, checkPattern, checkPostData } = settings;
  const method = methods[checkUseGet?.value ?? 0];
  if (checkPostData !== undefined && method !== 'POST') {
    const message = `${method} checks send no data; set checkUseGet: 2 for POST`;
    report(checkPostData.place, checkPostData.path, message);
  }
  if (checkPattern === undefined) return;
  const { place, path } = checkPattern;
  if (method !== 'GET' && method !== 'POST') {
    const message = `${method} checks read no body; set checkUseGet: 1 for GET or 2 for POST`;
    report(place, path, message);
  }
  try {
    if (checkPattern.value !== undefined) compilePattern(checkPattern.value, false);
  } catch (error) {
    report(place, path, withCure(error, 'correct the pattern'));
  }
}

/** How many servers the service needs; undefined where one that is up will do. */
export function buildMinimum(
  { enhancedHealthChecks, rsMinimum }: ServiceSettings | SubVSSettings,
  servers: readonly RealServer[],
  report: Report
): number | undefined {
  // It may stand in a service for its SubVSs, and come to one that answers by itself.
  if (servers.length === 0) return undefined;
  const minimum = rsMinimum?.value ?? 0;
  if (enhancedHealthChecks?.value !== true) {
    if (rsMinimum !== undefined && minimum > 0 && enhancedHealthChecks === undefined) {
      const message = 'it counts for nothing alone; add enhancedHealthChecks: true';
      report(rsMinimum.place, rsMinimum.path, message);
    }
    return undefined;
  }
  if (rsMinimum !== undefined && minimum > servers.length) {
    const message = `there are ${servers.length} real servers, so it would never be up`;
    report(rsMinimum.place, rsMinimum.path, `${message}; use ${servers.length} at most`);
  }
  return Math.max(1, minimum);
}

/** By the port that is checked, as on a LoadMaster; servers on several ports have no usual one. */
function usualCheck(port: number, servers: readonly RealServer[], defaultPort: number): CheckName {
  const ports = new Set(port === 0 ? servers.map((server) => server.port) : [port]);
  if (ports.size > 1) return 'tcp';
  const [only = defaultPort] = ports;
  return usualChecks.get(only) ?? 'tcp';
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
