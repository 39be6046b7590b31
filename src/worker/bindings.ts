// The persistence records that this worker has met, so that only an unknown client costs a question
// to the primary. Questions of one turn of the event loop go together, uses once a second.

import type { BindAsk, ToPrimary, ToWorker, Use } from '../messages.ts';
import { Records } from '../persistence/records.ts';
import type { RealServer } from '../service/real-server.ts';
import type { Bindings } from '../traffic/bindings.ts';

const recordsMax = 50_000;
/**
 * Near the end of its record a client is asked for again: the primary learns of uses a second late,
 * and may have given the client to another server meanwhile.
 */
const expiryMarginMs = 5000;

interface Question {
  readonly ask: BindAsk;
  readonly proposal: RealServer | undefined;
  readonly timer: NodeJS.Timeout;
  readonly settle: (server: RealServer | undefined) => void;
}

export class WorkerBindings implements Bindings {
  readonly #tell: (message: ToPrimary) => void;
  readonly #serverOf: (id: string) => RealServer | undefined;
  readonly #records = new Records<RealServer>(recordsMax);
  readonly #questions = new Map<number, Question>();
  readonly #uses = new Map<string, Use>();
  /** An answer takes less than a millisecond; a primary that lets a client wait has other worries. */
  readonly #answerTimeMs: number;
  #unsent: BindAsk[] = [];
  #nextNumber = 0;
  #late = 0;

  constructor(
    tell: (message: ToPrimary) => void,
    serverOf: (id: string) => RealServer | undefined,
    answerTimeMs = 1000
  ) {
    this.#answerTimeMs = answerTimeMs;
    this.#tell = tell;
    this.#serverOf = serverOf;
  }

  find(key: string): RealServer | undefined {
    return this.#records.find(key, performance.now());
  }

  use(key: string, server: RealServer, timeoutMs: number): void {
    this.#remember(key, server, timeoutMs);
    this.#uses.set(key, [key, server.id, timeoutMs]);
  }

  ask(
    key: string,
    proposal: RealServer | undefined,
    timeoutMs: number,
    failed: readonly RealServer[]
  ): Promise<RealServer | undefined> {
    const n = this.#nextNumber++;
    const ask = { n, key, id: proposal?.id ?? '', timeoutMs, failed: failed.map(({ id }) => id) };
    if (this.#unsent.push(ask) === 1) setImmediate(() => this.#sendQuestions());
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#giveUp(n), this.#answerTimeMs);
      this.#questions.set(n, { ask, proposal, timer, settle });
    });
  }

  learn(key: string, server: RealServer, timeoutMs: number): void {
    if (this.find(key) === server) return this.use(key, server, timeoutMs);
    this.#remember(key, server, timeoutMs);
    // At once: the client may come back before the second is over, to another worker.
    this.#tell({ type: 'learned', use: [key, server.id, timeoutMs] });
  }

  receive({ bound }: Extract<ToWorker, { type: 'bound' }>): void {
    for (const [n, id] of bound) {
      const question = this.#questions.get(n);
      if (question === undefined) continue;
      const { key, timeoutMs } = question.ask;
      const server = this.#serverOf(id);
      this.#questions.delete(n);
      clearTimeout(question.timer);
      if (server !== undefined) this.#remember(key, server, timeoutMs);
      question.settle(server);
    }
  }

  forget(keys: readonly string[]): void {
    for (const key of keys) this.#records.delete(key);
  }

  /** It went down: the primary may give its clients to others, and only it knows to whom. */
  forgetServer(server: RealServer): void {
    this.#records.deleteAllOf(server);
  }

  /** After a reload servers may have left or drain. */
  forgetAll(): void {
    this.#records.clear();
  }

  report(): void {
    if (this.#uses.size === 0 && this.#late === 0) return;
    this.#tell({ type: 'uses', uses: [...this.#uses.values()], late: this.#late });
    this.#uses.clear();
    this.#late = 0;
  }

  #remember(key: string, server: RealServer, timeoutMs: number): void {
    this.#records.set(key, server, performance.now() + timeoutMs - expiryMarginMs);
  }

  #sendQuestions(): void {
    const asks = this.#unsent;
    this.#unsent = [];
    this.#tell({ type: 'bind', asks });
  }

  #giveUp(n: number): void {
    const question = this.#questions.get(n);
    this.#questions.delete(n);
    this.#late++;
    question?.settle(question.proposal);
  }
}
