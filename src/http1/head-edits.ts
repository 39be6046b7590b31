// Changes to one head on its way: fields dropped, given another value or added, and another URL.
// They are noted and not made: the head stays as it came for all who look at it, and every byte that
// no change touches is forwarded as it came (forward-head.ts).

import { ProxyError } from '../error.ts';
import { RequestHead, type AnswerHead } from './head.ts';
import { isAuthority } from './request-line.ts';

/** Longest URL or value that a change may make; rules that feed each other could grow one for ever. */
const changedBytesMax = 32_768;

/** `bytes[from..to)` of the head gives way to `text`, which is latin1. */
export interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** What a change makes of a value; undefined leaves it. */
export type Change = (value: string) => string | undefined;

export class HeadEdits {
  readonly #head: RequestHead | AnswerHead;
  /** New values by field number; null = dropped, undefined = as it came. */
  readonly #values: (string | null | undefined)[] = [];
  #added: { readonly name: string; value: string | null }[] = [];
  #url: string | undefined;
  /** The target names no host, since Host says another one now. */
  #originForm = false;

  constructor(head: RequestHead | AnswerHead) {
    this.#head = head;
  }

  /** Adds a field behind all others. */
  add(name: string, value: string): void {
    this.#added.push({ name, value: this.#checked(value) });
  }

  /** Gives field `n` another value, or drops it with null. */
  setField(n: number, value: string | null): void {
    this.#values[n] = value === null ? null : this.#checked(value);
  }

  /** Drops the fields whose name, in lower case, is `wanted`; whether there was one. */
  drop(wanted: (name: string) => boolean): boolean {
    let found = false;
    this.#eachField((name, _value, set) => {
      if (!wanted(name)) return;
      set(null);
      found = true;
    });
    return found;
  }

  /** Changes the values of a field, whose name is given in lower case; whether one was changed. */
  replace(wanted: string, change: Change): boolean {
    let found = false;
    this.#eachField((name, value, set) => {
      const next = name === wanted ? change(value()) : undefined;
      if (next === undefined) return;
      if (name === 'host') this.#checkHost(next);
      set(this.#checked(next));
      found = true;
    });
    return found;
  }

  /** Changes path and query of a request; whether they were. `*` is no path. */
  changeUrl(change: Change): boolean {
    const url = this.#currentUrl();
    const next = url === undefined ? undefined : change(url);
    if (next === undefined) return false;
    const rooted = next.startsWith('/') ? next : `/${next}`;
    if (rooted.length > changedBytesMax) throw this.tooLarge();
    // What goes in was checked when it came, captures and rules alike: this would be our mistake.
    if (!/^[!-"$-~\x80-\xff]*$/.test(rooted)) throw new Error('a rule makes no valid URL');
    this.#url = rooted;
    return true;
  }

  /** The error for what a rule may not make, or not take apart. */
  tooLarge(): ProxyError {
    const message = 'too long for a content rule';
    return this.#head instanceof RequestHead
      ? new ProxyError('head-too-large', 'client', message)
      : new ProxyError('malformed-answer', 'server', message);
  }

  /** The changes in the order of the bytes, less the hop-by-hop fields of the head. */
  splices(): Splice[] {
    const head = this.#head;
    const splices: Splice[] = [];
    if (head instanceof RequestHead && (this.#url !== undefined || this.#originForm)) {
      const from = this.#originForm ? head.targetStart : head.pathStart;
      const url = this.#currentUrl() ?? '';
      const text = url.startsWith('/') ? url : `/${url}`;
      splices.push({ from, to: head.targetEnd, text });
    }
    for (let n = 0; n < head.fieldCount; n++) {
      const value = this.#values[n];
      if (value === null || head.hopByHop.includes(n)) {
        splices.push({ from: head.lineStart(n), to: head.lineStart(n + 1), text: '' });
      } else if (value !== undefined) {
        const from = head.fields[n * 4 + 2] ?? 0;
        splices.push({ from, to: head.fields[n * 4 + 3] ?? from, text: value });
      }
    }
    return splices;
  }

  /** Complete field lines to stand behind those of the head. */
  addedLines(): string {
    let lines = '';
    for (const { name, value } of this.#added) {
      if (value !== null) lines += `${name}: ${value}\r\n`;
    }
    return lines;
  }

  /** All fields that go on, as they are by now; those added come last. */
  #eachField(
    visit: (name: string, value: () => string, set: (value: string | null) => void) => void
  ): void {
    const head = this.#head;
    for (let n = 0; n < head.fieldCount; n++) {
      const value = this.#values[n];
      if (value === null || head.hopByHop.includes(n)) continue;
      visit(
        head.name(n).toLowerCase(),
        () => value ?? head.value(n),
        (next) => (this.#values[n] = next)
      );
    }
    for (const field of this.#added) {
      const { name, value } = field;
      if (value === null) continue;
      visit(
        name.toLowerCase(),
        () => value,
        (next) => (field.value = next)
      );
    }
  }

  /** Path and query; undefined where there are none to change. */
  #currentUrl(): string | undefined {
    const head = this.#head;
    if (!(head instanceof RequestHead)) return undefined;
    const url = this.#url ?? head.pathAndQuery;
    return url === '*' ? undefined : url;
  }

  #checkHost(host: string): void {
    if (!isAuthority(Buffer.from(host, 'latin1'))) {
      throw new ProxyError('malformed-request', 'client', 'a content rule makes no valid Host');
    }
    // RFC 9112 3.2.2: the host in an absolute target would go before the field.
    this.#originForm = this.#currentUrl() !== undefined;
  }

  #checked(value: string): string {
    if (value.length > changedBytesMax) throw this.tooLarge();
    // As for the URL: no line end of any origin may get this far.
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) throw new Error('a rule makes no valid field');
    return value;
  }
}
