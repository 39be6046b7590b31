// The check loop of one real server: one check at a time, at its interval, sooner while a server
// does not answer or when a worker suspects it.

import { performance } from 'node:perf_hooks';
import type { CheckSettings, Health, RealServer } from '../config/model.ts';
import { compilePattern } from '../content-rule/pattern.ts';
import { CheckFailure, type CheckOptions, type CheckTarget } from '../health-check/health-check.ts';
import { initialState, observe, wantsRetry } from '../health-check/health.ts';
import type { CheckResult, CheckState } from '../health-check/health.ts';
import { healthChecks } from '../health-check/registry.ts';

export interface WatchedServer {
  /** Names of the virtual service and the SubVS, for the log. */
  readonly service: string;
  readonly server: RealServer;
  readonly check: CheckSettings;
  /** What the server's own port wants of every connection. */
  readonly proxyProtocol: 'none' | 'v1' | 'v2';
}

export interface HealthRecord {
  readonly health: Health;
  /** Times are milliseconds since 1970. */
  readonly sinceMs: number;
  readonly lastCheckAtMs: number | undefined;
  readonly lastCheckDurationMs: number | undefined;
}

/** `flipped` is false where only the answer to a suspicion is due. */
export type OnHealth = (watched: WatchedServer, health: Health, flipped: boolean) => void;

export class ServerWatch {
  readonly watched: WatchedServer;
  readonly checkedOnce: Promise<void>;
  readonly #options: CheckOptions;
  readonly #markChecked: () => void;
  readonly #onHealth: OnHealth;
  readonly #spacingMs: number;
  #state: CheckState;
  #sinceMs = Date.now();
  #lastCheckAtMs: number | undefined;
  #lastCheckDurationMs: number | undefined;
  /** When the next regular check is due, on the monotonic clock. */
  #dueMs = 0;
  #startedMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #running: AbortController | undefined;
  /** A worker waits for a conclusion; true from its suspicion on. */
  #owed = false;
  /** It was asked during a check, which may have begun before the trouble did. */
  #askedAgain = false;
  #stopped = false;

  /** `spacingMs` is the least time between the starts of two checks of this server. */
  constructor(watched: WatchedServer, onHealth: OnHealth, spacingMs: number, before?: ServerWatch) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.watched = watched;
    this.#options = optionsOf(watched.check);
    this.checkedOnce = promise;
    this.#markChecked = resolve;
    this.#onHealth = onHealth;
    this.#spacingMs = spacingMs;
    this.#state = initialState(watched.check.type !== 'none');
    if (watched.check.type === 'none') resolve();
    else if (before !== undefined && before.watched.check.type !== 'none') this.#inherit(before);
  }

  /** A changed check keeps the last verdict until it has one of its own, or a reload would cut. */
  #inherit(before: ServerWatch): void {
    this.#state = { health: before.#state.health, unanswered: 0 };
    this.#sinceMs = before.#sinceMs;
  }

  /** `firstMs` and `secondMs` from now; then at the interval. */
  start(firstMs: number, secondMs: number): void {
    if (this.watched.check.type === 'none') return;
    this.#dueMs = performance.now() + secondMs;
    this.#wakeIn(firstMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#markChecked();
  }

  checkNow(): void {
    this.#owed = true;
    if (this.#running !== undefined) this.#askedAgain = true;
    else this.#wakeIn(this.#spacingLeftMs());
  }

  record(): HealthRecord {
    return {
      health: this.#state.health,
      sinceMs: this.#sinceMs,
      lastCheckAtMs: this.#lastCheckAtMs,
      lastCheckDurationMs: this.#lastCheckDurationMs
    };
  }

  async #run(): Promise<void> {
    this.#startedMs = performance.now();
    this.#lastCheckAtMs = Date.now();
    this.#askedAgain = false;
    const result = await this.#tryOnce();
    if (this.#stopped) return;
    this.#lastCheckDurationMs = performance.now() - this.#startedMs;
    this.#conclude(result);
    this.#markChecked();
    this.#scheduleNext();
  }

  async #tryOnce(): Promise<CheckResult> {
    const { check } = this.watched;
    const target = targetOf(this.watched);
    const running = new AbortController();
    const deadline = setTimeout(() => running.abort(), check.timeoutMs);
    this.#running = running;
    try {
      await healthChecks[check.type](target, this.#options, running.signal);
      return { passed: true };
    } catch (error) {
      if (error instanceof CheckFailure) {
        return { passed: false, answered: error.answered, reason: error.message };
      }
      // A bug of ours in one check must not end the process that all services hang on.
      return { passed: false, answered: false, reason: `Ballast cannot check: ${String(error)}` };
    } finally {
      clearTimeout(deadline);
      this.#running = undefined;
    }
  }

  #conclude(result: CheckResult): void {
    const before = this.#state.health;
    this.#state = observe(this.#state, result, this.watched.check.retries);
    const flipped = this.#state.health.state !== before.state;
    if (flipped) this.#sinceMs = Date.now();
    if (before.state === 'down' && this.#state.health.state === 'up') {
      // All workers reckon the slow start from this.
      this.#state = { ...this.#state, health: { state: 'up', sinceMs: this.#sinceMs } };
    }
    const { health } = this.#state;
    // An "up" that only waits for its retries would clear the suspicion against a silent server.
    const concluded = result.passed || health.state === 'down';
    const answersSuspicion = this.#owed && concluded && !this.#askedAgain;
    if (answersSuspicion) this.#owed = false;
    if (flipped || answersSuspicion) this.#onHealth(this.watched, health, flipped);
  }

  #scheduleNext(): void {
    const { check } = this.watched;
    if (this.#askedAgain || wantsRetry(this.#state, check.retries)) {
      // A try that used its whole time is followed at once, a refusal after the spacing only:
      // three refusals in a millisecond would say no more than one.
      this.#wakeIn(this.#spacingLeftMs());
    } else if (check.type !== 'none') {
      const now = performance.now();
      if (this.#dueMs <= now) this.#dueMs += check.intervalMs;
      if (this.#dueMs <= now) this.#dueMs = now + check.intervalMs;
      this.#wakeIn(Math.max(this.#dueMs - now, this.#spacingLeftMs()));
    }
  }

  #spacingLeftMs(): number {
    return Math.max(0, this.#startedMs + this.#spacingMs - performance.now());
  }

  #wakeIn(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), delayMs);
  }
}

function targetOf({ server, check, proxyProtocol }: WatchedServer): CheckTarget {
  const port = check.port === 0 ? server.port : check.port;
  // Another port is another service of the machine, which knows nothing of such headers.
  const isProxied = proxyProtocol !== 'none' && port === server.port;
  return { address: server.address, port, ...(isProxied && { proxyProtocol }) };
}

function optionsOf(check: CheckSettings): CheckOptions {
  const { pattern } = check;
  const bodyMatches = pattern === undefined ? undefined : compilePattern(pattern, false);
  return { ...check, bodyMatches };
}
