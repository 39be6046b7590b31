// The only door to pino: one structured log on standard output, events and access lines alike.

import { destination, pino, type Logger, type DestinationStream } from 'pino';

export type { Logger };

/** Lines that nobody reads may not fill the memory: beyond this they are lost. */
const unreadBytesMax = 8 * 1024 * 1024;
/** How long the end of a process waits for a reader of its last lines. */
const flushTimeMs = 1000;

let ending = false;

/**
 * Makes the log of this process. Lines of several processes share one pipe; a write of at most
 * 4096 bytes to a pipe is atomic (POSIX, PIPE_BUF), so no line is cut by another's.
 */
export function createLog(level: string, role: string): Logger {
  const stream: DestinationStream = destination({
    dest: 1,
    sync: false,
    maxWrite: 4096,
    maxLength: unreadBytesMax,
    // A reader that stalls is waited for, but not by a process that ends.
    retryEAGAIN: () => !ending
  });
  return pino(
    { level, base: { pid: process.pid, role }, timestamp: isoTime, formatters: { level: word } },
    stream
  );
}

/** Writes out what is still in memory, as far as it is read; call before the process ends. */
export function flushLog(log: Logger): Promise<void> {
  ending = true;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, flushTimeMs);
    log.flush(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}

function word(label: string): { level: string } {
  return { level: label };
}
