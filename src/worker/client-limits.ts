// How many connections each client address has to a service with a limit of them, here and in the
// other workers. Kept only while there are any.

import type { OpenCount } from '../messages.ts';

interface Client {
  readonly key: string;
  here: number;
  /** Of the other workers, as far as the primary has told. */
  elsewhere: number;
  /** What the primary knows of `here`. */
  told: number;
}

export class ClientLimits {
  readonly #clients = new Map<string, Client>();
  /** Those whose number changed since the last report. */
  readonly #changed = new Set<Client>();

  /**
   * Takes a place for one more connection and gives the function that gives it back, to be called
   * once. Undefined: the client has as many as it may. `service` is a name, `limit` at least 1.
   */
  enter(service: string, address: string, limit: number): (() => void) | undefined {
    const client = this.#client(`${address} ${service}`);
    if (client.here + client.elsewhere >= limit) return undefined;
    client.here++;
    this.#changed.add(client);
    return () => {
      client.here--;
      this.#changed.add(client);
    };
  }

  /** What the primary does not know yet; each is told once. */
  changes(): OpenCount[] {
    const changes: OpenCount[] = [];
    for (const client of this.#changed) {
      const { key, here, told } = client;
      if (here !== told) changes.push([key, here]);
      client.told = here;
      this.#forgetIfGone(client);
    }
    this.#changed.clear();
    return changes;
  }

  /** What the other workers have, of those for whom that changed. */
  receive(elsewhere: readonly OpenCount[]): void {
    for (const [key, open] of elsewhere) {
      const client = this.#client(key);
      client.elsewhere = open;
      this.#forgetIfGone(client);
    }
  }

  /** Clients in the table. */
  get size(): number {
    return this.#clients.size;
  }

  #client(key: string): Client {
    const found = this.#clients.get(key);
    if (found !== undefined) return found;
    const client = { key, here: 0, elsewhere: 0, told: 0 };
    this.#clients.set(key, client);
    return client;
  }

  #forgetIfGone({ key, here, elsewhere, told }: Client): void {
    if (here === 0 && elsewhere === 0 && told === 0) this.#clients.delete(key);
  }
}
