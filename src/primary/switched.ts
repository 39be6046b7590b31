// When reloads took real servers in or out of service. All workers are told, also those that start
// later, so that they agree on the time to drain and on the slow start. Pure.

import type { Configuration } from '../config/model.ts';
import { listServices } from './service-list.ts';

/** Milliseconds since 1970 by real server id. */
export type Switched = ReadonlyMap<string, number>;

export function switchedBy(
  before: Configuration,
  after: Configuration,
  earlier: Switched,
  nowMs: number
): Map<string, number> {
  const { drainTimeMs, slowStartMs } = after.global;
  const oldestMs = nowMs - Math.max(drainTimeMs, slowStartMs);
  const switched = new Map([...earlier].filter(([, atMs]) => atMs >= oldestMs));
  const was = inService(before);
  const is = inService(after);
  for (const id of was) if (!is.has(id)) switched.set(id, nowMs);
  for (const id of is) if (!was.has(id)) switched.set(id, nowMs);
  return switched;
}

/** A disabled service uses none of its servers. */
function inService(configuration: Configuration): Set<string> {
  const services = listServices(configuration).filter(
    ({ virtualService, service }) => virtualService.enable && service.enable
  );
  return new Set(
    services.flatMap(({ servers }) => servers.flatMap(({ id, enable }) => (enable ? [id] : [])))
  );
}
