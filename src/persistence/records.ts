// Records with an end, as many as fit: where there is no room the hundredth part that was used least
// recently goes. Whoever calls brings the clock.

interface Entry<V> {
  readonly value: V;
  readonly expiresAtMs: number;
}

export class Records<V> {
  readonly most: number;
  /** The least recently used first: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, Entry<V>>();
  readonly #counts = new Map<V, number>();

  constructor(most: number) {
    this.most = most;
  }

  /** Those that are past their end count until somebody looks. */
  get size(): number {
    return this.#entries.size;
  }

  /** How many of them have this value. */
  countOf(value: V): number {
    return this.#counts.get(value) ?? 0;
  }

  find(key: string, nowMs: number): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAtMs > nowMs) return entry.value;
    this.#drop(key, entry);
    return undefined;
  }

  /** Writes the record or writes it anew; either way it is now the most recently used. */
  set(key: string, value: V, expiresAtMs: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#drop(key, before);
    else if (this.#entries.size >= this.most) this.#dropOldest();
    this.#entries.set(key, { value, expiresAtMs });
    this.#counts.set(value, this.countOf(value) + 1);
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#drop(key, entry);
  }

  deleteAllOf(value: V): void {
    for (const [key, entry] of this.#entries) if (entry.value === value) this.#drop(key, entry);
  }

  clear(): void {
    this.#entries.clear();
    this.#counts.clear();
  }

  /** Drops what is past its end. */
  sweep(nowMs: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.expiresAtMs <= nowMs) this.#drop(key, entry);
    }
  }

  #dropOldest(): void {
    // Many at once: a Map walks over the holes of what was deleted at its beginning, each time.
    let left = Math.ceil(this.most / 100);
    for (const [key, entry] of this.#entries) {
      if (left-- === 0) return;
      this.#drop(key, entry);
    }
  }

  #drop(key: string, { value }: Entry<V>): void {
    this.#entries.delete(key);
    const count = this.countOf(value) - 1;
    if (count > 0) this.#counts.set(value, count);
    else this.#counts.delete(value);
  }
}
