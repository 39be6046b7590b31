// Ballast itself, started by the lab as an administrator would start it, its log in a file.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../main.ts', import.meta.url));
const readyTimeoutMs = 30_000;
const endTimeoutMs = 3000;
const lastLinesMax = 10;

export interface BallastProcess {
  /** Resolves when it ended, with its last lines. */
  readonly ended: Promise<string>;
  end(): Promise<void>;
}

/** Starts it and returns when its log says `ready`. */
export async function startBallast(
  configuration: string,
  logFile: string,
  stop: AbortSignal
): Promise<BallastProcess> {
  const child = spawn(process.execPath, [program, 'run', '--config', configuration], {
    stdio: ['ignore', 'pipe', 'pipe']
  });
  const log = createWriteStream(logFile);
  const lastLines: string[] = [];
  const exited = once(child, 'exit');
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        lastLines.push(line);
        if (lastLines.length > lastLinesMax) lastLines.shift();
        if (messageOf(line) === 'ready') resolve();
      });
    }
  });
  const ended = once(child, 'close').then(() => {
    log.end();
    return lastLines.join('\n');
  });
  const failed = ended.then((lines) => {
    throw new Error(`Ballast ended before it was ready:\n${lines}`);
  });
  const late = delay(readyTimeoutMs, undefined, { signal: stop, ref: false }).then(() => {
    throw new Error(`Ballast was not ready after ${readyTimeoutMs / 1000} s; see its log`);
  });
  failed.catch(() => {});
  late.catch(() => {});
  try {
    await Promise.race([ready, failed, late]);
  } catch (error) {
    await endChild(child, exited);
    if (stop.aborted) throw stop.reason;
    throw error;
  }
  return { ended, end: () => endChild(child, exited) };
}

/** The first SIGTERM drains, the second one ends at once; nothing outlives the lab. */
async function endChild(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGKILL'] as const) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await Promise.race([exited, delay(endTimeoutMs, undefined, { ref: false })]);
  }
}

function messageOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { msg?: unknown }).msg;
  } catch {
    // Not a line of the log, such as a warning of Node's.
    return undefined;
  }
}
