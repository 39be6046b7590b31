// Podman with a store of its own: nothing of the machine's images and containers is seen or touched.

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Stays after the run, so that the next one finds the base image. */
export const storeFolder = join(tmpdir(), 'ballast-container-test');

const execFileAsync = promisify(execFile);

/** The folder has a name that anyone could have taken first. */
export function openStore(): void {
  mkdirSync(storeFolder, { recursive: true, mode: 0o700 });
  if (statSync(storeFolder).uid !== process.getuid?.()) {
    throw new Error(`${storeFolder} belongs to someone else`);
  }
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Standard output; throws with what podman said when it fails. */
export async function podman(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryPodman(...args);
  if (code !== 0) throw new Error(`podman ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

export async function tryPodman(...args: string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await execFileAsync('podman', [...globalOptions(), ...args])) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

export function spawnPodman(stdio: 'inherit' | 'pipe', ...args: string[]): ChildProcess {
  return spawn('podman', [...globalOptions(), ...args], { stdio: ['ignore', stdio, stdio] });
}

function globalOptions(): string[] {
  const store = ['--root', join(storeFolder, 'root'), '--runroot', join(storeFolder, 'run')];
  // Without systemd; and crun, the default, refuses a machine with both cgroup versions.
  const plain = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file'];
  return [...store, ...plain, ...(isInstalled('runc') ? ['--runtime', 'runc'] : [])];
}

export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}
