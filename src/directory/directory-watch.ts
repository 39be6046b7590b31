// Checks the servers of a directory in time: by a logon of the test user, else by a look at what
// every server tells everybody. The directory is up while one of them answers; a test user who is
// refused is an answer (a stranger could have locked him out), and a thing to be told.

import { isThere, converse, DirectoryFailure, type Conversation } from './ldap.ts';
import { bindName, readLogonName, whyNoPassword } from './logon-name.ts';
import type { DirectoryServer } from './directory-server.ts';
import type { DirectorySettings } from './settings.ts';
import type { WireOptions } from './wire.ts';

export interface DirectoryHealth {
  /** Down is the LoadMaster's "Security Down": nobody can log on. */
  readonly state: 'unknown' | 'up' | 'down';
  readonly servers: readonly ServerHealth[];
}

export interface ServerHealth {
  /** `host:port`. */
  readonly server: string;
  readonly state: 'unknown' | 'up' | 'down';
  /** Why it is down, or what is wrong although it is up; '' = nothing. */
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

export interface WatchOptions {
  readonly wire: WireOptions;
  readonly servers: readonly DirectoryServer[];
  readonly intervalMs: number;
  readonly penaltyMs: number;
  readonly onChange: (health: DirectoryHealth) => void;
}

interface CheckResult {
  readonly state: 'up' | 'down';
  readonly reason: string;
}

export class DirectoryWatch {
  readonly #settings: DirectorySettings;
  readonly #options: WatchOptions;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #servers: readonly ServerHealth[];

  constructor(settings: DirectorySettings, options: WatchOptions) {
    this.#settings = settings;
    this.#options = options;
    const sinceMs = Date.now();
    this.#servers = options.servers.map(({ name }) => ({
      server: name,
      state: 'unknown',
      reason: '',
      sinceMs
    }));
  }

  get health(): DirectoryHealth {
    return { state: stateOf(this.#servers), servers: this.#servers };
  }

  async start(): Promise<void> {
    await this.#round();
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    await Promise.all(this.#options.servers.map((server, i) => this.#check(server, i)));
    if (this.#stopped.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#round(), this.#options.intervalMs);
  }

  async #check(server: DirectoryServer, i: number): Promise<void> {
    let result = await this.#ask(server);
    // One lost packet is no reason to keep everybody out.
    if (result.state === 'down' && this.#servers[i]?.state === 'up') {
      result = await this.#ask(server);
    }
    if (result.state === 'up') server.pardon();
    else server.punish(this.#options.penaltyMs);
    this.#note(i, result);
  }

  async #ask(server: DirectoryServer): Promise<CheckResult> {
    const { timeoutMs } = this.#settings;
    const options = { ...this.#options.wire, timeoutMs, signal: this.#stopped.signal };
    try {
      const reason = await converse(server.address, options, (one) => this.#greet(one));
      return { state: 'up', reason };
    } catch (error) {
      const reason = error instanceof DirectoryFailure ? error.message : String(error);
      return { state: 'down', reason };
    }
  }

  /** What is wrong although it answers; '' = nothing. */
  async #greet(conversation: Conversation): Promise<string> {
    const { testUser } = this.#settings;
    if (testUser === undefined) {
      await conversation.search({
        base: '',
        scope: 'base',
        filter: isThere('objectClass'),
        attributes: ['supportedLDAPVersion'],
        entriesMax: 1
      });
      return '';
    }
    const name = readLogonName(testUser.name, this.#settings);
    const why = typeof name === 'string' ? name : whyNoPassword(testUser.password);
    if (typeof name === 'string' || why !== undefined) return `the test user cannot log on: ${why}`;
    const verdict = await conversation.bind(bindName(name, this.#settings), testUser.password);
    if (verdict.outcome === 'unable') throw new DirectoryFailure(verdict.reason);
    return verdict.outcome === 'welcome' ? '' : `the test user is refused: ${verdict.reason}`;
  }

  #note(i: number, { state, reason }: CheckResult): void {
    const before = this.#servers[i];
    if (this.#stopped.signal.aborted || before === undefined) return;
    if (before.state === state && before.reason === reason) return;
    const sinceMs = before.state === state ? before.sinceMs : Date.now();
    this.#servers = this.#servers.with(i, { server: before.server, state, reason, sinceMs });
    this.#options.onChange(this.health);
  }
}

function stateOf(servers: readonly ServerHealth[]): DirectoryHealth['state'] {
  if (servers.some(({ state }) => state === 'up')) return 'up';
  return servers.every(({ state }) => state === 'down') ? 'down' : 'unknown';
}
