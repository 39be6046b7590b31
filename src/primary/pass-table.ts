// Who is signed in, for all workers: a worker that does not know a session asks here. So a session
// outlives workers and reloads, is the same for all services of its SSO domain, and ends for all.

import type { Pass } from '../gate/pass.ts';

/** Some 500 bytes each. When they are all in use the longest unused makes room. */
const passesMax = 100_000;
/** Of one user: who signs in again and again drives out nobody's sessions but his own. */
const passesOfUserMax = 250;
/**
 * A name and password that came with a request are asked about again long before; but what they began
 * may run as long as this (the longest heartbeat of ActiveSync), and must be found to be ended.
 */
const basicKeptMs = 3_600_000;

/** What a service asks of who wants to use it. */
export interface Demand {
  readonly domain: string;
  /** What tells one list of groups from another; '' = everybody may. */
  readonly groups: string;
}

interface Entry {
  readonly pass: Pass;
  readonly how: 'form' | 'basic';
  readonly client: string;
  readonly startedAtMs: number;
  usedAtMs: number;
  /** Lists of groups that he is in; those that came by a reload are not known of him. */
  readonly memberOf: ReadonlySet<string>;
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

  add(
    pass: Pass,
    how: Entry['how'],
    client: string,
    memberOf: ReadonlySet<string>,
    nowMs: number
  ): void {
    const startedAtMs = this.#entries.get(pass.key)?.startedAtMs ?? nowMs;
    this.#remove(pass.key);
    this.#makeRoomFor(pass);
    this.#entries.set(pass.key, { pass, how, client, startedAtMs, usedAtMs: nowMs, memberOf });
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
    if (demand.groups !== '' && !memberOf.has(demand.groups)) return undefined;
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
    const ended = keys.flatMap((key) => {
      const entry = this.#remove(key);
      return entry === undefined ? [] : [viewOf(entry)];
    });
    if (ended.length > 0) this.#onEnded(keys);
    return ended;
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
    const user = userOf(entry.pass);
    const keys = this.#keysOfUser.get(user);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysOfUser.delete(user);
    return entry;
  }

  /** Notes whose it is, and ends his longest unused session where he has too many. */
  #makeRoomFor(pass: Pass): void {
    const user = userOf(pass);
    const keys = this.#keysOfUser.get(user) ?? new Set();
    if (keys.size >= passesOfUserMax) {
      const usedAtMs = (key: string): number => this.#entries.get(key)?.usedAtMs ?? 0;
      this.end([[...keys].reduce((a, b) => (usedAtMs(b) < usedAtMs(a) ? b : a))]);
    }
    this.#keysOfUser.set(user, keys.add(pass.key));
  }
}

function userOf({ domain, user }: Pass): string {
  return `${domain}\0${user.toLowerCase()}`;
}

function isOver({ how, pass, usedAtMs }: Entry, nowMs: number): boolean {
  if (how === 'basic') return nowMs - usedAtMs >= basicKeptMs;
  return nowMs >= pass.endsAtMs || nowMs - usedAtMs >= pass.idleMs;
}

function viewOf({ pass, how, client, startedAtMs, usedAtMs }: Entry): PassView {
  const { user, domain, isPrivate } = pass;
  return { user, domain, how, client, isPrivate, startedAtMs, usedAtMs };
}
