// Load in slices: some kept connections to one proxy that work for a moment, all together, and then
// fall silent. While they are silent the proxy sleeps, so its CPU time can be read exactly, and lanes
// to several proxies can take turns ten times a second: what disturbs one disturbs them all.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { cpuNanoseconds } from './slice-clock.ts';
import { answerBody } from './workload.ts';

export interface Slice {
  readonly requests: number;
  readonly cpuNs: number;
  readonly ms: number;
}

export interface LaneOptions {
  /** The connections are spread over these. */
  readonly ports: readonly number[];
  /** Of the proxy, all of them. */
  readonly pids: readonly number[];
  /** Whole requests without bodies, sent in turn. */
  readonly requests: readonly Buffer[];
  readonly connections: number;
}

/** Longer than anything that works takes for one answer. */
const answerTimeMs = 10_000;

export class Lane {
  readonly #options: LaneOptions;
  readonly #sockets: Socket[] = [];
  /** What the proxy answered first; every answer must be the same, byte by byte. */
  #answer: Buffer | undefined;
  #turn = 0;
  #answered = 0;
  #working = 0;
  #endsAtMs = 0;
  #silent = Promise.withResolvers<void>();

  private constructor(options: LaneOptions) {
    this.#options = options;
    this.#silent.promise.catch(() => {});
  }

  static async open(options: LaneOptions): Promise<Lane> {
    const lane = new Lane(options);
    const { ports, connections } = options;
    for (let n = 0; n < connections; n++) {
      const port = ports[Math.floor((n * ports.length) / connections)] ?? 0;
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      lane.#attend(socket);
    }
    return lane;
  }

  async work(ms: number): Promise<Slice> {
    const { pids } = this.#options;
    const before = cpuNanoseconds(pids);
    const beganMs = performance.now();
    this.#answered = 0;
    this.#endsAtMs = beganMs + ms;
    this.#working = this.#sockets.length;
    const silent = (this.#silent = Promise.withResolvers<void>());
    silent.promise.catch(() => {});
    for (const socket of this.#sockets) this.#ask(socket);
    const late = setTimeout(() => silent.reject(new Error('answers are missing')), answerTimeMs);
    try {
      await silent.promise;
    } finally {
      clearTimeout(late);
    }
    return {
      requests: this.#answered,
      cpuNs: cpuNanoseconds(pids) - before,
      ms: performance.now() - beganMs
    };
  }

  close(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').destroy();
  }

  #ask(socket: Socket): void {
    const { requests } = this.#options;
    const request = requests[this.#turn++ % requests.length];
    if (request !== undefined) socket.write(request);
  }

  #attend(socket: Socket): void {
    let pending: Buffer | undefined;
    const fail = (why: string): void => this.#silent.reject(new Error(why));
    this.#sockets.push(socket);
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('a kept connection was closed'));
    socket.on('data', (chunk: Buffer) => {
      const got = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
      pending = undefined;
      if (this.#answer === undefined && isWhole(got)) this.#answer = got;
      const answer = this.#answer;
      if (answer === undefined || got.length < answer.length) return void (pending = got);
      if (!got.equals(answer)) return fail(`wrong answer: ${got.toString('latin1')}`);
      this.#answered++;
      if (performance.now() < this.#endsAtMs) this.#ask(socket);
      else if (--this.#working === 0) this.#silent.resolve();
    });
  }
}

function isWhole(bytes: Buffer): boolean {
  const text = bytes.toString('latin1');
  return text.startsWith('HTTP/1.1 200 ') && text.endsWith(answerBody);
}
