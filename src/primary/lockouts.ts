// Who guessed too often (soft lockout, kemp-esp 5): while a name is blocked the directory is not
// asked, so that whoever guesses here cannot lock the account there. Names that nobody bears are
// counted like others, or the answer would tell which ones somebody does. Each name is that of
// `Directory.canonicalName`, the same for all spellings of it.

import { hash } from 'node:crypto';
import type { SsoDomain } from '../config/model.ts';

/** Names that are counted at a time; a flood of invented ones pushes out the oldest. */
const namesMax = 100_000;
/** Without accents and ligatures a name can be 18 times as long as it was typed. */
const nameCharsMax = 256;

interface Count {
  failures: number;
  lastMs: number;
  blockedUntilMs: number;
}

export class Lockouts {
  /** The longest unused first: a Map keeps the order of insertion. */
  readonly #counts = new Map<string, Count>();
  /** Questions about a name that are on their way. */
  readonly #running = new Map<string, number>();
  #blockedEver = 0;

  /** How many were blocked since the start. */
  get blockedEver(): number {
    return this.#blockedEver;
  }

  isBlocked(domain: SsoDomain, user: string, nowMs: number): boolean {
    const count = this.#counts.get(keyOf(domain, user));
    return count !== undefined && count.blockedUntilMs > nowMs;
  }

  /**
   * Begins a question, which `asked` ends. Each that is on its way may be a failure, so that guesses at
   * the same time are no more than guesses in a row; false = one of them must end first.
   */
  mayAsk(domain: SsoDomain, user: string, nowMs: number): boolean {
    const { failuresMax, resetMs } = domain.lockout;
    const key = keyOf(domain, user);
    const running = this.#running.get(key) ?? 0;
    const count = this.#counts.get(key);
    const failures = count !== undefined && nowMs - count.lastMs < resetMs ? count.failures : 0;
    if (failuresMax > 0 && running > 0 && failures + running >= failuresMax) return false;
    this.#running.set(key, running + 1);
    return true;
  }

  asked(domain: SsoDomain, user: string): void {
    const key = keyOf(domain, user);
    const left = (this.#running.get(key) ?? 1) - 1;
    if (left > 0) this.#running.set(key, left);
    else this.#running.delete(key);
  }

  /** Notes a wrong password; whether the name is blocked from now on. */
  failed(domain: SsoDomain, user: string, nowMs: number): boolean {
    const { failuresMax, resetMs, blockedMs } = domain.lockout;
    if (failuresMax === 0) return false;
    const key = keyOf(domain, user);
    const before = this.#counts.get(key);
    const counts = before !== undefined && nowMs - before.lastMs < resetMs;
    const failures = (counts ? before.failures : 0) + 1;
    const blocks = failures >= failuresMax;
    this.#counts.delete(key);
    if (this.#counts.size >= namesMax) this.#dropOldest(nowMs);
    const blockedUntilMs = blocks ? nowMs + blockedMs : 0;
    this.#counts.set(key, { failures: blocks ? 0 : failures, lastMs: nowMs, blockedUntilMs });
    if (blocks) this.#blockedEver++;
    return blocks;
  }

  succeeded(domain: SsoDomain, user: string): void {
    this.#counts.delete(keyOf(domain, user));
  }

  /** Lets a name in again before its time; whether it was blocked. */
  unblock(domain: SsoDomain, user: string, nowMs: number): boolean {
    const wasBlocked = this.isBlocked(domain, user, nowMs);
    this.#counts.delete(keyOf(domain, user));
    return wasBlocked;
  }

  /** Those that are blocked now. */
  blocked(nowMs: number): { domain: string; user: string; untilMs: number }[] {
    return [...this.#counts].flatMap(([key, { blockedUntilMs: untilMs }]) => {
      if (untilMs <= nowMs) return [];
      const [domain = '', user = ''] = key.split('\0');
      return [{ domain, user, untilMs }];
    });
  }

  #dropOldest(nowMs: number): void {
    // Blocked names stay: to be forgotten is what a flood of invented names would be for.
    for (const [key, { blockedUntilMs }] of this.#counts) {
      if (blockedUntilMs > nowMs) continue;
      this.#counts.delete(key);
      return;
    }
    for (const key of this.#counts.keys()) {
      this.#counts.delete(key);
      return;
    }
  }
}

/** No account has so long a name, so it need not be kept. */
function keyOf(domain: SsoDomain, user: string): string {
  const name = user.length > nameCharsMax ? `sha256 ${hash('sha256', user)}` : user;
  return `${domain.name}\0${name}`;
}
