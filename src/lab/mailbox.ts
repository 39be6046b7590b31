// Mail in memory: an inbox for each user, which whoever looks at it can watch.

import { randomInt } from 'node:crypto';
import { firstMail, newsMail } from './first-mail.ts';
import type { LabUser } from './sign-in.ts';

export interface Message {
  /** Grows with each message, and is never used twice. */
  readonly uid: number;
  readonly bytes: Buffer;
  readonly date: Date;
  /** `\Seen` and such. */
  readonly flags: Set<string>;
}

/** More would only fill memory; the oldest go first. */
const messagesMax = 500;
/** Mail that nobody sent comes only while there is less than this. */
const newsMax = 100;

export class Mailbox {
  readonly uidValidity = randomInt(1, 2 ** 31);
  readonly #newsPeriodMs: number;
  readonly #messages: Message[] = [];
  readonly #watchers = new Set<() => void>();
  #nextUid = 1;
  #news: NodeJS.Timeout | undefined;

  constructor(newsPeriodMs: number) {
    this.#newsPeriodMs = newsPeriodMs;
  }

  /** By growing `uid`. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  get nextUid(): number {
    return this.#nextUid;
  }

  deliver(bytes: Buffer, flags: readonly string[] = []): Message {
    const message = { uid: this.#nextUid++, bytes, date: new Date(), flags: new Set(flags) };
    this.#messages.push(message);
    if (this.#messages.length > messagesMax) this.#messages.shift();
    for (const tell of this.#watchers) tell();
    return message;
  }

  remove(gone: ReadonlySet<Message>): void {
    const left = this.#messages.filter((message) => !gone.has(message));
    this.#messages.splice(0, this.#messages.length, ...left);
    for (const tell of this.#watchers) tell();
  }

  /** Calls at every change until the function that it returns is called. News come meanwhile. */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    if (this.#newsPeriodMs > 0) {
      this.#news ??= setInterval(() => {
        if (this.#messages.length < newsMax) this.deliver(newsMail());
      }, this.#newsPeriodMs);
    }
    return () => {
      this.#watchers.delete(onChange);
      if (this.#watchers.size > 0) return;
      clearInterval(this.#news);
      this.#news = undefined;
    };
  }
}

export class MailStore {
  readonly #inboxes = new Map<string, Mailbox>();

  constructor(serverName: string, users: readonly LabUser[], newsPeriodMs: number) {
    for (const user of users) {
      const inbox = new Mailbox(newsPeriodMs);
      for (const bytes of firstMail(serverName, user)) inbox.deliver(bytes);
      this.#inboxes.set(user.name, inbox);
    }
  }

  inbox(user: LabUser): Mailbox {
    const inbox = this.#inboxes.get(user.name);
    if (inbox === undefined) throw new Error(`${user.name} has no inbox`);
    return inbox;
  }

  /** To a user by name; to nobody where there is none. */
  deliver(name: string, bytes: Buffer): void {
    this.#inboxes.get(name)?.deliver(bytes);
  }
}
