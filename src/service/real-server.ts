// A real server as one SubVS sees it: its settings, its health, and the connections it carries.
// It lives over reloads as long as its id stays, so counters and health are never lost.

import type { Health, RealServer as RealServerSettings } from '../config/model.ts';
import { add, serverPlaces, serverRow, type Row } from '../counters.ts';
import { formatEndpoint } from '../net/address.ts';
import { Roster } from '../net/roster.ts';
import { hashOf } from '../scheduler/hash.ts';
import type { Candidate } from '../scheduler/scheduler.ts';

/** What a real server must be able to do with a connection to it. */
export interface OpenConnection {
  /** NTLM or Negotiate went over it: the server knows it as a user. */
  readonly signedIn: boolean;
  /** Ends it as soon as no exchange uses it. */
  leave(): void;
  destroy(): void;
}

/** All but the drain time are milliseconds since 1970, in which all workers agree. */
export interface PlanTimes {
  /** When a reload enabled, added, disabled or removed it; 0 = it was always so. */
  readonly switchedMs: number;
  readonly drainTimeMs: number;
  readonly nowMs: number;
}

export class RealServer implements Candidate {
  settings: RealServerSettings;
  health: Health = { state: 'unknown' };
  /** A dial failed and the primary has not yet said what its check found. */
  suspected = false;
  /** When a reload enabled or added it; 0 = it was there from the start. */
  enabledAtMs = 0;
  /** When its time to drain ends; matters only while it is disabled or removed. */
  drainEndsMs = 0;
  /** That time is over. */
  drained = false;
  /** Connections that the other workers hold; the primary says so. */
  activeElsewhere = 0;
  readonly hash: number;
  /** What this worker has counted. */
  readonly row: Row = serverRow();
  readonly #open = new Roster<OpenConnection>();

  constructor(settings: RealServerSettings) {
    this.settings = settings;
    // The id stands for them: they never change.
    this.hash = hashOf(formatEndpoint(settings.address, settings.port));
  }

  /** Takes what a new plan says of it. */
  configure(settings: RealServerSettings, times: PlanTimes): void {
    const { switchedMs, drainTimeMs, nowMs } = times;
    this.settings = settings;
    this.suspected = false;
    this.enabledAtMs = settings.enable ? switchedMs : 0;
    this.drainEndsMs = switchedMs + drainTimeMs;
    this.drained = !settings.enable && this.drainEndsMs <= nowMs;
  }

  get id(): string {
    return this.settings.id;
  }

  get weight(): number {
    return this.settings.weight;
  }

  /** Open connections of this worker. */
  get activeHere(): number {
    return this.#open.size;
  }

  /** Open connections of all workers, up to 50 ms old for the others' part. */
  get active(): number {
    return this.#open.size + this.activeElsewhere;
  }

  /** What was not checked yet counts as up: a failed dial goes to another server anyway. */
  get isUp(): boolean {
    return this.health.state !== 'down';
  }

  /** Whether a new connection may go to it. */
  get isAvailable(): boolean {
    const { enable, limit } = this.settings;
    return enable && this.isUp && (limit === 0 || this.active < limit);
  }

  /** Whether a client with a persistence record for it may come: also to one that drains. */
  get acceptsPersistent(): boolean {
    return this.isAvailable || (this.isUp && this.#isDraining);
  }

  get upSinceMs(): number {
    const { health, enabledAtMs } = this;
    return health.state === 'up' ? Math.max(enabledAtMs, health.sinceMs ?? 0) : enabledAtMs;
  }

  /** Takes a place for `attempt`, a dial, until `release`: it is no connection yet. */
  reserve(attempt: OpenConnection): void {
    this.#open.add(attempt);
  }

  /** Counts `connection` as one of this server's until `release`. */
  hold(connection: OpenConnection): void {
    if (this.#open.has(connection)) return;
    this.#open.add(connection);
    add(this.row, serverPlaces.connections, 1);
  }

  /**
   * Whether `connection` may go on here although no new one may come: it counts already where the
   * limit is reached, and on a server that drains it stays while it is signed in.
   */
  allows(connection: OpenConnection): boolean {
    const stays = this.settings.enable || (connection.signedIn && this.#isDraining);
    return stays && this.isUp && this.#open.has(connection);
  }

  release(connection: OpenConnection): void {
    this.#open.delete(connection);
  }

  /** Lets those go that need not stay: who is signed in keeps his connection while it drains. */
  dismiss(): void {
    for (const connection of this.#open) {
      if (this.drained || !connection.signedIn) connection.leave();
    }
  }

  /** Cuts every connection (`dropOnFail`). */
  cutConnections(): void {
    for (const connection of this.#open) connection.destroy();
  }

  get #isDraining(): boolean {
    return !this.settings.enable && !this.drained;
  }
}
