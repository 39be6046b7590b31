// Checks every real server of the configuration, each SubVS on its own: the same machine may be up
// for OWA and down for ActiveSync. Disabled servers are checked too, so that enabling one by a
// reload needs no first check; what is enabled is the workers' business.

import type { Configuration, Health, Service } from '../config/model.ts';
import type { Logger } from '../log.ts';
import { whyDown } from './status.ts';
import { ServerWatch, type HealthRecord, type WatchedServer } from './server-watch.ts';

/** First checks are spread over this time: a wait that nobody notices, and no herd. */
const startSpreadMs = 1000;

export interface MonitorOptions {
  readonly log: Logger;
  /** Called at each change, and with the answer to each `checkNow`. */
  readonly onHealth: (id: string, health: Health) => void;
  /** Least time between two checks of one server. */
  readonly spacingMs?: number;
}

export class HealthMonitor {
  readonly #options: MonitorOptions;
  #watches = new Map<string, ServerWatch>();
  /** Services that need more than one server that is up, by full name. */
  #demanding = new Map<string, Service>();
  /** Which of them count as down, and why. */
  readonly #down = new Map<string, string>();

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  /** Starts, keeps and stops checks so that they are those of this configuration. */
  reconcile(configuration: Configuration): void {
    const before = this.#watches;
    const added: ServerWatch[] = [];
    this.#watches = new Map();
    for (const watched of watchedServers(configuration)) {
      const { id } = watched.server;
      const old = before.get(id);
      if (old !== undefined && sameCheck(old.watched, watched)) {
        this.#watches.set(id, old);
        before.delete(id);
        continue;
      }
      const watch = new ServerWatch(watched, this.#tell, this.#options.spacingMs ?? 1000, old);
      this.#watches.set(id, watch);
      added.push(watch);
    }
    for (const old of before.values()) old.stop();
    this.#demanding = new Map(
      services(configuration).filter(([, { rsMinimum }]) => rsMinimum !== undefined)
    );
    for (const name of this.#down.keys()) if (!this.#demanding.has(name)) this.#down.delete(name);
    startSpread(added);
  }

  /** For a worker whose dial failed. */
  checkNow(id: string): void {
    this.#watches.get(id)?.checkNow();
  }

  health(id: string): Health {
    return this.record(id)?.health ?? { state: 'unknown' };
  }

  record(id: string): HealthRecord | undefined {
    return this.#watches.get(id)?.record();
  }

  all(): (readonly [id: string, health: Health])[] {
    return [...this.#watches.keys()].map((id) => [id, this.health(id)] as const);
  }

  async allCheckedOnce(): Promise<void> {
    await Promise.all([...this.#watches.values()].map((watch) => watch.checkedOnce));
  }

  stop(): void {
    for (const watch of this.#watches.values()) watch.stop();
    this.#watches.clear();
  }

  readonly #tell = (watched: WatchedServer, health: Health, flipped: boolean): void => {
    const { server, service } = watched;
    if (flipped) {
      const facts = { realServer: server.name, service, state: health.state };
      if (health.state === 'down') {
        this.#options.log.warn({ ...facts, reason: health.reason }, 'real server down');
      } else {
        this.#options.log.info(facts, `real server ${health.state}`);
      }
      this.#judge(service);
    }
    this.#options.onHealth(server.id, health);
  };

  /** Tells when a service goes down or comes back by its servers' number (rsMinimum, critical). */
  #judge(name: string): void {
    const service = this.#demanding.get(name);
    // Until all were checked once nobody can say.
    if (service?.realServers.every(({ id }) => this.health(id).state !== 'unknown') !== true)
      return;
    const reason = whyDown(service, (id) => this.health(id));
    const wasDown = this.#down.has(name);
    if (reason !== undefined) this.#down.set(name, reason);
    else this.#down.delete(name);
    if (reason !== undefined && !wasDown) {
      this.#options.log.warn({ service: name, reason }, 'service down');
    } else if (reason === undefined && wasDown) {
      this.#options.log.info({ service: name }, 'service up');
    }
  }
}

/** All services and SubVSs by full name. */
function services({ virtualServices }: Configuration): [fullName: string, service: Service][] {
  return virtualServices.flatMap((virtualService) => [
    [virtualService.name, virtualService],
    ...virtualService.subVSs.map((subVS): [string, Service] => [
      `${virtualService.name}/${subVS.name}`,
      subVS
    ])
  ]);
}

function watchedServers(configuration: Configuration): WatchedServer[] {
  const headers = new Map(
    configuration.virtualServices.map(({ name, tcp }) => [name, tcp?.proxyProtocol])
  );
  return services(configuration).flatMap(([service, { realServers, check }]) => {
    const proxyProtocol = headers.get(service) ?? 'none';
    return realServers.map((server) => ({ service, server, check, proxyProtocol }));
  });
}

/** Weight, limit and enable do not matter to a check. */
function sameCheck(a: WatchedServer, b: WatchedServer): boolean {
  return checkKey(a) === checkKey(b);
}

function checkKey({ service, server, check, proxyProtocol }: WatchedServer): string {
  const { name, address, port } = server;
  return JSON.stringify([service, name, address, port, check, proxyProtocol]);
}

function startSpread(watches: readonly ServerWatch[]): void {
  watches.forEach((watch, index) => {
    const { intervalMs } = watch.watched.check;
    const share = index / watches.length;
    const firstMs = share * Math.min(startSpreadMs, intervalMs);
    // The second check comes early by a different part of the interval for each server: from
    // then on the checks are spread over the whole of it.
    watch.start(firstMs, firstMs + intervalMs * ((index + 1) / watches.length));
  });
}
