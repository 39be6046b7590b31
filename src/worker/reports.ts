// What a worker tells the primary about its load and its counters, and when it is worth a message:
// one costs 20 us at both ends together, so changes are gathered and only they are sent.

import type { Row } from '../counters.ts';
import type { RowChange, WorkerReport } from '../messages.ts';
import type { Plan } from '../service/build.ts';
import type { RealServer } from '../service/real-server.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import type { Traffic } from '../traffic/traffic.ts';
import { LoopDelay } from './loop-delay.ts';

interface Rows {
  readonly services: readonly (readonly [name: string, row: Row])[];
  readonly servers: readonly (readonly [id: string, row: Row])[];
}

const noRows: Rows = { services: [], servers: [] };

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

/** What was counted since the last report. */
export class CountersReport {
  readonly #traffic: Traffic;
  readonly #loopDelay = new LoopDelay();
  readonly #told = new WeakMap<Row, Row>();
  #services: readonly (readonly [name: string, ServiceCounters])[] = [];
  #rows: Rows = noRows;
  /** Of the plan before: what began on it counts there. */
  #rowsBefore: Rows = noRows;

  constructor(traffic: Traffic) {
    this.#traffic = traffic;
  }

  takePlan(plan: Plan): void {
    this.#services = [...plan.counters];
    this.#rowsBefore = this.#rows;
    this.#rows = {
      services: this.#services.map(([name, { row }]) => [name, row]),
      servers: Array.from(plan.realServers, ([id, { row }]) => [id, row])
    };
  }

  take(): WorkerReport {
    const { services, servers } = this.#rowsBefore;
    const nobodys = ['', this.#traffic.counters.row] as const;
    return {
      services: this.#changes([...this.#rows.services, ...services, nobodys]),
      servers: this.#changes([...this.#rows.servers, ...servers]),
      clients: this.#traffic.sessions.size,
      clientsOf: this.#services.flatMap(([name, { clientsOpen }]) =>
        clientsOpen === 0 ? [] : [[name, clientsOpen]]
      ),
      residentBytes: process.memoryUsage.rss(),
      loopDelay: this.#loopDelay.read()
    };
  }

  #changes(rows: Iterable<readonly [key: string, row: Row]>): RowChange[] {
    const changes: RowChange[] = [];
    for (const [key, row] of rows) {
      const told = this.#told.get(row) ?? new Float64Array(row.length);
      const added: number[] = [];
      for (const [place, value] of row.entries()) {
        const before = told[place] ?? 0;
        if (value !== before) added.push(place, value - before);
      }
      if (added.length === 0) continue;
      changes.push([key, added]);
      this.#told.set(row, row.slice());
    }
    return changes;
  }
}
