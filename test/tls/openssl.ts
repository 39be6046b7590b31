// Files as the openssl program writes them. It is a Debian package: without it a bare machine skips
// these tests and says so; for CI a skipped test is a failed one.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Options for a test that needs the program. */
export const needsOpenssl = {
  skip: isInstalled() ? false : 'openssl is not installed here'
} as const;

export interface Workshop {
  readonly folder: string;
  /** Runs openssl in a directory of its own; `words` are parted by spaces. */
  run(words: string, ...more: string[]): string;
  read(name: string): Buffer;
}

export function openWorkshop(t: Test): Workshop {
  const directory = mkdtempSync(join(tmpdir(), 'ballast-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return {
    folder: directory,
    run: (words, ...more) =>
      execFileSync('openssl', [...words.split(' '), ...more], {
        cwd: directory,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe']
      }),
    read: (name) => readFileSync(join(directory, name))
  };
}

function isInstalled(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
