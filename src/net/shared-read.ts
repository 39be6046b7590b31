// All sockets of a worker read into one buffer, from which their bytes go on at once. A stream's own
// way makes a 64 KiB buffer for each read, cuts it and hands it through the stream's queue: 1.5 to
// 3 us a read, and twice the CPU time for bulk. A large buffer: one read of 256 KiB costs less than
// four of 64.

import { Socket } from 'node:net';

const kTake = Symbol('take');

/** What becomes of the bytes of a socket; they are good until it returns. */
export type TakeBytes = (this: Socket, bytes: Buffer) => void;

type Reader = Socket & { [kTake]?: TakeBytes | 'stream' };

const buffer = Buffer.allocUnsafeSlow(262_144);

function callback(this: unknown, length: number): boolean {
  const take = (this as Reader)[kTake];
  const bytes = buffer.subarray(0, length);
  if (take === 'stream') return (this as Socket).push(Buffer.from(bytes));
  // Bytes before anybody wants them: nobody asked for them.
  if (take === undefined) (this as Socket).destroy();
  else take.call(this as Socket, bytes);
  return true;
}

/** For `net.connect` and `tls.connect`. */
export const sharedRead = { buffer, callback };

/**
 * Gives all bytes of `socket` from now on to `take`, first those that have been read already. Works
 * for sockets of any origin; those that Node made at accept have not been told of the buffer.
 */
export function readShared(socket: Socket, take: TakeBytes): void {
  const early = socket.readableLength > 0 ? (socket.read() as Buffer | null) : null;
  (socket as Reader)[kTake] = take;
  if (!readsShared(socket) && !tellOfBuffer(socket)) socket.on('data', take);
  if (early !== null) take.call(socket, early);
}

/** Lets `socket` be read as a stream again, by its next owner. */
export function readAsStream(socket: Socket, take: TakeBytes): void {
  (socket as Reader)[kTake] = 'stream';
  socket.off('data', take);
  socket.read(0); // which goes on reading
}

/** What a socket has besides its public members. */
type Own = Socket & {
  [place: symbol]: unknown;
  readonly _handle?: { useUserBuffer?(buffer: Uint8Array): void } | null;
};

/** Where Node notes what a socket was given as `onread`. */
interface Places {
  readonly buffer: symbol;
  readonly callback: symbol;
}

const places = findPlaces();

/** They have no public name, so a socket that was given the option is asked where it keeps it. */
function findPlaces(): Places | undefined {
  const told = new Socket({ onread: sharedRead });
  const symbols = Object.getOwnPropertySymbols(told);
  const holding = (value: unknown): symbol | undefined =>
    symbols.find((symbol) => (told as Own)[symbol] === value);
  const [bufferPlace, callbackPlace] = [holding(buffer), holding(callback)];
  told.destroy();
  if (bufferPlace === undefined || callbackPlace === undefined) return undefined;
  return { buffer: bufferPlace, callback: callbackPlace };
}

function readsShared(socket: Socket): boolean {
  return places !== undefined && (socket as Own)[places.buffer] === buffer;
}

/**
 * Node takes `onread` at `connect` only (nodejs/node#25436), and nothing public tells an accepted
 * socket later. A second Socket on the same handle would do, but costs twice the objects for each
 * connection and cannot be had for TLS. False where this Node works in another way: then it reads by
 * events, which is only slower.
 */
function tellOfBuffer(socket: Socket): boolean {
  const { _handle: handle } = socket as Own;
  if (places === undefined || typeof handle?.useUserBuffer !== 'function') return false;
  handle.useUserBuffer(buffer);
  (socket as Own)[places.buffer] = buffer;
  (socket as Own)[places.callback] = callback;
  return true;
}
