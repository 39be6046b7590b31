// Who may in: asks the directories for all workers, counts failures, and keeps who is signed in.
// The password of a question is opened here, shown to the directory and forgotten; what a session
// keeps of it for the real servers stays under the seal.

import { randomBytes } from 'node:crypto';
import type { Configuration, SsoDomain } from '../config/model.ts';
import type { Directory, DirectoryHealth, GroupList } from '../directory/directory.ts';
import type { LogonResult } from '../directory/directory.ts';
import { logonTimeMs, type LogonAnswer, type LogonAsk, type Pass } from '../gate/pass.ts';
import { gateKeys } from '../gate/keys.ts';
import { open, seal } from '../gate/seal.ts';
import { Ration, type Logger } from '../log.ts';
import type { ToPrimary, ToWorker } from '../messages.ts';
import { demandsOf, groupKey, groupListsOf, meets, type Demand } from './demands.ts';
import { Lockouts } from './lockouts.ts';
import { PassTable, type PassView } from './pass-table.ts';
import { RefusalTime } from './refusal-time.ts';

/** How long a guess waits for those before it, longer by the time of a sweep. */
const waitTimeMs = 20_000;
/** Later nobody waits for the answer any more, or will not when it has come to him. */
const answerTimeMs = logonTimeMs - 5000;
/** An error has one line in this time; there are as many as people who try to sign in. */
const errorLineMs = 5000;
/** How long sessions that are out of time may linger. */
const sweepIntervalMs = 5000;

export type GateMessage = Extract<
  ToPrimary,
  { readonly type: 'logon' | 'find-pass' | 'pass-uses' | 'logoff' }
>;

export interface LogonsOptions {
  readonly log: Logger;
  readonly openDirectory: (domain: SsoDomain) => Directory;
  /** Told of every session that is over. */
  readonly onEnded: (keys: readonly string[]) => void;
  readonly refusalTimeMs?: number;
  readonly sweepIntervalMs?: number;
  /** ms since 1970. */
  readonly now?: () => number;
}

/** Since the start. */
export interface LogonCounts {
  logons: number;
  failures: number;
  unavailable: number;
}

interface Domain {
  readonly settings: SsoDomain;
  readonly directory: Directory;
  /** All that its services ask for, so that one logon answers for all of them. */
  readonly groupLists: readonly GroupList[];
  readonly refusals: RefusalTime;
}

/** A question on its way. */
interface Course {
  readonly ask: LogonAsk;
  /** By the clock of `now`. */
  readonly cameAtMs: number;
  /** performance.now when it came, or when its wait for other guesses ended: a refusal counts from it. */
  sinceMs: number;
}

export class Logons {
  /** For seals and tokens. Made once and never written down: a restart ends all sessions. */
  readonly gateKey = randomBytes(32).toString('base64');
  readonly passes: PassTable;
  readonly lockouts = new Lockouts();
  readonly counts: LogonCounts = { logons: 0, failures: 0, unavailable: 0 };
  readonly #keys = gateKeys(this.gateKey);
  readonly #options: LogonsOptions;
  /** Where there is no such domain. */
  readonly #otherRefusals: RefusalTime;
  readonly #now: () => number;
  #sweeps: NodeJS.Timeout | undefined;
  #domains = new Map<string, Domain>();
  /** By full name of a service with pre-authentication. */
  #demands = new Map<string, Demand>();
  /** Questions on their way, by key: a phone opens ten connections at once. */
  readonly #running = new Map<string, Promise<LogonAnswer>>();
  /** Settles when a directory has answered or time has passed, and is another one then. */
  #change = Promise.withResolvers<void>();
  /** By kind of error and domain. */
  readonly #rations = new Map<string, Ration>();

  constructor(options: LogonsOptions) {
    this.#options = options;
    this.#otherRefusals = new RefusalTime(options.refusalTimeMs);
    this.#now = options.now ?? Date.now;
    this.passes = new PassTable(options.onEnded);
  }

  /** Takes a new configuration; directories that stay the same are kept. */
  reconcile(configuration: Configuration): void {
    this.#demands = demandsOf(configuration);
    const before = this.#domains;
    this.#domains = new Map();
    for (const settings of configuration.ssoDomains) {
      const old = before.get(settings.name);
      const stays = old !== undefined && JSON.stringify(old.settings) === JSON.stringify(settings);
      if (stays) before.delete(settings.name);
      const { directory, refusals } = stays ? old : this.#openDomain(settings);
      const groupLists = groupListsOf(configuration, settings.name);
      this.#domains.set(settings.name, { settings, directory, groupLists, refusals });
    }
    for (const { directory } of before.values()) directory.stop();
    this.passes.endAll(({ domain }) => !this.#domains.has(domain));
    const sweepMs = this.#options.sweepIntervalMs ?? sweepIntervalMs;
    this.#sweeps ??= setInterval(() => this.#sweep(), sweepMs);
  }

  stop(): void {
    clearInterval(this.#sweeps);
    for (const { directory } of this.#domains.values()) directory.stop();
  }

  /** By name of the SSO domain. */
  healthOf(name: string): DirectoryHealth | undefined {
    return this.#domains.get(name)?.directory.health;
  }

  /** Why nobody can sign in there ("Security Down"); undefined = one can. */
  whyDown(name: string): string | undefined {
    return this.#domains.get(name)?.directory.downReason;
  }

  /** All sessions of a user, however an administrator spells his name. */
  endUser(user: string): readonly PassView[] {
    return [...this.#domains.values()].flatMap(({ settings, directory }) => {
      const name = directory.canonicalName(user);
      return name === undefined ? [] : this.passes.endUser(settings.name, name);
    });
  }

  /** Lets him try again before his time; in how many domains he was blocked. */
  unblock(user: string): number {
    const nowMs = this.#now();
    return [...this.#domains.values()].filter(({ settings, directory }) => {
      const name = directory.canonicalName(user);
      return name !== undefined && this.lockouts.unblock(settings, name, nowMs);
    }).length;
  }

  receive(message: GateMessage, reply: (answer: ToWorker) => void): void {
    switch (message.type) {
      case 'logon': {
        const { n, ask } = message;
        void this.logon(ask).then((answer) => reply({ type: 'logon-answer', n, answer }));
        return;
      }
      case 'find-pass': {
        const { n, key, service } = message;
        const pass = this.passes.find(key, this.#demands.get(service), this.#now());
        return reply({ type: 'pass', n, pass });
      }
      case 'pass-uses':
        for (const [key, atMs] of message.uses) this.passes.used(key, atMs);
        return;
      case 'logoff':
        this.passes.end(message.keys);
        return reply({ type: 'logged-off', n: message.n });
    }
  }

  /** Never rejects. */
  logon(ask: LogonAsk): Promise<LogonAnswer> {
    const question = ask.key + ask.service;
    const running = this.#running.get(question);
    if (running !== undefined) return running;
    const asked = this.#askOnce(ask).finally(() => this.#running.delete(question));
    this.#running.set(question, asked);
    return asked;
  }

  async #askOnce(ask: LogonAsk): Promise<LogonAnswer> {
    const course = { ask, cameAtMs: this.#now(), sinceMs: performance.now() };
    let answer: LogonAnswer;
    try {
      answer = await this.#judge(course);
    } catch (error) {
      this.#complain('mistake', ask.domain, { err: error }, 'logon failed');
      answer = { outcome: 'unavailable' };
    }
    const { outcome } = answer;
    if (outcome === 'welcome') this.counts.logons++;
    else if (outcome === 'unavailable') this.counts.unavailable++;
    else this.counts.failures++;
    // Who is told at once that he cannot be asked about tries again at once.
    if (outcome !== 'welcome' && outcome !== 'expired') await this.#hold(course);
    return answer;
  }

  async #judge(course: Course): Promise<LogonAnswer> {
    const { ask } = course;
    const domain = this.#domains.get(ask.domain);
    const demand = this.#demands.get(ask.service);
    if (domain === undefined || demand?.domain !== ask.domain) return { outcome: 'unavailable' };
    const { settings, directory, groupLists } = domain;
    const password = open(this.#keys, 'password', ask.sealedPassword);
    if (password === undefined) return { outcome: 'unavailable' };
    const name = directory.canonicalName(ask.user);
    if (name === undefined) return { outcome: 'denied', reason: directory.whyNoName(ask.user) };
    const found = await this.#askDirectory(domain, demand, course, name, password);
    if (found === 'blocked') return { outcome: 'blocked' };
    if (found.outcome === 'unavailable') {
      const { cause, reason } = found;
      this.#complain(cause, ask.domain, { reason }, 'cannot ask the directory');
      return { outcome: 'unavailable' };
    }
    if (found.outcome === 'expired') return { outcome: 'expired', mustChange: found.mustChange };
    if (found.outcome === 'denied') return { outcome: 'denied', reason: found.reason };
    if (found.groupTrouble !== '') {
      const reason = found.groupTrouble;
      this.#complain('groups', ask.domain, { reason }, 'cannot look up groups');
    }
    // A reload came in between: what it asks for was not asked.
    const demandNow = this.#demands.get(ask.service);
    if (JSON.stringify(demandNow) !== JSON.stringify(demand)) return { outcome: 'unavailable' };
    const memberOf = groupsOf(found, groupLists, (isMember) => isMember === true);
    // That the password was right is not for the client to know.
    if (!meets(demand, memberOf)) {
      return { outcome: 'denied', reason: 'in none of the permitted groups' };
    }
    // A session that nobody has the cookie of.
    if (this.#now() - course.cameAtMs >= answerTimeMs) return { outcome: 'unavailable' };
    this.lockouts.succeeded(settings, name);
    const serverLogon = `${directory.serverName(ask.user)}\0${password}`; // no NUL in either
    const pass = this.#passFor(ask, settings, found.principal, serverLogon);
    const { how, client } = ask;
    this.passes.add(pass, { account: name, how, client, memberOf }, this.#now());
    return { outcome: 'welcome', pass };
  }

  async #askDirectory(
    { settings, directory, groupLists, refusals }: Domain,
    demand: Demand,
    course: Course,
    name: string,
    password: string
  ): Promise<LogonResult | 'blocked'> {
    const { lockouts } = this;
    for (;;) {
      if (lockouts.isBlocked(settings, name, this.#now())) return 'blocked';
      if (this.#now() - course.cameAtMs >= waitTimeMs) return waitedTooLong;
      if (lockouts.mayAsk(settings, name, this.#now())) break;
      await this.#change.promise;
    }
    course.sinceMs = performance.now();
    try {
      const found = await directory.logon(course.ask.user, password, groupLists);
      if (found.outcome === 'welcome') refusals.note(performance.now() - course.sinceMs);
      const isGuess = found.outcome === 'denied' || isStranger(found, groupLists, demand);
      if (isGuess && lockouts.failed(settings, name, this.#now())) {
        this.#options.log.warn({ domain: settings.name, user: name }, 'user blocked');
      }
      return found;
    } finally {
      lockouts.asked(settings, name);
      this.#wakeWaiting();
    }
  }

  #passFor(
    { key, domain, how, isPrivate }: LogonAsk,
    settings: SsoDomain,
    user: string,
    serverLogon: string
  ): Pass {
    const { idleMs, ageMs } = isPrivate ? settings.privateSession : settings.publicSession;
    // A name and password that come with each request are asked about anew now and then.
    const lastsMs = how === 'basic' ? settings.revalidateMs : ageMs;
    return {
      key,
      user,
      domain,
      isPrivate,
      endsAtMs: this.#now() + lastsMs,
      idleMs: settings.sessionEndsBy === 'idle' && how === 'form' ? idleMs : lastsMs,
      sealedLogon: seal(this.#keys, 'logon', serverLogon)
    };
  }

  #openDomain(settings: SsoDomain): Pick<Domain, 'directory' | 'refusals'> {
    const refusals = new RefusalTime(this.#options.refusalTimeMs);
    return { directory: this.#options.openDirectory(settings), refusals };
  }

  #hold({ ask, sinceMs }: Course): Promise<void> {
    const { nextMs } = this.#domains.get(ask.domain)?.refusals ?? this.#otherRefusals;
    const leftMs = sinceMs + nextMs - performance.now();
    return new Promise((resolve) => setTimeout(resolve, Math.max(leftMs, 0)));
  }

  #sweep(): void {
    this.passes.sweep(this.#now());
    this.#wakeWaiting();
  }

  #wakeWaiting(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  #complain(kind: string, domain: string, about: object, message: string): void {
    const key = `${kind} ${domain}`;
    const ration = this.#rations.get(key) ?? new Ration(1, errorLineMs);
    this.#rations.set(key, ration);
    const leftOut = ration.take(this.#now());
    if (leftOut === undefined) return;
    const others = leftOut === 0 ? {} : { leftOut };
    this.#options.log.error({ domain, ...about, ...others }, message);
  }
}

const waitedTooLong: LogonResult = {
  outcome: 'unavailable',
  cause: 'busy',
  reason: 'too many others ask about this name',
  server: undefined
};

/**
 * Whether he has the right password and no group that may. It counts as a wrong one: who could try on
 * after it would know that it was right. Not where a group of the service itself is not found: whoever
 * belongs to it would be blocked for a mistake of ours.
 */
function isStranger(found: LogonResult, lists: readonly GroupList[], demand: Demand): boolean {
  if (found.outcome !== 'welcome') return false;
  const couldBe = groupsOf(found, lists, (isMember) => isMember !== false);
  return !meets(demand, couldBe);
}

function groupsOf(
  { memberOf }: Extract<LogonResult, { outcome: 'welcome' }>,
  lists: readonly GroupList[],
  counts: (isMember: boolean | undefined) => boolean
): ReadonlySet<string> {
  return new Set(lists.filter((_, i) => counts(memberOf[i])).map(groupKey));
}
