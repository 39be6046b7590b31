// Which client belongs to which real server, for all workers: a worker that does not know a client
// asks here, and the first answer is everybody's. So a record outlives workers and reloads.

import type { Configuration, Health } from '../config/model.ts';
import type { BindAsk, Use } from '../messages.ts';
import { Records } from '../persistence/records.ts';
import { persistences } from '../persistence/registry.ts';
import { listServices } from './service-list.ts';

/** Some 200 bytes each. When they are all in use the longest unused makes room. */
const recordsMax = 250_000;
const sweepIntervalMs = 60_000;

/** A real server that records point to. */
interface Target {
  readonly id: string;
  /** Infinity while it is enabled; then to the end of its drain time. */
  usableUntilMs: number;
}

export class PersistenceTable {
  readonly #records: Records<Target>;
  #targets = new Map<string, Target>();
  /** By full name of a service that has a table. */
  #targetsOf = new Map<string, readonly Target[]>();
  #down = new Set<string>();
  #late = 0;
  #sweepAtMs = 0;

  constructor(most = recordsMax) {
    this.#records = new Records(most);
  }

  /** Whoever is disabled or gone keeps those he has for the drain time. */
  reconcile(
    configuration: Configuration,
    health: readonly (readonly [id: string, health: Health])[],
    nowMs: number
  ): void {
    const before = this.#targets;
    const drainEndsMs = nowMs + configuration.global.drainTimeMs;
    this.#down = new Set(health.filter(([, { state }]) => state === 'down').map(([id]) => id));
    this.#targets = new Map();
    this.#targetsOf = new Map();
    for (const { fullName, service } of listServices(configuration)) {
      const targets = service.realServers.map(({ id, enable }) => {
        const target = before.get(id) ?? { id, usableUntilMs: 0 };
        if (enable) target.usableUntilMs = Infinity;
        else target.usableUntilMs = Math.min(target.usableUntilMs, drainEndsMs);
        this.#targets.set(id, target);
        return target;
      });
      const mode = service.persistence?.mode;
      if (mode !== undefined && persistences[mode].keyOf !== undefined) {
        this.#targetsOf.set(fullName, targets);
      }
    }
    for (const [id, target] of before) {
      if (this.#targets.has(id)) continue;
      target.usableUntilMs = Math.min(target.usableUntilMs, drainEndsMs);
      if (target.usableUntilMs > nowMs) this.#targets.set(id, target);
    }
  }

  noteHealth(id: string, { state }: Health): void {
    if (state === 'down') this.#down.add(id);
    else this.#down.delete(id);
  }

  /** The server of this client from now on: that of its record, else the one that was proposed. */
  bind({ key, id, timeoutMs, failed }: Omit<BindAsk, 'n'>, nowMs: number): string {
    this.#sweep(nowMs);
    const bound = this.#records.find(key, nowMs);
    if (bound !== undefined && this.#isUsable(bound, nowMs) && !failed.includes(bound.id)) {
      this.#records.set(key, bound, nowMs + timeoutMs);
      return bound.id;
    }
    const proposed = this.#targets.get(id);
    if (proposed !== undefined) this.#records.set(key, proposed, nowMs + timeoutMs);
    return id;
  }

  /** The server gave out the key itself, so it is his whatever the record said. */
  learn([key, id, timeoutMs]: Use, nowMs: number): void {
    const target = this.#targets.get(id);
    if (target !== undefined) this.#records.set(key, target, nowMs + timeoutMs);
  }

  /** Notes that they are in use; returns the keys that are another server's by now. */
  use(uses: readonly Use[], late: number, nowMs: number): string[] {
    this.#late += late;
    return uses
      .filter(([key, id, timeoutMs]) => this.bind({ key, id, timeoutMs, failed: [] }, nowMs) !== id)
      .map(([key]) => key);
  }

  /** Records of a virtual service or SubVS; undefined where it has no table. */
  entriesOf(fullName: string, nowMs: number): number | undefined {
    this.#sweep(nowMs);
    return this.#targetsOf
      .get(fullName)
      ?.reduce((sum, target) => sum + this.#records.countOf(target), 0);
  }

  status(nowMs: number): object {
    this.#sweep(nowMs);
    const { size, most } = this.#records;
    return { records: size, recordsMax: most, lateAnswers: this.#late };
  }

  #isUsable({ id, usableUntilMs }: Target, nowMs: number): boolean {
    return usableUntilMs > nowMs && !this.#down.has(id);
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = nowMs + sweepIntervalMs;
    this.#records.sweep(nowMs);
  }
}
