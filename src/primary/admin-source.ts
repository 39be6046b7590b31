// What the management listener tells, out of the parts of the primary.

import process from 'node:process';
import type { AdminSource } from './admin.ts';
import { reportMetrics } from './metrics.ts';
import type { Primary } from './parts.ts';
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
      const { phase, revision, configuration, monitor, workers } = primary();
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
        workers: workers.list()
      });
    },
    metrics: () => {
      const { revision, reloads, configuration, monitor, workers } = primary();
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
        workers: workers.list(),
        workerDeaths: workers.deaths,
        residentBytes: process.memoryUsage.rss()
      });
    }
  };
}

function whyNotReady({ phase, configuration, monitor }: Primary): string | undefined {
  if (phase !== 'ready') return phase;
  return isUsable(configuration, (id) => monitor.health(id)) ? undefined : 'no usable service';
}
