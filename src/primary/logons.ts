// Who may in: asks the directories for all workers, counts failures, and keeps who is signed in.
// The password of a question is opened here, shown to the directory and forgotten; what a session
// keeps of it for the real servers stays under the seal.

import { randomBytes } from 'node:crypto';
import type { Configuration, EspSettings, SsoDomain } from '../config/model.ts';
import type { Directory, DirectoryHealth, GroupList } from '../directory/directory.ts';
import type { LogonResult } from '../directory/directory.ts';
import type { LogonAnswer, LogonAsk, Pass } from '../gate/pass.ts';
import { gateKeys } from '../gate/keys.ts';
import { open, seal } from '../gate/seal.ts';
import type { Logger } from '../log.ts';
import type { ToPrimary, ToWorker } from '../messages.ts';
import { Lockouts } from './lockouts.ts';
import { PassTable, type Demand, type PassView } from './pass-table.ts';
import { listServices } from './service-list.ts';

/** A refusal takes at least this long and up to a fifth more, or its time would tell the reason. */
const refusalTimeMs = 500;
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
}

export class Logons {
  /** For seals and tokens. Made once and never written down: a restart ends all sessions. */
  readonly gateKey = randomBytes(32).toString('base64');
  readonly passes: PassTable;
  readonly lockouts = new Lockouts();
  readonly counts: LogonCounts = { logons: 0, failures: 0, unavailable: 0 };
  readonly #keys = gateKeys(this.gateKey);
  readonly #options: LogonsOptions;
  readonly #now: () => number;
  #sweeps: NodeJS.Timeout | undefined;
  #domains = new Map<string, Domain>();
  /** By full name of a service with pre-authentication. */
  #demands = new Map<string, Demand>();
  /** Questions on their way, by key: a phone opens ten connections at once. */
  readonly #running = new Map<string, Promise<LogonAnswer>>();
  /** Settles when a directory has answered, and is another one then. */
  #oneAnswered = Promise.withResolvers<void>();

  constructor(options: LogonsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.passes = new PassTable(options.onEnded);
  }

  /** Takes a new configuration; directories that stay the same are kept. */
  reconcile(configuration: Configuration): void {
    const guarded = listServices(configuration).flatMap(({ fullName, service: { esp } }) =>
      esp === undefined || esp.domain === '' ? [] : [{ fullName, esp }]
    );
    this.#demands = new Map(guarded.map(({ fullName, esp }) => [fullName, demandOf(esp)]));
    const before = this.#domains;
    this.#domains = new Map();
    for (const settings of configuration.ssoDomains) {
      const groupLists = groupListsOf(
        guarded.flatMap(({ esp }) => (esp.domain === settings.name ? [esp] : []))
      );
      const old = before.get(settings.name);
      const stays = old !== undefined && JSON.stringify(old.settings) === JSON.stringify(settings);
      if (stays) before.delete(settings.name);
      const directory = stays ? old.directory : this.#options.openDirectory(settings);
      this.#domains.set(settings.name, { settings, directory, groupLists });
    }
    for (const { directory } of before.values()) directory.stop();
    this.passes.endAll(({ domain }) => !this.#domains.has(domain));
    const sweep = (): void => this.passes.sweep(this.#now());
    this.#sweeps ??= setInterval(sweep, this.#options.sweepIntervalMs ?? sweepIntervalMs);
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
      if (name === undefined) return [];
      return this.passes.endAll(
        (pass) => pass.domain === settings.name && directory.canonicalName(pass.user) === name
      );
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
        this.passes.end([message.key]);
    }
  }

  /** Never rejects. */
  logon(ask: LogonAsk): Promise<LogonAnswer> {
    const running = this.#running.get(ask.key + ask.service);
    if (running !== undefined) return running;
    const asked = this.#askOnce(ask).finally(() => this.#running.delete(ask.key + ask.service));
    this.#running.set(ask.key + ask.service, asked);
    return asked;
  }

  async #askOnce(ask: LogonAsk): Promise<LogonAnswer> {
    const beganMs = performance.now();
    let answer: LogonAnswer;
    try {
      answer = await this.#judge(ask);
    } catch (error) {
      this.#options.log.error({ err: error }, 'logon failed');
      answer = { outcome: 'unavailable' };
    }
    if (answer.outcome === 'welcome') this.counts.logons++;
    else if (answer.outcome === 'unavailable') this.counts.unavailable++;
    else this.counts.failures++;
    if (answer.outcome === 'denied' || answer.outcome === 'blocked') {
      await this.#atLeast(beganMs);
    }
    return answer;
  }

  async #judge(ask: LogonAsk): Promise<LogonAnswer> {
    const domain = this.#domains.get(ask.domain);
    const demand = this.#demands.get(ask.service);
    if (domain === undefined || demand?.domain !== ask.domain) return { outcome: 'unavailable' };
    const { settings, directory, groupLists } = domain;
    const password = open(this.#keys, 'password', ask.sealedPassword);
    if (password === undefined) return { outcome: 'unavailable' };
    const name = directory.canonicalName(ask.user);
    if (name === undefined) return { outcome: 'denied', reason: directory.whyNoName(ask.user) };
    const found = await this.#askDirectory(domain, demand, name, ask.user, password);
    if (found === 'blocked') return { outcome: 'blocked' };
    const { log } = this.#options;
    if (found.outcome === 'unavailable') {
      log.error({ domain: ask.domain, reason: found.reason }, 'cannot ask the directory');
      return { outcome: 'unavailable' };
    }
    if (found.outcome === 'expired') return { outcome: 'expired', mustChange: found.mustChange };
    if (found.outcome === 'denied') return { outcome: 'denied', reason: found.reason };
    if (found.groupTrouble !== '') {
      const reason = found.groupTrouble;
      log.error({ domain: ask.domain, reason }, 'cannot look up groups');
    }
    const demandNow = this.#demands.get(ask.service);
    // A reload came in between: what it asks for was not asked.
    if (demandNow?.domain !== demand.domain || demandNow.groups !== demand.groups) {
      return { outcome: 'unavailable' };
    }
    const memberOf = groupsOf(found, groupLists);
    // That the password was right is not for the client to know.
    if (demand.groups !== '' && !memberOf.has(demand.groups)) {
      return { outcome: 'denied', reason: 'in none of the permitted groups' };
    }
    this.lockouts.succeeded(settings, name);
    const serverLogon = `${directory.serverName(ask.user)}\0${password}`; // no NUL in either
    const pass = this.#passFor(ask, settings, found.principal, serverLogon);
    this.passes.add(pass, ask.how, ask.client, memberOf, this.#now());
    return { outcome: 'welcome', pass };
  }

  async #askDirectory(
    { settings, directory, groupLists }: Domain,
    demand: Demand,
    name: string,
    user: string,
    password: string
  ): Promise<LogonResult | 'blocked'> {
    const { lockouts } = this;
    for (;;) {
      if (lockouts.isBlocked(settings, name, this.#now())) return 'blocked';
      if (lockouts.mayAsk(settings, name, this.#now())) break;
      await this.#oneAnswered.promise;
    }
    try {
      const found = await directory.logon(user, password, groupLists);
      const isGuess = found.outcome === 'denied' || isStranger(found, groupLists, demand);
      if (isGuess && lockouts.failed(settings, name, this.#now())) {
        this.#options.log.warn({ domain: settings.name, user: name }, 'user blocked');
      }
      return found;
    } finally {
      lockouts.asked(settings, name);
      this.#oneAnswered.resolve();
      this.#oneAnswered = Promise.withResolvers();
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

  #atLeast(beganMs: number): Promise<void> {
    const floorMs = this.#options.refusalTimeMs ?? refusalTimeMs;
    const leftMs = beganMs + floorMs * (1 + Math.random() / 5) - performance.now();
    return new Promise((resolve) => setTimeout(resolve, Math.max(leftMs, 0)));
  }
}

/**
 * Whether he has the right password and no group that may. It counts as a wrong one: who could try on
 * after it would know that it was right.
 */
function isStranger(found: LogonResult, lists: readonly GroupList[], { groups }: Demand): boolean {
  if (found.outcome !== 'welcome' || found.groupTrouble !== '' || groups === '') return false;
  return !groupsOf(found, lists).has(groups);
}

function groupsOf(
  { memberOf }: Extract<LogonResult, { outcome: 'welcome' }>,
  lists: readonly GroupList[]
): ReadonlySet<string> {
  return new Set(lists.filter((_, i) => memberOf[i]).map(groupKey));
}

function demandOf(esp: EspSettings): Demand {
  const groups = esp.allowedGroups.length === 0 ? '' : groupKey(groupListOf(esp));
  return { domain: esp.domain, groups };
}

function groupListOf({ allowedGroups, nestedGroups }: EspSettings): GroupList {
  return { names: allowedGroups, nested: nestedGroups };
}

function groupKey({ names, nested }: GroupList): string {
  return JSON.stringify([names, nested]);
}

function groupListsOf(all: readonly EspSettings[]): readonly GroupList[] {
  const lists = all.filter(({ allowedGroups }) => allowedGroups.length > 0).map(groupListOf);
  return [...new Map(lists.map((list) => [groupKey(list), list])).values()];
}
