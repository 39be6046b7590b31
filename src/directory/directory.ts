// An SSO domain's servers as one directory: who is this, and is he in one of these groups? Servers
// are asked in order; the next one is asked where one cannot be reached, is silent, or cannot say,
// and never because it said no. Whoever cannot be asked about does not get in.

import { createSecureContext } from 'node:tls';
import { findBase, findMemberships, type GroupList, type Memberships } from './groups.ts';
import { DirectoryWatch, type DirectoryHealth } from './directory-watch.ts';
import { Lanes } from './lanes.ts';
import { converse, DirectoryFailure, type Conversation } from './ldap.ts';
import {
  bindName,
  principalName,
  readLogonName,
  serverLogonName,
  whyNoPassword,
  type LogonName
} from './logon-name.ts';
import { DirectoryServer } from './directory-server.ts';
import type { DirectorySettings } from './settings.ts';
import type { Verdict } from './verdict.ts';
import type { WireOptions } from './wire.ts';

export type { DirectoryHealth, GroupList };

export type LogonResult = (
  | {
      readonly outcome: 'welcome';
      /** `user@domain`. */
      readonly principal: string;
      /** For each list that was asked about: is he in one of its groups? */
      readonly memberOf: Memberships['memberOf'];
      /** Why groups could not be looked up although the password is right; '' = they were. */
      readonly groupTrouble: string;
    }
  /** The cause is for the log: all look the same to the client. */
  | {
      readonly outcome: 'denied';
      readonly cause: 'refused' | 'locked' | 'disabled' | 'unasked';
      readonly reason: string;
    }
  /** The password was right. */
  | { readonly outcome: 'expired'; readonly mustChange: boolean; readonly reason: string }
  /** `busy`: too many others are asked about; `failed`: no server could say. */
  | {
      readonly outcome: 'unavailable';
      readonly cause: 'busy' | 'failed';
      readonly reason: string;
    }
) & {
  /** Who said so, as `host:port`; undefined = nobody was asked, or nobody could say. */
  readonly server: string | undefined;
};

export interface DirectoryOptions {
  /** Something about its servers is other than before. */
  readonly onChange?: (health: DirectoryHealth) => void;
  readonly checkIntervalMs?: number;
  /** Questions at a time; as many as `waitingMax` wait, each for the time of a question. */
  readonly concurrentMax?: number;
  readonly waitingMax?: number;
  /** A server that failed is asked after all others for so long, or until a check passes. */
  readonly penaltyMs?: number;
}

type Reply<Answer> =
  | { readonly answer: Answer; readonly server: string }
  | { readonly answer: undefined; readonly cause: 'busy' | 'failed'; readonly reason: string };

export class Directory {
  readonly #settings: DirectorySettings;
  readonly #wire: WireOptions;
  readonly #servers: readonly DirectoryServer[];
  readonly #lanes: Lanes;
  readonly #penaltyMs: number;
  readonly #watch: DirectoryWatch;

  constructor(settings: DirectorySettings, options: DirectoryOptions = {}) {
    const { transport, verify, caPem } = settings;
    const secureContext = caPem === undefined ? undefined : createSecureContext({ ca: caPem });
    this.#settings = settings;
    this.#wire = { transport, verify, secureContext };
    this.#servers = settings.servers.map((address) => new DirectoryServer(address));
    this.#lanes = new Lanes(options.concurrentMax ?? 32, options.waitingMax ?? 1000);
    this.#penaltyMs = options.penaltyMs ?? 30_000;
    this.#watch = new DirectoryWatch(settings, {
      wire: this.#wire,
      servers: this.#servers,
      intervalMs: options.checkIntervalMs ?? 9000,
      penaltyMs: this.#penaltyMs,
      onChange: options.onChange ?? (() => {})
    });
  }

  /** Begins to check its servers; resolves when each of them was checked once. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Ends the checks; questions that run are answered. */
  stop(): void {
    this.#watch.stop();
  }

  get health(): DirectoryHealth {
    return this.#watch.health;
  }

  /** Why nobody can log on ("Security Down"); undefined = a server answers, or none was asked yet. */
  get downReason(): string | undefined {
    const { state, servers } = this.health;
    if (state !== 'down') return undefined;
    return servers.map(({ server, reason }) => `${server}: ${reason}`).join('; ');
  }

  /** The same for all spellings of one account; undefined = no name that is asked about. */
  canonicalName(user: string): string | undefined {
    const name = readLogonName(user, this.#settings);
    return typeof name === 'string' ? undefined : name.key;
  }

  /** Why there is no such name; for the log, and holds none of it. */
  whyNoName(user: string): string {
    const name = readLogonName(user, this.#settings);
    return typeof name === 'string' ? name : '';
  }

  /** By which name the real servers hear of somebody who was welcome. */
  serverName(user: string): string {
    const name = readLogonName(user, this.#settings);
    return typeof name === 'string' ? user : serverLogonName(name, this.#settings);
  }

  /** Who is this? And in which of these lists of groups, all asked about by his own connection. */
  async logon(
    user: string,
    password: string,
    groupLists: readonly GroupList[] = []
  ): Promise<LogonResult> {
    const name = readLogonName(user, this.#settings);
    if (typeof name === 'string') return unasked(name);
    const why = whyNoPassword(password);
    if (why !== undefined) return unasked(why);
    const reply = await this.#ask(async (conversation, server) => {
      const verdict = await this.#bind(conversation, name, password);
      if (verdict.outcome !== 'welcome') return verdict;
      return { ...verdict, ...(await this.#groupsOf(conversation, server, name, groupLists)) };
    });
    if (reply.answer === undefined) {
      const { cause, reason } = reply;
      return { outcome: 'unavailable', cause, reason, server: undefined };
    }
    const { answer, server } = reply;
    if (answer.outcome !== 'welcome') return { ...answer, server };
    const principal = principalName(name, this.#settings);
    return { ...answer, principal, server };
  }

  async #ask<Answer>(
    talk: (conversation: Conversation, server: DirectoryServer) => Promise<Answer>
  ): Promise<Reply<Answer>> {
    const { timeoutMs } = this.#settings;
    if (!(await this.#lanes.enter(timeoutMs))) {
      return { answer: undefined, cause: 'busy', reason: 'too many others ask this directory' };
    }
    const failures: string[] = [];
    try {
      for (const server of inOrder(this.#servers)) {
        try {
          const answer = await converse(server.address, { ...this.#wire, timeoutMs }, (one) =>
            talk(one, server)
          );
          server.pardon();
          return { answer, server: server.name };
        } catch (error) {
          if (!(error instanceof DirectoryFailure)) throw error;
          server.punish(this.#penaltyMs);
          failures.push(`${server.name}: ${error.message}`);
        }
      }
    } finally {
      this.#lanes.leave();
    }
    return { answer: undefined, cause: 'failed', reason: failures.join('; ') };
  }

  async #bind(
    conversation: Conversation,
    name: LogonName,
    password: string
  ): Promise<Exclude<Verdict, { outcome: 'unable' }>> {
    const verdict = await conversation.bind(bindName(name, this.#settings), password);
    if (verdict.outcome === 'unable') throw new DirectoryFailure(verdict.reason);
    return verdict;
  }

  async #groupsOf(
    conversation: Conversation,
    server: DirectoryServer,
    name: LogonName,
    lists: readonly GroupList[]
  ): Promise<Memberships> {
    if (lists.length === 0) return { memberOf: [], groupTrouble: '' };
    server.base ??= await findBase(conversation);
    if (server.base === undefined) {
      const groupTrouble = 'groups can be looked up in an Active Directory only';
      return { memberOf: lists.map(() => undefined), groupTrouble };
    }
    const bases = { domain: server.base, groups: this.#settings.searchBase ?? server.base };
    const asked = bindName(name, this.#settings);
    const principal = asked.includes('@') ? asked : undefined;
    const account = { accountName: name.account, principal };
    return findMemberships(conversation, account, bases, lists);
  }
}

function unasked(reason: string): LogonResult {
  return { outcome: 'denied', cause: 'unasked', reason, server: undefined };
}

/** As configured, and behind those that failed a moment ago. */
function inOrder(servers: readonly DirectoryServer[]): DirectoryServer[] {
  const waits = servers.map((server) => server.isPunished());
  return [...servers.filter((_, i) => !waits[i]), ...servers.filter((_, i) => waits[i])];
}
