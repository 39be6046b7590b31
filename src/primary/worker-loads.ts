// Which worker holds how many connections to which server, and who must be told. What a dead worker
// held died with it.

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

  /** Open connections to this server, of all workers. */
  active(id: string): number {
    let sum = 0;
    for (const loads of this.#active.values()) sum += loads.get(id) ?? 0;
    return sum;
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
