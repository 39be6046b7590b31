// A container of Ballast as an administrator should run it: nothing writable, no capability but the
// one that low ports need. The host's network is the private one that run.ts made.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { image } from './image.ts';
import { podman, spawnPodman, tryPodman, type Ended } from './podman.ts';

/** The health check's timer needs systemd; the test runs its command itself. */
export const noTimer = ['--no-healthcheck'];
export const lowPorts = ['--cap-add', 'NET_BIND_SERVICE'];

let started = 0;

/** Runs one command of Ballast to its end. */
export function runOnce(
  configuration: string,
  options: string[],
  ...args: string[]
): Promise<Ended> {
  return tryPodman(...runArguments(nextName(), configuration, options), image, ...args);
}

export interface Container {
  /** The first line with this text that was not taken yet, log or not; those before it are gone. */
  take(text: string): Promise<string>;
  /** Of its first process, as this machine counts. */
  pid(): Promise<number>;
  reload(): Promise<string>;
  /** What the image gives the engine to run as its health check. */
  checkHealth(): Promise<Ended>;
  /** By the signal that the image names; the exit code. */
  stop(): Promise<number>;
}

/** Without `args` it is what the image does by itself. */
export async function startContainer(
  t: Test,
  configuration: string,
  options: string[],
  ...args: string[]
): Promise<Container> {
  const name = nextName();
  const child = spawnPodman('pipe', ...runArguments(name, configuration, options), image, ...args);
  t.teardown(() => tryPodman('rm', '--force', '--time', '0', name));
  const closed = once(child, 'close');
  let errors = '';
  child.stderr?.on('data', (text: Buffer) => (errors += text.toString()));
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  const take = async (text: string): Promise<string> => {
    for (;;) {
      const { done, value } = await lines.next();
      if (done === true) throw new Error(`ended without "${text}": ${errors}`);
      if (value.includes(text)) return value;
    }
  };
  return {
    take,
    pid: async () => Number(await podman('inspect', '--format', '{{.State.Pid}}', name)),
    reload: () => podman('kill', '--signal', 'HUP', name),
    checkHealth: async () => tryPodman('exec', name, ...(await healthCommand())),
    async stop() {
      await podman('stop', '--time', '20', name);
      const [code] = await closed;
      return code as number;
    }
  };
}

function nextName(): string {
  return `ballast-${process.pid}-${++started}`;
}

function runArguments(name: string, configuration: string, options: string[]): string[] {
  const sealed = ['--read-only', '--read-only-tmpfs=false', '--cap-drop', 'ALL'];
  sealed.push('--security-opt', 'no-new-privileges');
  const mount = ['--volume', `${configuration}:/etc/ballast:ro`];
  const run = ['run', '--rm', '--name', name, '--network', 'host', ...noTimer, ...limits()];
  return [...run, ...sealed, ...mount, ...options];
}

/** Podman's own limits are higher than some machines let even root set. */
export function limits(): string[] {
  const files = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim();
  return ['--ulimit', `nofile=${files}:${files}`, '--ulimit', 'nproc=4096:4096'];
}

async function healthCommand(): Promise<string[]> {
  const told = await podman('image', 'inspect', '--format', '{{json .HealthCheck}}', image);
  const [kind, ...command] = (JSON.parse(told) as { readonly Test: readonly string[] }).Test;
  if (kind !== 'CMD') throw new Error(`the image's health check is ${told}`);
  return command;
}
