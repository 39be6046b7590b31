// What a proxy adds to the time of an answer while nobody is in a hurry: requests come at a fixed rate,
// whether or not those before them were answered (an open loop), in turn through the proxy and
// straight to a server.

import { setTimeout as delay } from 'node:timers/promises';
import { attend, open, Tally, type Target } from '../client.ts';
import { readAccount } from '../measure.ts';
import { cpuUs, failuresOf, quantile, type Sample } from '../sample.ts';
import { requestHead, requestPaths } from '../workload.ts';
import { Answer } from './answer.ts';
import { usual, usualSetup, type HttpRound, type HttpScenario } from './setup.ts';

const connections = 64;
const perSecond = 2000;
const leadMs = 500;

export const latency: readonly HttpScenario[] = [
  {
    ...usual,
    name: 'latency',
    groups: ['http', 'latency'],
    says: `${perSecond} requests/s over ${connections} kept connections, in clear`,
    cost: 'us over direct, p50',
    setup: usualSetup,
    work: { measure: measureLatency }
  }
];

async function measureLatency({ target, direct, seconds, pid }: HttpRound): Promise<Sample> {
  const through = new PacedClients(target, connections);
  const straight = new PacedClients(direct, connections);
  const pace = startPace(perSecond, [through, straight]);
  await delay(leadMs);
  through.tally.restart();
  straight.tally.restart();
  const before = readAccount(pid);
  const beganMs = performance.now();
  await delay(seconds * 1000);
  const [timesMs, directMs] = [through, straight].map(({ tally }) => tally.timesMs) as [
    number[],
    number[]
  ];
  const after = readAccount(pid);
  const elapsedMs = performance.now() - beganMs;
  pace.stop();
  const units = timesMs.length;
  await Promise.all([through.close(), straight.close()]);
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  const at = (times: readonly number[], share: number): number =>
    quantile(
      times.toSorted((a, b) => a - b),
      share
    );
  return {
    units,
    seconds: elapsedMs / 1000,
    cpuSeconds,
    rssBytes: after.rssBytes,
    cost: 1000 * (at(timesMs, 0.5) - at(directMs, 0.5)),
    p50Ms: at(timesMs, 0.5),
    p99Ms: at(timesMs, 0.99),
    more: {
      'us over direct, p99': 1000 * (at(timesMs, 0.99) - at(directMs, 0.99)),
      'CPU us/request': cpuUs(cpuSeconds, units)
    },
    failures: failuresOf([...through.tally.failures, ...straight.tally.failures])
  };
}

/** Gives each of `clients` a request `perSecond` times a second, in turn. */
export function startPace(perSecond: number, clients: readonly PacedClients[]): { stop(): void } {
  const everyMs = 1000 / (perSecond * clients.length);
  let dueMs = performance.now();
  let turn = 0;
  let stopped = false;
  // Timers are good to a millisecond only, so the loop never sleeps.
  const look = (): void => {
    for (const now = performance.now(); dueMs <= now; dueMs += everyMs) {
      clients[turn++ % clients.length]?.ask(dueMs);
    }
    if (!stopped) setImmediate(look);
  };
  look();
  return { stop: () => void (stopped = true) };
}

interface Line {
  send(dueMs: number): void;
  close(): void;
}

/** Kept connections that take requests as they come due; one that finds none free waits. */
export class PacedClients {
  readonly tally = new Tally();
  readonly #free: Line[] = [];
  readonly #waiting: number[] = [];
  readonly #lines: Line[] = [];
  readonly #gone: Promise<void>[] = [];
  #pending = 0;
  #turn = 0;
  #whenQuiet: (() => void) | undefined;

  constructor(target: Target, connections: number) {
    for (let n = 0; n < connections; n++) this.#open(target);
  }

  ask(dueMs: number): void {
    this.#pending++;
    const line = this.#free.shift();
    if (line === undefined) this.#waiting.push(dueMs);
    else line.send(dueMs);
  }

  /** Resolves when every request has its answer and all connections are closed. */
  async close(): Promise<void> {
    const quiet = new Promise<void>((resolve) => (this.#whenQuiet = resolve));
    const late = delay(5000, 'late', { ref: false });
    const waits = this.#pending > 0 && this.tally.failures.size === 0;
    if (waits && (await Promise.race([quiet, late])) === 'late') {
      this.tally.fail('requests without an answer');
    }
    for (const line of this.#lines) line.close();
    await Promise.all(this.#gone);
  }

  #open(target: Target): void {
    const socket = open(target);
    let answer = Answer.small();
    let dueMs = 0;
    let closing = false;
    const line: Line = {
      send: (due) => {
        dueMs = due;
        answer = Answer.small();
        const path = requestPaths[this.#turn++ % requestPaths.length] ?? '';
        socket.write(requestHead('GET', path), 'latin1');
      },
      close: () => {
        closing = true;
        socket.destroy();
      }
    };
    const onBytes = (chunk: Buffer): void => {
      answer.take(chunk);
      if (answer.wrong !== undefined) this.tally.fail(answer.wrong);
      if (answer.wrong === undefined && !answer.isWhole) return;
      this.tally.done(1, dueMs);
      this.#pending--;
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#free.push(line);
      else line.send(waiting);
      if (this.#pending === 0) this.#whenQuiet?.();
    };
    this.#gone.push(attend(socket, { onBytes, isDone: () => closing }, this.tally));
    this.#lines.push(line);
    this.#free.push(line);
  }
}
