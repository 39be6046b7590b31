// The only door to pino: one structured log on standard output, events and access lines alike.

import { fstatSync, openSync, writeSync, constants } from 'node:fs';
import { destination, pino, type Logger as PinoLogger } from 'pino';

/** Lines that nobody reads may not fill the memory: beyond this they are lost. */
const unreadBytesMax = 8 * 1024 * 1024;
/** How long the end of a process waits for a reader of its last lines who takes none. */
const flushTimeMs = 1000;
/**
 * Lines of several processes share one pipe; a write of at most so many bytes to a pipe is atomic
 * (POSIX, PIPE_BUF), so no line is cut by another's.
 */
const atomicBytesMax = 4096;

let ending = false;

export interface Logger extends PinoLogger {
  /** What `info` and `warn` do, at half the cost, for fields that JSON knows, at least one. */
  line(level: 'info' | 'warn', fields: object, message: string): void;
}

/** Makes the log of this process. */
export function createLog(level: string, role: string): Logger {
  const lines = new Lines();
  const base = { pid: process.pid, role };
  const log = pino({ level, base, timestamp: isoTime, formatters: { level: word } }, lines);
  const constant = inner(base);
  return Object.assign(log, {
    line(lineLevel: 'info' | 'warn', fields: object, message: string): void {
      if (!log.isLevelEnabled(lineLevel)) return;
      const head = `{"level":"${lineLevel}"${isoTime()},${constant}`;
      lines.write(`${head},${inner(fields)},"msg":${JSON.stringify(message)}}\n`);
    }
  });
}

/** For what could be told by the thousand: so many in a period, and of the others how many they were. */
export class Ration {
  readonly #most: number;
  readonly #periodMs: number;
  #period = 0;
  #told = 0;
  #leftOut = 0;

  constructor(most: number, periodMs: number) {
    this.#most = most;
    this.#periodMs = periodMs;
  }

  /** Undefined = no room for this one; else how many had none since the last one that was told. */
  take(nowMs: number): number | undefined {
    const period = Math.floor(nowMs / this.#periodMs);
    if (period !== this.#period) this.#told = 0;
    this.#period = period;
    if (this.#told >= this.#most) {
      this.#leftOut++;
      return undefined;
    }
    this.#told++;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}

/** Writes out what is still in memory, as far as it is read; call before the process ends. */
export function flushLog(log: Logger): Promise<void> {
  ending = true;
  return new Promise((resolve) => log.flush(() => resolve()));
}

/**
 * Standard output by whole lines, those of one turn of the event loop in one write. It is made at once
 * where it cannot wait for a reader: a thread, to which pino's own stream gives each write, costs some
 * 6 us a line (bench `plain-log`). What cannot be written at once goes by that stream, and all that
 * comes behind it, until it is written.
 */
class Lines {
  readonly #unread = destination({
    dest: 1,
    sync: false,
    maxWrite: atomicBytesMax,
    maxLength: unreadBytesMax,
    // A reader that stalls is waited for, but not by a process that ends.
    retryEAGAIN: () => !ending
  });
  /** Undefined where a write could wait. */
  readonly #direct = openDirect();
  readonly #bytes = Buffer.allocUnsafe(atomicBytesMax);
  #length = 0;
  #isDue = false;
  /** Whether the stream has lines that are not written yet. */
  #isBehind = false;
  /** Whether its latest write failed. */
  #hasFailed = false;

  constructor() {
    const unread = this.#unread;
    const flushSync = unread.flushSync.bind(unread);
    // A full disk, say. What could not be written goes with the next lines. Without a listener this would
    // end the process, and its end would try to write until it can.
    unread.on('error', () => {
      this.#hasFailed = true;
      unread.flushSync = () => {};
    });
    unread.on('drain', () => {
      this.#isBehind = this.#hasFailed = false;
      unread.flushSync = flushSync;
    });
    // Before the stream's own listener, which writes out what it has.
    process.prependListener('exit', () => this.#send());
  }

  write(line: string): void {
    const size = Buffer.byteLength(line);
    if (this.#length + size > atomicBytesMax) this.#send();
    if (size > atomicBytesMax) return this.#handOver(line);
    this.#length += this.#bytes.write(line, this.#length);
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(this.#turnEnded);
  }

  /** `done` is called when all is written, or cannot be. A reader who takes nothing is the end. */
  flush(done: () => void): void {
    this.#send();
    if (!this.#isBehind) return done();
    const unread = this.#unread;
    // An orderly exit would wait for him, and for the thread that writes to him, for ever.
    const stalled = setTimeout(() => process.kill(process.pid, 'SIGKILL'), flushTimeMs);
    const settle = (): void => {
      clearTimeout(stalled);
      unread.off('drain', settle).off('error', settle);
      done();
    };
    unread.on('drain', settle).on('error', settle);
    unread.on('write', () => stalled.refresh());
    // There may be room by now.
    if (this.#hasFailed) unread.write('');
  }

  readonly #turnEnded = (): void => {
    this.#isDue = false;
    this.#send();
  };

  #send(): void {
    const length = this.#length;
    this.#length = 0;
    if (length === 0) return;
    const written = this.#isBehind ? 0 : this.#writeDirect(length);
    if (written < length) this.#handOver(this.#bytes.toString('utf8', written, length));
  }

  /** How many bytes went: none to a pipe that is full. */
  #writeDirect(length: number): number {
    if (this.#direct === undefined) return 0;
    try {
      return writeSync(this.#direct, this.#bytes, 0, length);
    } catch {
      return 0; // the stream meets the same error
    }
  }

  #handOver(lines: string): void {
    this.#isBehind = true;
    this.#unread.write(lines);
  }
}

/**
 * A file is written at once. A pipe is opened a second time, so that only we do not wait for its
 * reader and not everybody who shares standard output. Sockets and terminals have no such way.
 */
function openDirect(): number | undefined {
  try {
    const kind = fstatSync(1);
    if (kind.isFile()) return 1;
    if (!kind.isFIFO()) return undefined;
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined; // closed, no /proc, or a pipe of another user
  }
}

/** The members of an object as JSON, without its braces. */
function inner(fields: object): string {
  return JSON.stringify(fields).slice(1, -1);
}

let second = 0;
let secondText = '';

/** The time to the millisecond; all but these are the same for a second. */
function isoTime(): string {
  const ms = Date.now();
  const thisSecond = Math.floor(ms / 1000);
  if (thisSecond !== second) {
    second = thisSecond;
    secondText = new Date(ms).toISOString().slice(0, -4);
  }
  return `,"time":"${secondText}${String(ms % 1000).padStart(3, '0')}Z"`;
}

function word(label: string): { level: string } {
  return { level: label };
}
