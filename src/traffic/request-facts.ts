import type { RequestFacts } from '../content-rule/content-rule.ts';
import { isWord } from '../http1/bytes.ts';
import type { RequestHead } from '../http1/head.ts';
import { findCookie } from '../persistence/cookie-text.ts';
import type { PersistenceFacts } from '../persistence/persistence.ts';

/** A request as content rules and persistence see it. One serves all requests of a connection. */
export class HeadFacts implements RequestFacts, PersistenceFacts {
  flags = 0;
  readonly #head: RequestHead;
  readonly #clientAddress: string;

  constructor(head: RequestHead, clientAddress: string) {
    this.#head = head;
    this.#clientAddress = clientAddress;
  }

  path(): string {
    return this.#head.path;
  }

  query(): string {
    return this.#head.query;
  }

  host(): string {
    return this.#head.host;
  }

  method(): string {
    return this.#head.method;
  }

  sourceAddress(): string {
    return this.#clientAddress;
  }

  header(name: string): string | undefined {
    return this.#head.header(name);
  }

  cookie(name: string): string | undefined {
    const { bytes, fields, fieldCount } = this.#head;
    for (let n = 0; n < fieldCount; n++) {
      if (!isWord(bytes, fields[n * 4] ?? 0, fields[n * 4 + 1] ?? 0, 'cookie')) continue;
      const found = findCookie(this.#head.value(n), name);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
