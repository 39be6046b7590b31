// Records of TLS that came together go on together. Node decrypts record by record, 16 KiB at most,
// and hands each on by itself: a write, with its call of the system, for each made an upload dearer
// by half. A full record is seldom the last one, so it waits for those behind it: until one is not
// full, the buffer is, or the turn of the event loop is over.

import { giveCarried, takeCarrier, type BytesTaker, type Carrier } from './carrier.ts';

/** RFC 8446 5.1, RFC 5246 6.2.1: the most that a record holds. */
const fullRecordBytes = 16_384;

/** The one connection that gathers: the event loop reads all that one has before the next. */
let taker: BytesTaker | undefined;
let carrier: Carrier | undefined;
let length = 0;
let isScheduled = false;

/** Whether `bytes`, just decrypted, are to wait or went on with others; else they go on by themselves. */
export function gatherRecord(to: BytesTaker, bytes: Buffer): boolean {
  const isFull = bytes.length === fullRecordBytes;
  if (to !== taker) {
    if (!isFull) return false;
    giveAll();
    taker = to;
  }
  carrier ??= takeCarrier();
  carrier.buffer.set(bytes, length);
  length += bytes.length;
  if (!isFull || length + fullRecordBytes > carrier.buffer.length) giveAll();
  else if (!isScheduled) {
    isScheduled = true;
    setImmediate(endTurn);
  }
  return true;
}

/** Gives `to` what still waits for it, if anything does. */
export function giveGathered(to: BytesTaker): void {
  if (to === taker) giveAll();
}

/** `to` wants no more. */
export function dropGathered(to: BytesTaker): void {
  if (to !== taker) return;
  taker = undefined;
  length = 0;
}

function endTurn(): void {
  isScheduled = false;
  giveAll();
}

function giveAll(): void {
  if (taker === undefined || carrier === undefined) return;
  const [to, full, bytes] = [taker, carrier, length];
  taker = carrier = undefined;
  length = 0;
  giveCarried(full, bytes, to);
}
