// Who holds how many connections to which server, and what the workers counted. The sums of dead
// workers' counters are kept; their open connections are not, for those died with them.

import type { ServerCounters, WorkerCounters } from '../messages.ts';

type Loads = readonly (readonly [id: string, active: number])[];

export class WorkerLoads {
  readonly #active = new Map<number, Map<string, number>>();
  /** Workers that have not heard yet of a change elsewhere. */
  readonly #stale = new Set<number>();

  join(worker: number): void {
    this.#active.set(worker, new Map());
    if (this.#active.size > 1) this.#stale.add(worker);
  }

  leave(worker: number): void {
    this.#active.delete(worker);
    this.#stale.delete(worker);
    this.#markStale(worker);
  }

  /** Entries replace those of the same id; ids that are not named stay as they were. */
  report(worker: number, loads: Loads): void {
    const own = this.#active.get(worker);
    if (own === undefined || loads.length === 0) return;
    for (const [id, active] of loads) own.set(id, active);
    this.#markStale(worker);
  }

  /** What each worker must be told now: every id ever named, zeros too. */
  takeStale(): (readonly [worker: number, elsewhere: Loads])[] {
    const due = [...this.#stale].map((worker) => [worker, this.#elsewhere(worker)] as const);
    this.#stale.clear();
    return due;
  }

  /** Forgets servers that left the configuration. */
  keepOnly(ids: ReadonlySet<string>): void {
    for (const loads of this.#active.values()) {
      for (const id of loads.keys()) if (!ids.has(id)) loads.delete(id);
    }
  }

  #markStale(exceptFor: number): void {
    for (const worker of this.#active.keys()) if (worker !== exceptFor) this.#stale.add(worker);
  }

  #elsewhere(worker: number): Loads {
    const sums = new Map<string, number>();
    for (const [other, loads] of this.#active) {
      const counts = other !== worker;
      for (const [id, active] of loads) sums.set(id, (sums.get(id) ?? 0) + (counts ? active : 0));
    }
    return [...sums];
  }
}

const nothing: WorkerCounters = { clients: 0, requests: 0, errors: {}, servers: [] };

export class WorkerCounts {
  readonly #latest = new Map<number, WorkerCounters>();
  #ended = nothing;

  report(worker: number, counters: WorkerCounters): void {
    this.#latest.set(worker, counters);
  }

  leave(worker: number): void {
    const last = this.#latest.get(worker);
    this.#latest.delete(worker);
    if (last !== undefined) this.#ended = withoutOpen(sum([this.#ended, last]));
  }

  total(): WorkerCounters {
    return sum([this.#ended, ...this.#latest.values()]);
  }
}

function withoutOpen(counters: WorkerCounters): WorkerCounters {
  const servers = counters.servers.map((server) => ({ ...server, active: 0 }));
  return { ...counters, clients: 0, servers };
}

function sum(all: readonly WorkerCounters[]): WorkerCounters {
  const errors: Record<string, number> = {};
  const servers = new Map<string, ServerCounters>();
  let clients = 0;
  let requests = 0;
  for (const counters of all) {
    clients += counters.clients;
    requests += counters.requests;
    for (const [code, count] of Object.entries(counters.errors)) {
      errors[code] = (errors[code] ?? 0) + count;
    }
    for (const server of counters.servers) {
      servers.set(server.id, add(servers.get(server.id), server));
    }
  }
  return { clients, requests, errors, servers: [...servers.values()] };
}

function add(a: ServerCounters | undefined, b: ServerCounters): ServerCounters {
  if (a === undefined) return b;
  return {
    id: a.id,
    active: a.active + b.active,
    connections: a.connections + b.connections,
    requests: a.requests + b.requests,
    bytesToServer: a.bytesToServer + b.bytesToServer,
    bytesFromServer: a.bytesFromServer + b.bytesFromServer
  };
}
