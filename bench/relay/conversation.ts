// What client and server of the relay scenarios say, so that each can tell whether the other's
// words came through whole.

import { createCipheriv } from 'node:crypto';

export const imapGreeting = '* OK IMAP4rev1 ready\r\n';
export const smtpGreeting = '220 mail.example.com ESMTP ready\r\n';
export const smtpHello = '250-mail.example.com\r\n250-PIPELINING\r\n250 8BITMIME\r\n';
export const smtpDone = '250 2.0.0 OK\r\n';
export const smtpFarewell = '221 2.0.0 mail.example.com closing\r\n';

const lineBytes = 60;

/** Another tag in every line: answers that went to the wrong client are seen. */
export function noopLine(tag: string): string {
  return `${`${tag} NOOP `.padEnd(lineBytes - 2, 'client')}\r\n`;
}

export function noopAnswer(tag: string): string {
  return `${`${tag} OK `.padEnd(lineBytes - 2, 'server')}\r\n`;
}

/** Where in `content` a transfer may begin; each begins elsewhere, so mixed-up ones are seen. */
export const startMax = 4 << 20;

/** Bytes without pattern, the same in every process. */
export const content = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16)).update(
  Buffer.alloc(startMax + (20 << 20))
);

/** Compares what comes with what must come, byte for byte, and keeps nothing. */
export class Expectation {
  #at: number;
  #left: number;
  wrong = false;

  constructor(start: number, bytes: number) {
    this.#at = start;
    this.#left = bytes;
  }

  get isMet(): boolean {
    return this.#left === 0;
  }

  /** Takes what belongs to it from the head of `chunk` and returns how much that was. */
  take(chunk: Buffer): number {
    const length = Math.min(chunk.length, this.#left);
    if (content.compare(chunk, 0, length, this.#at, this.#at + length) !== 0) this.wrong = true;
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
