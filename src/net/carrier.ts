// Copies of bytes that were read, for a socket that may take its time to write them. Parts of the
// read buffer itself must never be written: it is read into again while the kernel still waits for
// room, and answers were seen corrupted. Small copies come out of Node's pool; large ones have
// buffers that are used again, since a fresh one of 256 KiB costs more than what it carries.

import type { Socket } from 'node:net';

/** Node's pool serves up to this. */
const smallBytesMax = Buffer.poolSize >>> 1;

/** Sizes of the buffers, and how many of each wait for use: at most 2 to 4 MiB a size. */
const sizes: readonly { readonly bytes: number; readonly idleMax: number }[] = [
  { bytes: 16_384, idleMax: 128 },
  { bytes: 65_536, idleMax: 64 },
  { bytes: 262_144, idleMax: 16 }
];

/** Writes a copy of `bytes`; what `socket.write` returned. */
export function writeCopy(socket: Socket, bytes: Buffer): boolean {
  const { length } = bytes;
  for (const shelf of length > smallBytesMax ? shelves : none) {
    if (length <= shelf.bytes) return shelf.carry(socket, bytes);
  }
  const copy = Buffer.allocUnsafe(length);
  copy.set(bytes);
  return socket.write(copy);
}

/** Buffers of one size that carry nothing now. */
class Shelf {
  readonly bytes: number;
  readonly #idleMax: number;
  readonly #idle: Carrier[] = [];

  constructor({ bytes, idleMax }: { bytes: number; idleMax: number }) {
    this.bytes = bytes;
    this.#idleMax = idleMax;
  }

  carry(socket: Socket, bytes: Buffer): boolean {
    const carrier = this.#idle.pop() ?? new Carrier(this);
    carrier.buffer.set(bytes);
    return socket.write(carrier.buffer.subarray(0, bytes.length), carrier.written);
  }

  takeBack(carrier: Carrier): void {
    if (this.#idle.length < this.#idleMax) this.#idle.push(carrier);
  }
}

class Carrier {
  readonly buffer: Buffer;
  /** Called once the socket is done with the bytes, or gone. */
  readonly written: () => void;

  constructor(shelf: Shelf) {
    this.buffer = Buffer.allocUnsafeSlow(shelf.bytes);
    this.written = () => shelf.takeBack(this);
  }
}

const shelves: readonly Shelf[] = sizes.map((size) => new Shelf(size));
const none: readonly Shelf[] = [];
