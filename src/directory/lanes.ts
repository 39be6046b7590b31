// So many at a time, the others wait in a row and not for ever.

interface Waiting {
  readonly enter: () => void;
}

export class Lanes {
  #free: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<Waiting>();

  constructor(lanes: number, waitingMax: number) {
    this.#free = lanes;
    this.#waitingMax = waitingMax;
  }

  /** True when it may begin, and then it must `leave`; false when its time or the room was over. */
  enter(timeoutMs: number): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    if (this.#waiting.size >= this.#waitingMax) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting: Waiting = {
        enter: () => {
          clearTimeout(timer);
          resolve(true);
        }
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiting);
        resolve(false);
      }, timeoutMs);
      this.#waiting.add(waiting);
    });
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next.enter();
  }
}
