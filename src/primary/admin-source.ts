// What the management listener tells, out of the parts of the primary.

import process from 'node:process';
import type { AdminSource } from './admin.ts';
import { reportMetrics } from './metrics.ts';
import type { Primary } from './parts.ts';
import { countGate, reportGate, reportSessions } from './sessions.ts';
import { reportStatus } from './status-report.ts';
import { isUsable } from './status.ts';
import { readVersion } from './version.ts';

/** `primary` is asked at each answer: its source is a part of it. */
export function adminSourceOf(primary: () => Primary): AdminSource {
  const version = readVersion();
  const startedAtMs = Date.now();
  return {
    notReady: () => whyNotReady(primary()),
    status: () => {
      const { phase, revision, configuration, monitor, logons, workers } = primary();
      return reportStatus({
        version,
        phase,
        revision,
        nowMs: Date.now(),
        configuration,
        record: (id) => monitor.record(id),
        clients: workers.counts.clients(),
        ...workers.counts.totals(),
        countsOf: (id) => workers.counts.countsOf(id),
        active: (id) => workers.active(id),
        persistence: workers.persistence.status(performance.now()),
        gate: reportGate(logons, configuration, Date.now()),
        whyNoLogon: (domain) => logons.whyDown(domain),
        workers: workers.list()
      });
    },
    metrics: () => {
      const { revision, reloads, configuration, monitor, logons, workers } = primary();
      return reportMetrics({
        version,
        startedAtMs,
        isReady: whyNotReady(primary()) === undefined,
        revision,
        reloads,
        configuration,
        record: (id) => monitor.record(id),
        counts: workers.counts,
        active: (id) => workers.active(id),
        persistenceEntries: (fullName) =>
          workers.persistence.entriesOf(fullName, performance.now()),
        gate: countGate(logons, configuration, Date.now()),
        whyNoLogon: (domain) => logons.whyDown(domain),
        workers: workers.list(),
        workerDeaths: workers.deaths,
        residentBytes: process.memoryUsage.rss()
      });
    },
    sessions: () => reportSessions(primary().logons, Date.now()),
    killSessions(user) {
      const { log, logons } = primary();
      const ended = logons.endUser(user).length;
      log.warn({ user, ended }, 'sessions killed');
      return ended;
    },
    unlock(user) {
      const { log, logons } = primary();
      const unlocked = logons.unblock(user);
      log.warn({ user, unlocked }, 'user unlocked');
      return unlocked;
    }
  };
}

function whyNotReady({ phase, configuration, monitor, logons }: Primary): string | undefined {
  if (phase !== 'ready') return phase;
  const usable = isUsable(configuration, {
    healthOf: (id) => monitor.health(id),
    whyNoLogon: (domain) => logons.whyDown(domain)
  });
  return usable ? undefined : 'no usable service';
}
