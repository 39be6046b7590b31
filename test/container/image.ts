// Builds Ballast's image. Its base image is made here, of Debian and the Node that npm installs, so
// that no container registry is needed; it goes by the official one's name.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled, podman, spawnPodman, storeFolder, tryPodman } from './podman.ts';

export const baseImage = 'localhost/node:24-bookworm-slim';
export const image = 'localhost/ballast:test';

const project = fileURLToPath(new URL('../../', import.meta.url));
export const nodePackage = `node-${process.platform}-${process.arch}`;
const npmVersion = '11';

export async function buildImage(): Promise<void> {
  if ((await tryPodman('image', 'exists', baseImage)).code !== 0) await makeBaseImage();
  // chroot: a build needs no more, and can do so where namespaces are not to be had.
  const build = ['build', '--isolation', 'chroot', '--network', 'host', '--format', 'docker'];
  const mounts = trustOfThisMachine();
  await ended(spawnPodman('inherit', ...build, ...mounts, '--tag', image, project), 'podman build');
}

/** For npm where the network has an authority of its own; mounted, so not part of the image. */
function trustOfThisMachine(): string[] {
  const authorities = '/etc/ssl/certs/ca-certificates.crt';
  if (!existsSync(authorities)) return [];
  const npmrc = join(storeFolder, 'npmrc');
  writeFileSync(npmrc, `cafile=${authorities}\n`);
  return ['--volume', `${authorities}:${authorities}:ro`, '--volume', `${npmrc}:/root/.npmrc:ro`];
}

/** A minute or two and some 200 MB of download, once. */
async function makeBaseImage(): Promise<void> {
  if (!isInstalled('debootstrap')) throw new Error('not installed: debootstrap');
  const folder = mkdtempSync(join(storeFolder, 'base-'));
  const root = join(folder, 'root');
  try {
    await run('debootstrap', '--variant=minbase', 'bookworm', root);
    await installNode(folder, root);
    // As the slim images of Debian do.
    for (const part of ['doc', 'info', 'locale', 'man']) empty(join(root, 'usr/share', part));
    for (const part of ['cache/apt', 'lib/apt/lists', 'log']) empty(join(root, 'var', part));
    await run('chroot', root, 'useradd', '--uid', '1000', '--create-home', 'node');
    const archive = join(folder, 'root.tar');
    await run('tar', '-C', root, '-cf', archive, '.');
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    await podman('import', '--change', `ENV ${path}`, archive, baseImage);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function installNode(folder: string, root: string): Promise<void> {
  const { optionalDependencies } = JSON.parse(
    readFileSync(join(project, 'package.json'), 'utf8')
  ) as { readonly optionalDependencies: Readonly<Record<string, string>> };
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const packages = [`${nodePackage}@${optionalDependencies[nodePackage]}`, `npm@${npmVersion}`];
  await run('npm', 'install', '--no-audit', '--no-fund', '--prefix', folder, ...packages);
  const modules = join(folder, 'node_modules');
  const local = join(root, 'usr/local');
  cpSync(join(modules, nodePackage, 'bin/node'), join(local, 'bin/node'));
  mkdirSync(join(local, 'lib/node_modules'), { recursive: true });
  cpSync(join(modules, 'npm'), join(local, 'lib/node_modules/npm'), { recursive: true });
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin/npm'));
}

function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
}

async function run(program: string, ...args: string[]): Promise<void> {
  await ended(spawn(program, args, { stdio: 'inherit' }), program);
}

async function ended(child: ReturnType<typeof spawn>, what: string): Promise<void> {
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${what} ended with ${code}`);
}
