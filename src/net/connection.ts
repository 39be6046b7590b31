// One side of a proxied connection: a socket whose bytes go to one receiver at a time. Who takes
// over finds what nobody received yet. The listeners are set once for the connection's life and
// shared by all of them, so a request adds none.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { clock, tick } from './clock.ts';
import { writeCopy, type BytesTaker } from './carrier.ts';
import { dropGathered, gatherRecord, giveGathered } from './gathered-records.ts';
import { countRead } from './read-memory.ts';
import { readAsStream, readShared } from './shared-read.ts';

export interface Receiver {
  /** The bytes are good until it returns: who keeps some of them keeps a copy. */
  onBytes(bytes: Buffer): void;
  /** The peer sends no more (FIN, close_notify); it may still read. */
  onEnd(): void;
  /** The connection is gone, with the error that ended it if there was one. Called once. */
  onClose(error: Error | undefined): void;
  /** The socket can take more bytes after a `write` that returned false. */
  onDrain(): void;
}

/** Bytes kept for the next receiver before the peer is made to wait. */
const heldBytesMax = 65_536;

/** A reader of 1 KB/s is slow, but alive. */
const slowestByteMs = 1;

/** Firewalls between us and the peer forget silent connections after minutes. */
const keepAliveDelayMs = 60_000;

const kConnection = Symbol('connection');
type OwnedSocket = Socket & { [kConnection]: Connection };

export class Connection implements BytesTaker {
  readonly socket: Socket;
  /** When the last byte went in either direction, as far as we know. */
  lastActivityMs: number = tick();
  #receiver: Receiver | undefined;
  #held: Buffer | undefined;
  #state: 'open' | 'ended' | 'closed' = 'open';
  #error: Error | undefined;
  #reads = false;
  #isKeptAlive = false;
  /** Bytes are being given to the receiver now. */
  #isTaking = false;
  /** What is held still stands where it was read into. */
  #holdsLoan = false;
  readonly #hasRecords: boolean;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#hasRecords = socket instanceof TLSSocket;
    (socket as OwnedSocket)[kConnection] = this;
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.on('drain', onDrain);
    readShared(socket, onData);
  }

  /** Whether the peer may still send. */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether bytes came that nobody received yet. */
  get hasHeld(): boolean {
    return this.#held !== undefined;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** Gives all bytes from now on to `receiver`, first those that nobody took yet. */
  receive(receiver: Receiver): void {
    this.#receiver = receiver;
    // Before the held bytes: their receiver may make the peer wait at once.
    this.resume();
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      receiver.onBytes(held);
    }
    if (this.#receiver !== receiver) return;
    if (this.#state === 'closed') receiver.onClose(this.#error);
    else if (this.#state === 'ended') receiver.onEnd();
  }

  /** Bytes that nobody received yet, as good as those that a receiver gets. */
  takeHeld(): Buffer | undefined {
    const held = this.#held;
    this.#held = undefined;
    return held;
  }

  /** Keeps `bytes` for who receives next, and makes the peer wait when there are many. */
  hold(bytes: Buffer): void {
    if (this.#held === undefined && this.#isTaking) {
      // Who receives next may do so at once, and then there is nothing to copy.
      this.#held = bytes;
      this.#holdsLoan = true;
    } else {
      this.#keep(this.#held === undefined ? [bytes] : [this.#held, bytes]);
    }
  }

  #keep(pieces: readonly Buffer[]): void {
    this.#held = Buffer.concat(pieces);
    this.#holdsLoan = false;
    if (this.#held.length > heldBytesMax) this.pause();
  }

  /** Makes the peer wait: nothing more is read. */
  pause(): void {
    if (!this.#reads) return;
    this.#reads = false;
    this.socket.pause();
  }

  resume(): void {
    if (this.#reads) return;
    this.#reads = true;
    this.socket.resume();
  }

  /**
   * Writes bytes that nobody changes any more. False when the peer takes more time: wait for
   * `onDrain` before writing more.
   */
  write(bytes: Buffer): boolean {
    this.lastActivityMs = clock.nowMs;
    return this.socket.write(bytes);
  }

  /** The same for bytes as a receiver gets them. */
  pass(bytes: Buffer): boolean {
    this.lastActivityMs = clock.nowMs;
    return writeCopy(this.socket, bytes);
  }

  /**
   * Gives the socket away, for TLS to begin on it: from here on it is read no more, and for whoever
   * held it this connection is closed.
   */
  release(): Socket {
    const { socket } = this;
    socket.pause();
    readAsStream(socket, onData);
    socket.off('end', onEnd).off('error', onError);
    socket.off('close', onClose).off('drain', onDrain);
    this.#receiver = undefined;
    this.#state = 'closed';
    return socket;
  }

  /**
   * How much longer than usual silence may last: a large write tells nothing of how it gets on before
   * its last byte is out.
   */
  get unsentTimeMs(): number {
    return this.socket.writableLength * slowestByteMs;
  }

  destroy(): void {
    // What is not out will never be, and the peer must be able to tell.
    if (this.socket.writableLength > 0) return this.abort();
    dropGathered(this);
    this.socket.destroy();
  }

  /**
   * Has the system ask a silent peer now and then whether it is still there: firewalls forget such
   * connections. Called again and again by who looks after it, and not at the start, since it takes
   * four calls of the system, which a connection of one request does not need.
   */
  keepAlive(): void {
    if (this.#isKeptAlive) return;
    this.#isKeptAlive = true;
    this.socket.setKeepAlive(true, keepAliveDelayMs);
  }

  /** Ends so that the peer cannot take what it got for complete: RST, or no close_notify. */
  abort(): void {
    dropGathered(this);
    if (this.socket instanceof TLSSocket || this.socket.destroyed) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  handleData(bytes: Buffer): void {
    this.lastActivityMs = tick();
    countRead(bytes.length);
    if (!this.#hasRecords || !gatherRecord(this, bytes)) this.take(bytes);
  }

  take(bytes: Buffer): void {
    this.#isTaking = true;
    if (this.#receiver === undefined) this.hold(bytes);
    else this.#receiver.onBytes(bytes);
    this.#isTaking = false;
    if (this.#holdsLoan && this.#held !== undefined) this.#keep([this.#held]);
    this.#holdsLoan = false;
  }

  handleEnd(): void {
    if (this.#state !== 'open') return;
    giveGathered(this);
    if (this.socket.destroyed) return;
    this.#state = 'ended';
    this.lastActivityMs = tick();
    this.#receiver?.onEnd();
  }

  handleError(error: Error): void {
    this.#error = error;
  }

  handleClose(): void {
    giveGathered(this);
    this.#state = 'closed';
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onClose(this.#error);
  }

  handleDrain(): void {
    this.lastActivityMs = tick();
    this.#receiver?.onDrain();
  }
}

function onData(this: Socket, bytes: Buffer): void {
  (this as OwnedSocket)[kConnection].handleData(bytes);
}

function onEnd(this: Socket): void {
  (this as OwnedSocket)[kConnection].handleEnd();
}

function onError(this: Socket, error: Error): void {
  (this as OwnedSocket)[kConnection].handleError(error);
}

function onClose(this: Socket): void {
  (this as OwnedSocket)[kConnection].handleClose();
}

function onDrain(this: Socket): void {
  (this as OwnedSocket)[kConnection].handleDrain();
}
