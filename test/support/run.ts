// npm test. On a fresh clone tap is built once without its TypeScript plugin: Node strips the types
// itself, and that plugin cannot load TypeScript 7. (Left to itself, tap rebuilds during its first
// run but still starts that run's tests with the old plugin, so they all fail.)

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modules = new URL('../../node_modules/', import.meta.url);
const tapProgram = fileURLToPath(new URL('tap/dist/esm/run.mjs', modules));
const builtTest = new URL('@tapjs/test/test-built/dist/esm/index.js', modules);

function tap(...args: string[]): number {
  return spawnSync(process.execPath, [tapProgram, ...args], { stdio: 'inherit' }).status ?? 1;
}

if (readFileSync(builtTest, 'utf8').includes('@tapjs/typescript')) {
  const status = tap('build');
  if (status !== 0) process.exit(status);
}
process.exit(tap(...process.argv.slice(2)));
