// What a worker tells the primary about its load, and when it is worth a message: one costs 20 us
// at both ends together, so changes are gathered and sent a few times a second.

import type { WorkerCounters } from '../messages.ts';
import type { RealServer } from '../service/real-server.ts';
import type { Traffic } from '../traffic/traffic.ts';

/** Connections per real server since the last report. */
export class LoadReport {
  readonly #told = new Map<string, number>();

  /** The servers whose number of connections differs from what was told last. */
  changes(servers: Iterable<RealServer>): (readonly [id: string, active: number])[] {
    const changed: (readonly [string, number])[] = [];
    for (const { id, activeHere } of servers) {
      if ((this.#told.get(id) ?? 0) === activeHere) continue;
      this.#told.set(id, activeHere);
      changed.push([id, activeHere]);
    }
    return changed;
  }
}

export function countersOf(traffic: Traffic, servers: Iterable<RealServer>): WorkerCounters {
  return {
    clients: traffic.sessions.size,
    requests: traffic.requests,
    errors: { ...traffic.errors },
    servers: Array.from(servers, (server) => ({
      id: server.id,
      active: server.activeHere,
      connections: server.connections,
      requests: server.requests,
      bytesToServer: server.bytesToServer,
      bytesFromServer: server.bytesFromServer
    }))
  };
}
