// The real servers of a plan: those of the plan before by id, so that health, counters and
// connections last, and new ones. One that was removed stays, as if disabled, while it drains.

import type * as model from '../config/model.ts';
import { RealServer } from './real-server.ts';

export interface ServersInput {
  readonly health: readonly (readonly [id: string, health: model.Health])[];
  /** Real servers of the plan before. */
  readonly known: ReadonlyMap<string, RealServer>;
  /** Real servers that a reload took in or out of service, and when (milliseconds since 1970). */
  readonly switched: readonly (readonly [id: string, atMs: number])[];
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

export class PlanServers {
  readonly all = new Map<string, RealServer>();
  readonly #known: ReadonlyMap<string, RealServer>;
  readonly #knownByService: ReadonlyMap<string, readonly RealServer[]>;
  readonly #health: ReadonlyMap<string, model.Health>;
  readonly #switched: ReadonlyMap<string, number>;
  readonly #drainTimeMs: number;
  readonly #nowMs: number;

  constructor({ known, health, switched, clock }: ServersInput, drainTimeMs: number) {
    this.#known = known;
    this.#knownByService = Map.groupBy(known.values(), ({ id }) =>
      id.slice(0, id.lastIndexOf('/'))
    );
    this.#health = new Map(health);
    this.#switched = new Map(switched);
    this.#drainTimeMs = drainTimeMs;
    this.#nowMs = clock();
  }

  take(settings: model.RealServer): RealServer {
    const server = this.#known.get(settings.id) ?? new RealServer(settings);
    this.#configure(server, settings);
    this.all.set(settings.id, server);
    return server;
  }

  /** Those removed from a service that still drain, once its present ones are taken. */
  takeLeaving(fullName: string): RealServer[] {
    return this.#leaving(this.#knownByService.get(fullName) ?? []);
  }

  /** Those of services that are gone as well. */
  takeAllLeaving(): void {
    this.#leaving([...this.#known.values()]);
  }

  #leaving(before: readonly RealServer[]): RealServer[] {
    const removed = before.filter(({ id }) => !this.all.has(id));
    for (const server of removed) this.#configure(server, { ...server.settings, enable: false });
    const draining = removed.filter((server) => !server.drained);
    for (const server of draining) this.all.set(server.id, server);
    return draining;
  }

  #configure(server: RealServer, settings: model.RealServer): void {
    const switchedMs = this.#switched.get(settings.id) ?? 0;
    const drainTimeMs = this.#drainTimeMs;
    server.configure(settings, { switchedMs, drainTimeMs, nowMs: this.#nowMs });
    server.health = this.#health.get(settings.id) ?? server.health;
  }
}
