// Which worker has how many connections of which client, in services with a limit of them, and who
// must be told. There are many clients and few change, so workers hear of changes only. What a dead
// worker had died with it.

import type { OpenCount } from '../messages.ts';

export class ClientCounts {
  /** By worker and key; none is 0. */
  readonly #open = new Map<number, Map<string, number>>();
  /** Keys that a worker has not heard of since they changed elsewhere. */
  readonly #stale = new Map<number, Set<string>>();

  join(worker: number): void {
    const others = [...this.#open.values()].flatMap((open) => [...open.keys()]);
    this.#open.set(worker, new Map());
    this.#stale.set(worker, new Set(others));
  }

  leave(worker: number): void {
    const open = this.#open.get(worker);
    this.#open.delete(worker);
    this.#stale.delete(worker);
    for (const key of open?.keys() ?? []) this.#markStale(worker, key);
  }

  /** Entries replace those of the same key; keys that are not named stay as they were. */
  report(worker: number, counts: readonly OpenCount[]): void {
    const own = this.#open.get(worker);
    if (own === undefined) return;
    for (const [key, open] of counts) {
      if (open === 0) own.delete(key);
      else own.set(key, open);
      this.#markStale(worker, key);
    }
  }

  /** What each worker must be told now. */
  takeStale(): (readonly [worker: number, elsewhere: readonly OpenCount[]])[] {
    const due: (readonly [number, readonly OpenCount[]])[] = [];
    for (const [worker, keys] of this.#stale) {
      if (keys.size === 0) continue;
      due.push([worker, Array.from(keys, (key) => [key, this.#elsewhere(worker, key)] as const)]);
      keys.clear();
    }
    return due;
  }

  #markStale(exceptFor: number, key: string): void {
    for (const [worker, keys] of this.#stale) if (worker !== exceptFor) keys.add(key);
  }

  #elsewhere(worker: number, key: string): number {
    let sum = 0;
    for (const [other, open] of this.#open) if (other !== worker) sum += open.get(key) ?? 0;
    return sum;
  }
}
