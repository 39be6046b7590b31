// What the primary consists of while it runs.

import type { Server } from 'node:http';
import type { Configuration } from '../config/model.ts';
import type { Logger } from '../log.ts';
import type { AdminSource } from './admin.ts';
import type { HealthMonitor } from './health-monitor.ts';
import type { Logons } from './logons.ts';
import type { OcspStapler } from './ocsp-stapler.ts';
import type { ReloadRecord } from './reload-record.ts';
import type { Workers } from './workers.ts';

export interface Primary {
  readonly file: string;
  readonly log: Logger;
  readonly monitor: HealthMonitor;
  readonly stapler: OcspStapler;
  readonly logons: Logons;
  readonly workers: Workers;
  readonly adminSource: AdminSource;
  configuration: Configuration;
  /** Counts the plans; the first is 1. */
  revision: number;
  reloads: ReloadRecord;
  phase: 'starting' | 'ready' | 'draining';
  admin: Server | undefined;
}
