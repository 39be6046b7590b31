// Starts the programs of a comparison, waits until they serve and stops them again.

import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Program {
  readonly name: string;
  readonly pid: number;
  /** The end of what it wrote to its outputs. */
  said(): string;
  stop(): Promise<void>;
}

const startTimeoutMs = 20_000;
const stopTimeoutMs = 5_000;
const running = new Set<ChildProcess>();

// Whatever ends the bench must not leave servers behind.
process.on('exit', () => running.forEach((child) => child.kill('SIGTERM')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/**
 * Resolves once something accepts at `address:port`; what the program said is in the error. Its
 * standard output goes to `logFile` where that is given.
 */
export async function startProgram(
  name: string,
  command: readonly [string, ...string[]],
  address: string,
  port: number,
  logFile?: string
): Promise<Program> {
  const [file, ...args] = command;
  const output = logFile === undefined ? 'pipe' : openSync(logFile, 'a');
  const child = spawn(file, args, { stdio: ['ignore', output, 'pipe'] });
  if (typeof output === 'number') closeSync(output);
  const pid = child.pid;
  let said = '';
  const listen = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-4000));
  child.stdout?.on('data', listen);
  child.stderr?.on('data', listen);
  running.add(child);
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      said += error.message;
      resolve();
    });
    child.on('exit', () => {
      running.delete(child);
      resolve();
    });
  });

  const over = performance.now() + startTimeoutMs;
  while (!(await accepts(address, port))) {
    const gone = pid === undefined || child.exitCode !== null || child.signalCode !== null;
    if (gone || performance.now() > over) {
      child.kill('SIGKILL');
      throw new Error(`${name} ${gone ? 'ended' : 'does not listen'}; it said:\n${said}`);
    }
    await delay(50);
  }
  if (pid === undefined) throw new Error(`${name} did not start: ${said}`);
  return { name, pid, said: () => said, stop: () => stopChild(child, ended) };
}

/**
 * The line that a Node program of ours prints when its work is done. It is killed then: Node's exit
 * may wait forever for a compiler thread that waits for a collection (nodejs/node issue 54918).
 */
export async function lastLine(file: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let line = '';
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    line += chunk.toString();
    if (line.endsWith('\n')) child.kill('SIGKILL');
  });
  await once(child, 'close');
  running.delete(child);
  if (!line.endsWith('\n')) throw new Error(`${file} ended without a result: ${complaint}`);
  return line;
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await ended;
  clearTimeout(late);
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/**
 * A port that was free a moment ago, below those that the kernel gives to connections: one of these
 * could take it until its program listens, or the probe of `accepts` could even connect to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const server = createServer().listen(port, '0.0.0.0');
    const listens = await once(server, 'listening').then(
      () => true,
      () => false
    );
    if (!listens) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

/** The full path of an installed program; Debian keeps daemons in /usr/sbin. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
