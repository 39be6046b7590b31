// The bytes that a client sends, pulled when wanted. The socket flows also while nobody pulls, up to
// a limit, so that a client's end or reset is noticed during a long answer.

import type { Socket } from 'node:net';

const heldBytesMax = 64 * 1024;
/** Tolerant on purpose: what reaches a stand-in should be seen, not refused. */
const lineBytesMax = 1024 * 1024;

/** What a client sent is no request that can be answered, or it ended within one. */
export class BrokenRequest extends Error {}

export class ByteSource {
  readonly #socket: Socket;
  #held: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  readonly #onData = (chunk: Buffer): void => {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    if (this.#held.length >= heldBytesMax) this.#socket.pause();
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onEnd);
  }

  /** Bytes that have come and were not read yet. */
  get held(): number {
    return this.#held.length;
  }

  /** One line with its line feed; undefined where the client ended first. */
  async readLine(): Promise<Buffer | undefined> {
    let searched = 0;
    for (;;) {
      const at = this.#held.indexOf(10, searched);
      if (at >= 0) return this.#take(at + 1);
      searched = this.#held.length;
      if (searched > lineBytesMax) throw new BrokenRequest('a line of the request is too long');
      if (!(await this.#more())) return undefined;
    }
  }

  /**
   * Everything up to and with `mark`, as if `before` had come first; undefined where the client
   * ended first. Of what is longer than `max` only the length is true.
   */
  async readThrough(
    mark: Buffer,
    before: Buffer,
    max: number
  ): Promise<{ readonly bytes: Buffer; readonly length: number } | undefined> {
    let pieces: Buffer[] = [];
    let length = 0;
    this.#held = Buffer.concat([before, this.#held]);
    for (;;) {
      const at = this.#held.indexOf(mark);
      // What could be the beginning of the mark stays.
      const size = at >= 0 ? at + mark.length : Math.max(0, this.#held.length - mark.length + 1);
      const piece = this.#take(size);
      length += size;
      if (length > max) pieces = [];
      else pieces.push(piece);
      if (at >= 0) return { bytes: Buffer.concat(pieces), length };
      if (!(await this.#more())) return undefined;
    }
  }

  /** What has come, at most `max` bytes and at least one; undefined at the end. */
  async readSome(max: number): Promise<Buffer | undefined> {
    if (this.#held.length === 0 && !(await this.#more())) return undefined;
    return this.#take(Math.min(max, this.#held.length));
  }

  /** Leaves the socket to somebody else, with all that comes from now on. */
  detach(): void {
    const socket = this.#socket.pause();
    socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
  }

  #take(length: number): Buffer {
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    if (this.#held.length < heldBytesMax && this.#socket.isPaused()) this.#socket.resume();
    return taken;
  }

  /** Waits for further bytes; false where none will come. */
  async #more(): Promise<boolean> {
    const before = this.#held.length;
    while (this.#held.length === before) {
      if (this.#ended) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.resume();
      });
    }
    return true;
  }
}
