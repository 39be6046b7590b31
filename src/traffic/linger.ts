// The last moments of a client's connection: our last bytes are out, what still comes is thrown away.

import { clock } from '../net/clock.ts';
import type { Connection, Receiver } from '../net/connection.ts';

/** A client that takes nothing of the last bytes for this long is gone. */
const slowReaderTimeMs = 30_000;
/** How long we read on after our last byte, so that a reset does not destroy what we said. */
const lingerTimeMs = 2_000;

export class Linger implements Receiver {
  readonly #client: Connection;
  readonly #closed: () => void;
  #sinceMs: number = clock.nowMs;
  #unsentBytes = 0;

  /** Ends our side; `closed` is called once the connection is gone. */
  constructor(client: Connection, closed: () => void) {
    this.#client = client;
    this.#closed = closed;
    client.socket.end();
    client.receive(this);
  }

  /** A slow client gets the last bytes as long as it takes some; then `lingerTimeMs` more. */
  checkDeadline(nowMs: number): void {
    const unsentBytes = this.#client.socket.writableLength;
    const slowMs = slowReaderTimeMs + this.#client.unsentTimeMs;
    if (unsentBytes !== this.#unsentBytes) {
      this.#unsentBytes = unsentBytes;
      this.#sinceMs = nowMs;
      return;
    }
    if (nowMs - this.#sinceMs > (unsentBytes > 0 ? slowMs : lingerTimeMs)) this.#closed();
  }

  onBytes(): void {}

  onEnd(): void {
    // The socket closes by itself once our last byte is out as well.
  }

  onClose(): void {
    this.#closed();
  }

  onDrain(): void {}
}
