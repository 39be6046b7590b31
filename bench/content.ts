// What bulk transfers carry: bytes without pattern, compared one by one where they arrive.

import { createCipheriv } from 'node:crypto';

export const megabyte = 1 << 20;

/** Where in `content` a transfer may begin; each begins elsewhere, so mixed-up ones are seen. */
export const startMax = 4 * megabyte;

/** The longest transfer. */
const bytesMax = 35 * megabyte;

/** The same in every process. */
export const content = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(startMax + bytesMax)
);

export function startOf(connection: number, turn: number): number {
  return (connection * 99_991 + turn * 7919) % startMax;
}

/** Compares what comes with what must come, byte for byte, and keeps nothing. */
export class Expectation {
  readonly #source: Buffer;
  #at: number;
  #left: number;
  wrong = false;

  constructor(start: number, bytes: number, source: Buffer = content) {
    this.#source = source;
    this.#at = start;
    this.#left = bytes;
  }

  get isMet(): boolean {
    return this.#left === 0;
  }

  /** Takes what belongs to it from the head of `chunk` and returns how much that was. */
  take(chunk: Buffer): number {
    const length = Math.min(chunk.length, this.#left);
    if (this.#source.compare(chunk, 0, length, this.#at, this.#at + length) !== 0) {
      this.wrong = true;
    }
    this.#at += length;
    this.#left -= length;
    return length;
  }
}

/** Hands pieces of `content` to `write`, each when the one before it has left the process. */
export function sendContent(
  start: number,
  bytes: number,
  write: (piece: Buffer, sent: (error?: Error | null) => void) => unknown,
  onSent: (bytes: number) => void
): void {
  const pieceBytes = 256 << 10;
  const end = start + bytes;
  const next = (at: number): void => {
    if (at === end) return;
    const piece = content.subarray(at, Math.min(end, at + pieceBytes));
    write(piece, (error) => {
      if (error !== undefined && error !== null) return;
      onSent(piece.length);
      next(at + piece.length);
    });
  };
  next(start);
}
