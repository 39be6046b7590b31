// Finds the end of mail data: CR LF dot CR LF and nothing else (RFC 5321 4.1.1.4). A dot alone
// between other line ends is where one program sees the end and another does not; what stands
// behind it is mail to one and commands to the other, so it is refused.

import { CR, LF } from './line-end.ts';

export interface DotVerdict {
  /** Bytes up to the end, or up to the byte that shows a false end: that one is not among them. */
  readonly length: number;
  readonly is: 'open' | 'ended' | 'false-end';
}

/** A dot is judged by up to three bytes before it and two behind it. */
const bytesBefore = 3;
const bytesBehind = 2;
const contextBytes = bytesBefore + bytesBehind;

const lfDot = Buffer.from('\n.');
const crDot = Buffer.from('\r.');
const nulDot = Buffer.from('\0.');

export class DotWatch {
  /** The bytes before those to come; data begin behind the line end of a command. */
  #context = Buffer.from('\r\n');

  take(bytes: Buffer): DotVerdict {
    const context = this.#context;
    // What lies across the border first: only there both parts are needed.
    const border = Buffer.concat([context, bytes.subarray(0, contextBytes)]);
    const early = findDot(border, 0);
    if (early.is !== 'open') return { length: early.length - context.length, is: early.is };
    const verdict = findDot(bytes, bytesBefore);
    this.#context = Buffer.from(
      bytes.length >= contextBytes ? bytes.subarray(-contextBytes) : border.subarray(-contextBytes)
    );
    return verdict;
  }
}

/** The first dot in `bytes[from..]` that is an end or a false one. */
function findDot(bytes: Buffer, from: number): DotVerdict {
  let found: DotVerdict = { length: bytes.length, is: 'open' };
  for (const needle of [lfDot, crDot, nulDot]) {
    let at = bytes.indexOf(needle, Math.max(0, from - 1));
    for (; at !== -1 && at < found.length; at = bytes.indexOf(needle, at + 1)) {
      const verdict = judgeDot(bytes, at + 1);
      if (verdict.is === 'open') continue;
      if (verdict.length < found.length || found.is === 'open') found = verdict;
      break;
    }
  }
  return found;
}

function judgeDot(bytes: Buffer, dot: number): DotVerdict {
  const open: DotVerdict = { length: bytes.length, is: 'open' };
  const next = bytes[dot + 1];
  if (next !== CR && next !== LF) return open;
  const before = bytes[dot - 1];
  const beforeThat = bytes[dot - 2];
  if (before === LF && beforeThat === CR) {
    if (next === LF) return { length: dot + 1, is: 'false-end' };
    const last = bytes[dot + 2];
    if (last === undefined) return open;
    return last === LF ? { length: dot + 3, is: 'ended' } : { length: dot + 2, is: 'false-end' };
  }
  // Some programs drop NULs, which would make this a line of its own.
  if (before === 0 && beforeThat !== CR && beforeThat !== LF) return open;
  return { length: dot + 1, is: 'false-end' };
}
