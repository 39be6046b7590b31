// One server of a directory, and what is remembered of it.

import { performance } from 'node:perf_hooks';
import type { ServerAddress } from './settings.ts';

export class DirectoryServer {
  readonly address: ServerAddress;
  /** `host:port`. */
  readonly name: string;
  /** Where it keeps its accounts, once it was asked. */
  base: string | undefined;
  #punishedUntilMs = 0;

  constructor(address: ServerAddress) {
    const { host, port } = address;
    this.address = address;
    this.name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  isPunished(): boolean {
    return performance.now() < this.#punishedUntilMs;
  }

  punish(penaltyMs: number): void {
    this.#punishedUntilMs = performance.now() + penaltyMs;
  }

  pardon(): void {
    this.#punishedUntilMs = 0;
  }
}
