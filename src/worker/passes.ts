// The sessions of pre-authentication that this worker has met, so that only an unknown one costs a
// question to the primary. What the primary ends is ended here by a message, so nothing that is
// kept here need be asked about again before its time.

import { gateKeys, type GateKeys } from '../gate/keys.ts';
import { logonTimeMs, type LogonAnswer, type LogonAsk, type Pass } from '../gate/pass.ts';
import type { ToPrimary, ToWorker } from '../messages.ts';
import type { Passes } from '../traffic/passes.ts';

const passesMax = 50_000;
/** Of what the primary answers by itself. */
const questionTimeMs = 5000;

interface Known {
  readonly pass: Pass;
  /** Full names of services that it is good for. */
  readonly services: Set<string>;
  usedAtMs: number;
}

interface Question {
  readonly timer: NodeJS.Timeout;
  readonly settle: (answer: unknown) => void;
}

export class WorkerPasses implements Passes {
  #keys: GateKeys | undefined;
  #gateKey = '';
  readonly #tell: (message: ToPrimary) => void;
  /** The longest unmet first. */
  readonly #known = new Map<string, Known>();
  readonly #questions = new Map<number, Question>();
  readonly #questionTimeMs: number;
  /** Uses that the primary has not heard of, by key. */
  #used = new Map<string, number>();
  #nextNumber = 0;

  constructor(
    tell: (message: ToPrimary) => void,
    options: { readonly questionTimeMs?: number } = {}
  ) {
    this.#tell = tell;
    this.#questionTimeMs = options.questionTimeMs ?? questionTimeMs;
  }

  get keys(): GateKeys {
    if (this.#keys === undefined) throw new Error('no plan yet');
    return this.#keys;
  }

  /** With each plan; it stays the same as long as the primary lives. */
  takeKey(gateKey: string): void {
    if (gateKey === this.#gateKey) return;
    this.#gateKey = gateKey;
    this.#keys = gateKeys(gateKey);
  }

  find(key: string, service: string): Pass | undefined {
    const known = this.#known.get(key);
    if (known === undefined || !known.services.has(service)) return undefined;
    const nowMs = Date.now();
    const { pass } = known;
    // Silent here it may have been in use elsewhere: only the primary knows.
    if (nowMs >= pass.endsAtMs || nowMs - known.usedAtMs >= pass.idleMs) {
      this.#known.delete(key);
      return undefined;
    }
    known.usedAtMs = nowMs;
    this.#used.set(key, nowMs);
    return pass;
  }

  used(key: string): void {
    const nowMs = Date.now();
    const known = this.#known.get(key);
    if (known !== undefined) known.usedAtMs = nowMs;
    this.#used.set(key, nowMs);
  }

  async ask(key: string, service: string): Promise<Pass | undefined> {
    const pass = await this.#question<Pass | undefined>(
      this.#questionTimeMs,
      (n) => this.#tell({ type: 'find-pass', n, key, service }),
      (found) => found !== undefined && this.#remember(found, service)
    );
    return pass !== undefined && this.#holds(pass) ? pass : undefined;
  }

  async logon(ask: LogonAsk): Promise<LogonAnswer> {
    const answer = await this.#question<LogonAnswer>(
      logonTimeMs,
      (n) => this.#tell({ type: 'logon', n, ask }),
      (given) => given.outcome === 'welcome' && this.#remember(given.pass, ask.service)
    );
    if (answer.outcome === 'welcome' && !this.#holds(answer.pass))
      return { outcome: 'unavailable' };
    return answer;
  }

  async logoff(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    this.ended(keys);
    try {
      await this.#question<undefined>(
        this.#questionTimeMs,
        (n) => this.#tell({ type: 'logoff', n, keys }),
        () => {}
      );
    } catch {
      // It was told, and does it when it comes to it.
    }
  }

  answered({ n, answer }: Extract<ToWorker, { type: 'logon-answer' }>): void {
    this.#settle(n, answer);
  }

  found({ n, pass }: Extract<ToWorker, { type: 'pass' }>): void {
    this.#settle(n, pass);
  }

  loggedOff({ n }: Extract<ToWorker, { type: 'logged-off' }>): void {
    this.#settle(n, undefined);
  }

  ended(keys: readonly string[]): void {
    for (const key of keys) this.#known.delete(key);
  }

  /** After a reload other groups may be asked for, or another domain. */
  forgetAll(): void {
    this.#known.clear();
  }

  report(): void {
    if (this.#used.size === 0) return;
    const uses = [...this.#used];
    this.#used = new Map();
    this.#tell({ type: 'pass-uses', uses });
  }

  /** Whether nothing has ended it since its answer came. Who asked at the same time has another copy. */
  #holds({ key }: Pass): boolean {
    return this.#known.has(key);
  }

  #remember(pass: Pass, service: string): void {
    const before = this.#known.get(pass.key);
    const services = before?.services ?? new Set<string>();
    services.add(service);
    this.#known.delete(pass.key);
    this.#known.set(pass.key, { pass, services, usedAtMs: Date.now() });
    if (this.#known.size <= passesMax) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  /**
   * `note` is called as the answer comes: before any promise goes on, Node hands on all messages of
   * one read, and the next one may be that the session is over.
   */
  #question<A>(
    timeMs: number,
    send: (n: number) => void,
    note: (answer: A) => unknown
  ): Promise<A> {
    const n = this.#nextNumber++;
    return new Promise<A>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#questions.delete(n);
        reject(new Error(`the primary did not answer within ${timeMs} ms`));
      }, timeMs);
      const settle = (answer: unknown): void => {
        note(answer as A);
        resolve(answer as A);
      };
      this.#questions.set(n, { timer, settle });
      send(n);
    });
  }

  #settle(n: number, answer: unknown): void {
    const question = this.#questions.get(n);
    if (question === undefined) return;
    this.#questions.delete(n);
    clearTimeout(question.timer);
    question.settle(answer);
  }
}
