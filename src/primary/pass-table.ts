// Who is signed in, for all workers: a worker that does not know a session asks here. So a session
// outlives workers and reloads, is the same for all services of its SSO domain, and ends for all.

import type { Pass } from '../gate/pass.ts';
import { meets, type Demand } from './demands.ts';

/** Some 500 bytes each. When they are all in use the longest unused makes room. */
const passesMax = 100_000;
/** Of one user: who signs in again and again drives out nobody's sessions but his own. */
const passesOfUserMax = 250;
/**
 * A name and password that came with a request are asked about again long before; but what they began
 * may run as long as this (the longest heartbeat of ActiveSync), and must be found to be ended.
 */
const basicKeptMs = 3_600_000;

/** Who signed in, and how. */
export interface SignIn {
  /** The same for all spellings of him (`Directory.canonicalName`). */
  readonly account: string;
  readonly how: 'form' | 'basic';
  readonly client: string;
  /** Lists of groups that he is in; those that came by a reload are not known of him. */
  readonly memberOf: ReadonlySet<string>;
}

interface Entry extends SignIn {
  readonly pass: Pass;
  readonly startedAtMs: number;
  usedAtMs: number;
}

/** A session as an administrator sees it; nothing in it opens anything. */
export interface PassView {
  readonly user: string;
  readonly domain: string;
  readonly how: 'form' | 'basic';
  readonly client: string;
  readonly isPrivate: boolean;
  readonly startedAtMs: number;
  readonly usedAtMs: number;
}

export class PassTable {
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>();
  readonly #keysOfUser = new Map<string, Set<string>>();
  /** Told of every session that is over. */
  readonly #onEnded: (keys: readonly string[]) => void;

  constructor(onEnded: (keys: readonly string[]) => void) {
    this.#onEnded = onEnded;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(pass: Pass, signIn: SignIn, nowMs: number): void {
    const startedAtMs = this.#entries.get(pass.key)?.startedAtMs ?? nowMs;
    this.#remove(pass.key);
    this.#makeRoomFor(pass, signIn.account);
    this.#entries.set(pass.key, { ...signIn, pass, startedAtMs, usedAtMs: nowMs });
    const oldest = this.#entries.keys().next();
    if (this.#entries.size > passesMax && oldest.done !== true) this.end([oldest.value]);
  }

  /** Whose it is, if the demand lets him in. Looking is a use. */
  find(key: string, demand: Demand | undefined, nowMs: number): Pass | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || demand === undefined) return undefined;
    if (isOver(entry, nowMs)) {
      this.#endOver([entry]);
      return undefined;
    }
    const { pass, memberOf } = entry;
    if (nowMs >= pass.endsAtMs) return undefined;
    // Sessions of other domains are those of other people.
    if (pass.domain !== demand.domain) return undefined;
    if (!meets(demand, memberOf)) return undefined;
    this.used(key, nowMs);
    return pass;
  }

  used(key: string, atMs: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || atMs < entry.usedAtMs) return;
    entry.usedAtMs = atMs;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  /** Those that there were. */
  end(keys: readonly string[]): readonly PassView[] {
    const ended = keys.flatMap((key) => this.#remove(key) ?? []);
    if (ended.length > 0) this.#onEnded(ended.map(({ pass }) => pass.key));
    return ended.map(viewOf);
  }

  /** The same of all of a user. */
  endUser(domain: string, account: string): readonly PassView[] {
    return this.end([...(this.#keysOfUser.get(userKey(domain, account)) ?? [])]);
  }

  /** The same of all that `test` picks. */
  endAll(test: (pass: Pass) => boolean): readonly PassView[] {
    const picked = [...this.#entries.values()].filter(({ pass }) => test(pass));
    return this.end(picked.map(({ pass }) => pass.key));
  }

  /** At most so many of them, the latest used first. */
  list(most: number): PassView[] {
    return [...this.#entries.values()].slice(-most).toReversed().map(viewOf);
  }

  /** By SSO domain. */
  tally(): ReadonlyMap<string, Readonly<Record<PassView['how'], number>>> {
    const tally = new Map<string, Record<PassView['how'], number>>();
    for (const { pass, how } of this.#entries.values()) {
      const counts = tally.get(pass.domain) ?? { form: 0, basic: 0 };
      counts[how]++;
      tally.set(pass.domain, counts);
    }
    return tally;
  }

  /** Ends those that are out of time; to be called now and then. */
  sweep(nowMs: number): void {
    this.#endOver([...this.#entries.values()].filter((entry) => isOver(entry, nowMs)));
  }

  /** Whoever signs in by Basic only has to be asked about again: what he does just now goes on. */
  #endOver(over: readonly Entry[]): void {
    const forms = over.filter(({ how }) => how === 'form');
    this.end(forms.map(({ pass }) => pass.key));
    for (const { pass } of over) this.#remove(pass.key);
  }

  #remove(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    const user = userKey(entry.pass.domain, entry.account);
    const keys = this.#keysOfUser.get(user);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOfUser.delete(user);
    return entry;
  }

  /** Notes whose it is, and ends his longest unused session where he has too many. */
  #makeRoomFor(pass: Pass, account: string): void {
    const user = userKey(pass.domain, account);
    const keys = this.#keysOfUser.get(user) ?? new Set();
    if (keys.size >= passesOfUserMax) {
      const usedAtMs = (key: string): number => this.#entries.get(key)?.usedAtMs ?? 0;
      this.end([[...keys].reduce((a, b) => (usedAtMs(b) < usedAtMs(a) ? b : a))]);
    }
    this.#keysOfUser.set(user, keys.add(pass.key));
  }
}

function userKey(domain: string, account: string): string {
  return `${domain}\0${account}`;
}

function isOver({ how, pass, usedAtMs }: Entry, nowMs: number): boolean {
  const isOld = nowMs >= pass.endsAtMs;
  // Until it is old workers let him in without asking, however long he was silent.
  if (how === 'basic') return isOld && nowMs - usedAtMs >= basicKeptMs;
  return isOld || nowMs - usedAtMs >= pass.idleMs;
}

function viewOf({ pass, how, client, startedAtMs, usedAtMs }: Entry): PassView {
  const { user, domain, isPrivate } = pass;
  return { user, domain, how, client, isPrivate, startedAtMs, usedAtMs };
}
