// A real server as one SubVS sees it: its settings, its health, and the connections it carries.
// It lives over reloads as long as its id stays, so counters and health are never lost.

import type { Health, RealServer as RealServerSettings } from '../config/model.ts';
import type { Candidate } from '../scheduler/scheduler.ts';

/** What a real server must be able to do with a connection to it. */
export interface OpenConnection {
  destroy(): void;
}

export class RealServer implements Candidate {
  settings: RealServerSettings;
  health: Health = { state: 'unknown' };
  /** A dial failed and the primary has not yet said what its check found. */
  suspected = false;
  /** Connections that the other workers hold; the primary says so. */
  activeElsewhere = 0;
  connections = 0;
  requests = 0;
  bytesToServer = 0;
  bytesFromServer = 0;
  readonly #open = new Set<OpenConnection>();

  constructor(settings: RealServerSettings) {
    this.settings = settings;
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

  /** Takes a place for `attempt`, a dial, until `release`: it is no connection yet. */
  reserve(attempt: OpenConnection): void {
    this.#open.add(attempt);
  }

  /** Counts `connection` as one of this server's until `release`. */
  hold(connection: OpenConnection): void {
    if (this.#open.has(connection)) return;
    this.#open.add(connection);
    this.connections++;
  }

  /**
   * Whether `connection` may go on here although no new one may come: it counts already where the
   * limit is reached, and on a server that is merely disabled it stays while it is `signedIn`.
   */
  allows(connection: OpenConnection, signedIn: boolean): boolean {
    return (this.settings.enable || signedIn) && this.isUp && this.#open.has(connection);
  }

  release(connection: OpenConnection): void {
    this.#open.delete(connection);
  }

  /** Cuts every connection (`dropOnFail`). */
  cutConnections(): void {
    for (const connection of this.#open) connection.destroy();
  }
}
