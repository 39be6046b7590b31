// Copies of bytes that were read, for a socket that may take its time to write them. Parts of the
// read buffer itself must never be written: it is read into again while the kernel still waits for
// room, and answers were seen corrupted. Small copies come out of Node's pool; large ones have
// buffers that are used again, since a fresh one of 256 KiB costs more than what it carries. Who
// gathers bytes fills such a buffer himself, and then they are written without another copy.

import type { Socket } from 'node:net';

/** Node's pool serves up to this. */
const smallBytesMax = Buffer.poolSize >>> 1;
const mediumBytes = 65_536;
const largeBytes = 262_144;

export interface BytesTaker {
  /** The bytes are good until it returns. */
  take(bytes: Buffer): void;
}

/** The bytes that a taker has just now are in it. */
let lent: Carrier | undefined;

/** Writes a copy of `bytes`, or these themselves if a carrier has them; what `write` returned. */
export function writeCopy(socket: Socket, bytes: Buffer): boolean {
  const { length } = bytes;
  if (lent !== undefined && lent.buffer.buffer === bytes.buffer) {
    const { written } = lent;
    lent = undefined; // no two writes could both bring it back
    return socket.write(bytes, written);
  }
  for (const shelf of length > smallBytesMax ? shelves : none) {
    if (length <= shelf.bytes) return shelf.carry(socket, bytes);
  }
  const copy = Buffer.allocUnsafe(length);
  copy.set(bytes);
  return socket.write(copy);
}

/** A large one to fill; it goes back by `giveCarried`. */
export function takeCarrier(): Carrier {
  return largeShelf.take();
}

/** Gives the first `length` bytes of `carrier` to `taker`, which may write them by `writeCopy`. */
export function giveCarried(carrier: Carrier, length: number, taker: BytesTaker): void {
  // Few bytes are copied: a slow reader shall not keep a large buffer for them.
  const mayLend = length > mediumBytes;
  lent = mayLend ? carrier : undefined;
  taker.take(carrier.buffer.subarray(0, length));
  const isBack = !mayLend || lent === carrier;
  lent = undefined;
  if (isBack) carrier.written();
}

/** Buffers of one size that carry nothing now: so many at most. */
class Shelf {
  readonly bytes: number;
  readonly #idleMax: number;
  readonly #idle: Carrier[] = [];

  constructor(bytes: number, idleMax: number) {
    this.bytes = bytes;
    this.#idleMax = idleMax;
  }

  take(): Carrier {
    return this.#idle.pop() ?? new Carrier(this);
  }

  carry(socket: Socket, bytes: Buffer): boolean {
    const carrier = this.take();
    carrier.buffer.set(bytes);
    return socket.write(carrier.buffer.subarray(0, bytes.length), carrier.written);
  }

  takeBack(carrier: Carrier): void {
    if (this.#idle.length < this.#idleMax) this.#idle.push(carrier);
  }
}

export class Carrier {
  readonly buffer: Buffer;
  /** Called once the socket is done with the bytes, or gone. */
  readonly written: () => void;

  constructor(shelf: Shelf) {
    this.buffer = Buffer.allocUnsafeSlow(shelf.bytes);
    this.written = () => shelf.takeBack(this);
  }
}

const largeShelf = new Shelf(largeBytes, 16);
/** At most 2 to 4 MiB a size wait for use. */
const shelves: readonly Shelf[] = [new Shelf(16_384, 128), new Shelf(mediumBytes, 64), largeShelf];
const none: readonly Shelf[] = [];
