// The real program as a child process: its log, line by line, and its end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface LogLine {
  readonly msg: string;
  readonly pid: number;
  readonly level: string;
  readonly [field: string]: unknown;
}

export interface Program {
  readonly pid: number;
  readonly logged: readonly LogLine[];
  /** The first line with this message that was not taken yet; the lines before it stay. */
  take(msg: string, test?: (line: LogLine) => boolean): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** When it and all that inherited its output are gone. */
  readonly ended: Promise<Ending>;
}

export interface Ending {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function startProgram(...args: string[]): Program {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const waiting: LogLine[] = [];
  const logged: LogLine[] = [];
  let stdout = '';
  let stderr = '';
  let wake = Promise.withResolvers<void>();
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  createInterface({ input: child.stdout }).on('line', (line) => {
    stdout += `${line}\n`;
    if (!line.startsWith('{')) return;
    const parsed = JSON.parse(line) as LogLine;
    waiting.push(parsed);
    logged.push(parsed);
    wake.resolve();
  });
  let over = false;
  const ended = once(child, 'close').then(([code]): Ending => {
    over = true;
    wake.resolve();
    return { code: code as number | null, stdout, stderr };
  });
  return {
    pid: child.pid ?? 0,
    logged,
    ended,
    kill: (signal) => void child.kill(signal),
    async take(msg, test = () => true) {
      for (;;) {
        const index = waiting.findIndex((line) => line.msg === msg && test(line));
        const [found] = index === -1 ? [] : waiting.splice(index, 1);
        if (found !== undefined) return found;
        if (over) throw new Error(`ended without "${msg}": ${stdout}${stderr}`);
        await wake.promise;
        wake = Promise.withResolvers();
      }
    }
  };
}
