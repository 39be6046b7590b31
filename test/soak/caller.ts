// A client connection of one user: requests as bytes, answers whole or not at all.

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readAnswer, type Answer } from '../fixture/client.ts';

const waitMs = 30_000;

export class Caller {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(port: number, secure: boolean) {
    const target = { port, host: '127.0.0.1', noDelay: true };
    this.socket = secure ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
    this.socket.on('data', (bytes: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
      this.#wake?.();
    });
    // Connections break here on purpose; what counts is which answers were whole.
    this.socket.on('error', () => {});
    for (const event of ['end', 'close']) {
      this.socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next answer; undefined where the connection ended before it was whole. */
  async answer(): Promise<Answer | undefined> {
    for (;;) {
      const answer = readAnswer({ bytes: this.#bytes, end: this.#ended ? 'closed' : 'enough' });
      if (answer?.whole === true) {
        this.#bytes = answer.behind;
        return answer;
      }
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(() => reject(new Error(`nothing came in ${waitMs} ms`)), waitMs);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
