// What becomes of the connections to servers that a plan disabled or removed. Who does not need his
// goes at once, who is signed in over his stays for the drain time; then each ends with its present
// answer, and what is left a moment later is cut.

import type { RealServer } from '../service/real-server.ts';

/** For an answer that is just under way when the drain time ends. */
const graceMs = 1000;

export class Drains {
  readonly #timers = new Map<RealServer, NodeJS.Timeout>();

  /** `servers` are those of the plan before and of the new one, which are configured for it. */
  apply(servers: Iterable<RealServer>): void {
    for (const server of servers) {
      clearTimeout(this.#timers.get(server));
      this.#timers.delete(server);
      if (server.settings.enable) continue;
      if (server.drained) {
        server.cutConnections();
        continue;
      }
      server.dismiss();
      this.#wait(server, server.drainEndsMs - Date.now(), () => this.#end(server));
    }
  }

  #end(server: RealServer): void {
    server.drained = true;
    server.dismiss();
    this.#wait(server, graceMs, () => server.cutConnections());
  }

  #wait(server: RealServer, delayMs: number, then: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(server);
      then();
    }, delayMs);
    this.#timers.set(server, timer);
  }
}
