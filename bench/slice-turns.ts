// Contenders at the same work in turns of a moment, there and back, so that whatever drifts or
// disturbs meets all of them alike.

import { cpuNanoseconds } from './slice-clock.ts';
import type { Lane, Slice } from './slice-lane.ts';

export interface Contender {
  readonly name: string;
  /** Lanes to the same program share this very list. */
  readonly pids: readonly number[];
  readonly lane: Lane;
}

interface Idle {
  ns: number;
  ms: number;
}

const warmUps = 8;
const warmUpMs = 200;

export class Turns {
  readonly #contenders: readonly Contender[];
  readonly #sliceMs: number;
  readonly #slices: Slice[][];
  /** What each program used while others worked. */
  readonly #idle = new Map<readonly number[], Idle>();

  constructor(contenders: readonly Contender[], sliceMs: number) {
    this.#contenders = contenders;
    this.#sliceMs = sliceMs;
    this.#slices = contenders.map(() => []);
    for (const { pids } of contenders) this.#idle.set(pids, { ns: 0, ms: 0 });
  }

  async warmUp(): Promise<void> {
    for (let n = 0; n < warmUps; n++) {
      for (const { lane } of this.#contenders) await lane.work(warmUpMs);
    }
  }

  async round(): Promise<void> {
    const there: Slice[] = [];
    for (const contender of this.#contenders) there.push(await this.#work(contender));
    for (const [i, contender] of [...this.#contenders.entries()].toReversed()) {
      const back = await this.#work(contender);
      const first = there[i] ?? back;
      this.#slices[i]?.push({
        requests: first.requests + back.requests,
        cpuNs: first.cpuNs + back.cpuNs,
        ms: first.ms + back.ms
      });
    }
  }

  async #work(contender: Contender): Promise<Slice> {
    const others = [...this.#idle].filter(([pids]) => pids !== contender.pids);
    const beforeNs = others.map(([pids]) => cpuNanoseconds(pids));
    const slice = await contender.lane.work(this.#sliceMs);
    for (const [i, [pids, idle]] of others.entries()) {
      idle.ns += cpuNanoseconds(pids) - (beforeNs[i] ?? 0);
      idle.ms += slice.ms;
    }
    return slice;
  }

  /** CPU ms a second that the program uses when it has nothing to do. */
  housekeeping(name: string): number {
    const { ns, ms } = this.#idleOf(name);
    return ns / 1e6 / (ms / 1000);
  }

  /** CPU us a request, round by round, without housekeeping. */
  costs(name: string): number[] {
    const { ns, ms } = this.#idleOf(name);
    const at = this.#contenders.findIndex((contender) => contender.name === name);
    return (this.#slices[at] ?? []).map((slice) => costUs(slice, ns / ms));
  }

  #idleOf(name: string): Idle {
    const contender = this.#contenders.find((one) => one.name === name);
    const idle = contender && this.#idle.get(contender.pids);
    if (idle === undefined) throw new Error(`nobody is called ${name}`);
    return idle;
  }
}

/**
 * Housekeeping counts by the second and not by the request: left in, a request would cost more
 * wherever the machine is slow.
 */
export function costUs({ requests, cpuNs, ms }: Slice, idleNsPerMs: number): number {
  return (cpuNs - idleNsPerMs * ms) / requests / 1000;
}
