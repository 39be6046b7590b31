// The lab's hold on one stand-in: it can be killed as by a power cut, and started again.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExchangeOptions } from './exchange.ts';
import type { FromExchange, ToExchange } from './exchange-process.ts';

const program = fileURLToPath(new URL('exchange-process.ts', import.meta.url));

/** What the lab is told. */
export interface LabServerEvents {
  /** The process ended without `end` having been called. */
  readonly onDeath: () => void;
  readonly onDelivery: (user: string, bytes: Uint8Array) => void;
  readonly onPassword: (user: string, password: string) => void;
}

export class LabServer {
  /** `EX01`, as it stands in the configuration. */
  readonly name: string;
  readonly #options: ExchangeOptions;
  readonly #events: LabServerEvents;
  /** Changed since the start, for a server that comes back. */
  readonly #passwords = new Map<string, string>();
  readonly #inactive = new Set<string>();
  #mailActive = true;
  #child: ChildProcess | undefined;

  constructor(name: string, options: ExchangeOptions, events: LabServerEvents) {
    this.name = name;
    this.#options = options;
    this.#events = events;
  }

  /** Undefined while it is dead. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get mailActive(): boolean {
    return this.#mailActive;
  }

  isActive(directory: string): boolean {
    return !this.#inactive.has(directory);
  }

  async start(): Promise<void> {
    const child = fork(program, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // Mail goes through as bytes.
      serialization: 'advanced'
    });
    this.#child = child;
    child.on('exit', () => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#events.onDeath();
    });
    child.on('error', () => {});
    tell(child, { type: 'start', options: this.#options });
    const dead = once(child, 'exit').then((): FromExchange => ({
      type: 'failed',
      reason: 'ended'
    }));
    const said = once(child, 'message').then(([message]) => message as FromExchange);
    const first = await Promise.race([said, dead]);
    if (first.type === 'failed') throw new Error(`${this.name} cannot start: ${first.reason}`);
    child.on('message', (message: FromExchange) => {
      if (message.type === 'delivery') this.#events.onDelivery(message.user, message.bytes);
      if (message.type === 'password') this.#events.onPassword(message.user, message.password);
    });
    for (const directory of this.#inactive)
      tell(child, { type: 'component', directory, active: false });
    if (!this.#mailActive) tell(child, { type: 'mail', active: false });
    for (const [user, password] of this.#passwords) {
      tell(child, { type: 'password', user, password });
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  setComponent(directory: string, active: boolean): void {
    if (active) this.#inactive.delete(directory);
    else this.#inactive.add(directory);
    if (this.#child !== undefined) tell(this.#child, { type: 'component', directory, active });
  }

  /** Whether its mail services greet, or refuse as in maintenance. */
  setMail(active: boolean): void {
    this.#mailActive = active;
    if (this.#child !== undefined) tell(this.#child, { type: 'mail', active });
  }

  deliver(user: string, bytes: Uint8Array): void {
    if (this.#child !== undefined) tell(this.#child, { type: 'deliver', user, bytes });
  }

  setPassword(user: string, password: string): void {
    this.#passwords.set(user, password);
    if (this.#child !== undefined) tell(this.#child, { type: 'password', user, password });
  }

  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

function tell(child: ChildProcess, message: ToExchange): void {
  // A child that died meanwhile is told of by its exit.
  child.send(message, () => {});
}
