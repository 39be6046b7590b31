// The sums of what all workers counted. They report additions, so what a worker has told stays when
// it dies; its open connections, memory and delays do not, for those died with it.

import { add, serverPlaces, serverRow, servicePlaces, serviceRow, type Row } from '../counters.ts';
import { answersIn, errorsIn } from '../counters.ts';
import type { RowChange, WorkerReport } from '../messages.ts';

export interface ServerCounts {
  readonly connections: number;
  readonly requests: number;
  readonly sessions: number;
  readonly bytesToServer: number;
  readonly bytesFromServer: number;
}

/** How a worker is now. */
export type WorkerState = Pick<
  WorkerReport,
  'clients' | 'clientsOf' | 'residentBytes' | 'loopDelay'
>;

export class WorkerCounts {
  readonly #services = new Map<string, Row>();
  readonly #servers = new Map<string, Row>();
  /** What left the configuration: totals over everything must not go back. */
  readonly #goneService = serviceRow();
  readonly #goneServer = serverRow();
  /** Of living workers. */
  readonly #states = new Map<number, WorkerState | undefined>();

  join(worker: number): void {
    this.#states.set(worker, undefined);
  }

  leave(worker: number): void {
    this.#states.delete(worker);
  }

  /** The last report of a worker may come after its end was noticed. */
  report(worker: number, report: WorkerReport): void {
    apply(this.#services, report.services, serviceRow);
    apply(this.#servers, report.servers, serverRow);
    if (this.#states.has(worker)) this.#states.set(worker, report);
  }

  /** Forgets what left the configuration. */
  keepOnly(services: ReadonlySet<string>, servers: ReadonlySet<string>): void {
    retire(this.#services, services, this.#goneService);
    retire(this.#servers, servers, this.#goneServer);
  }

  /** Undefined while nothing was counted. */
  service(fullName: string): Row | undefined {
    return this.#services.get(fullName);
  }

  /** Undefined while nothing was counted. */
  server(id: string): Row | undefined {
    return this.#servers.get(id);
  }

  countsOf(id: string): ServerCounts {
    const row = this.#servers.get(id) ?? serverRow();
    return {
      connections: row[serverPlaces.connections] ?? 0,
      requests: sum(answersIn(row, serverPlaces.answers)),
      sessions: row[serverPlaces.sessions] ?? 0,
      bytesToServer: row[serverPlaces.bytesToServer] ?? 0,
      bytesFromServer: row[serverPlaces.bytesFromServer] ?? 0
    };
  }

  /** Undefined while it has not reported. */
  state(worker: number): WorkerState | undefined {
    return this.#states.get(worker);
  }

  clientsOf(fullName: string): number {
    let sum = 0;
    for (const state of this.#states.values()) {
      for (const [name, open] of state?.clientsOf ?? []) if (name === fullName) sum += open;
    }
    return sum;
  }

  clients(): number {
    let sum = 0;
    for (const state of this.#states.values()) sum += state?.clients ?? 0;
    return sum;
  }

  /** All requests and sessions ever, and own answers and early ends by reason. */
  totals(): { requests: number; sessions: number; errors: Record<string, number> } {
    const service = sumOf([this.#goneService, ...this.#services.values()], serviceRow);
    const server = sumOf([this.#goneServer, ...this.#servers.values()], serverRow);
    const errors: Record<string, number> = {};
    for (const [code, count] of errorsIn(service)) if (count > 0) errors[code] = count;
    const handshakes = service[servicePlaces.tlsFailures] ?? 0;
    if (handshakes > 0) errors['tls-handshake'] = handshakes;
    const answers = [
      ...answersIn(service, servicePlaces.answers),
      ...answersIn(server, serverPlaces.answers)
    ];
    const sessions = server[serverPlaces.sessions] ?? 0;
    return { requests: sum(answers), sessions, errors };
  }
}

function apply(rows: Map<string, Row>, changes: readonly RowChange[], empty: () => Row): void {
  for (const [key, added] of changes) {
    const row = rows.get(key) ?? empty();
    rows.set(key, row);
    for (let n = 0; n < added.length; n += 2) add(row, added[n] ?? 0, added[n + 1] ?? 0);
  }
}

function retire(rows: Map<string, Row>, kept: ReadonlySet<string>, gone: Row): void {
  for (const [key, row] of rows) {
    if (kept.has(key)) continue;
    addRow(gone, row);
    rows.delete(key);
  }
}

function sumOf(rows: readonly Row[], empty: () => Row): Row {
  const sum = empty();
  for (const row of rows) addRow(sum, row);
  return sum;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function addRow(to: Row, row: Row): void {
  for (const [place, value] of row.entries()) add(to, place, value);
}
