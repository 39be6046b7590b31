// The only door to pino: one structured log on standard output, events and access lines alike.

import { destination, pino, type Logger, type DestinationStream } from 'pino';

export type { Logger };

/**
 * Makes the log of this process. Lines of several processes share one pipe; a write of at most
 * 4096 bytes to a pipe is atomic (POSIX, PIPE_BUF), so no line is cut by another's.
 */
export function createLog(level: string, role: string): Logger {
  const stream: DestinationStream = destination({ dest: 1, sync: false, maxWrite: 4096 });
  return pino(
    { level, base: { pid: process.pid, role }, timestamp: isoTime, formatters: { level: word } },
    stream
  );
}

/** Writes out what is still in memory; call before the process ends. */
export function flushLog(log: Logger): Promise<void> {
  return new Promise((resolve) => log.flush(() => resolve()));
}

function isoTime(): string {
  return `,"time":"${new Date().toISOString()}"`;
}

function word(label: string): { level: string } {
  return { level: label };
}
