import type { RequestFacts } from '../content-rule/content-rule.ts';
import type { RequestHead } from '../http1/head.ts';

/** A request as content rules see it. One serves all requests of a connection. */
export class HeadFacts implements RequestFacts {
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
}
