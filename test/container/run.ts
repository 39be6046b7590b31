// npm run test:container: builds the image as its administrator would and tries it, with podman and
// without a registry of images. Needs root on Debian, and the network the first time. `--clean`
// removes what a run leaves for the next one, some 250 MB in the system's temporary folder.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { baseImage, buildImage, image } from './image.ts';
import { isInstalled, openStore, podman, storeFolder } from './podman.ts';

const runTap = fileURLToPath(new URL('../support/run.ts', import.meta.url));
const checks = 'test/container/checks.ts';

/** Its own network: no port is taken, and no other program's listener is met. */
function check(): number {
  const program = [process.execPath, runTap, '--disable-coverage', checks];
  const start = 'ip link set lo up && exec "$@"';
  const args = ['--net', '--', 'sh', '-c', start, 'sh', ...program];
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  return spawnSync('unshare', args, { cwd, stdio: 'inherit' }).status ?? 1;
}

async function megabytes(name: string): Promise<number> {
  return Math.round(Number(await podman('image', 'inspect', '--format', '{{.Size}}', name)) / 1e6);
}

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, for a base image and a network of its own';
  const absent = ['podman', 'unshare', 'ip', 'curl', 'pgrep'].filter((name) => !isInstalled(name));
  return absent.length === 0 ? undefined : `not installed: ${absent.join(', ')}`;
}

async function main(): Promise<number> {
  const reason = whyNot();
  if (reason !== undefined) {
    console.error(`test:container: ${reason}`);
    return 1;
  }
  openStore();
  try {
    await buildImage();
    console.log(`image: ${await megabytes(image)} MB, of these base ${await megabytes(baseImage)}`);
    return check();
  } finally {
    // Layers of earlier builds; and podman leaves its store mounted.
    await podman('image', 'prune', '--force');
    spawnSync('umount', [join(storeFolder, 'root/overlay')], { stdio: 'ignore' });
    if (process.argv.includes('--clean')) rmSync(storeFolder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
