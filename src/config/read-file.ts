// Files that a configuration names, with reasons an administrator can act on.

import { readFile, stat } from 'node:fs/promises';

const bytesMax = 4 * 1024 * 1024;

/** Throws an Error that says what is wrong with the file and what would be right. */
export async function readBytes(path: string): Promise<Buffer> {
  const fail = (error: unknown): never => {
    throw new Error(`cannot read ${path}: ${readProblem(error)}`);
  };
  // Before it is read: a device or a pipe has no end.
  const found = await stat(path).catch(fail);
  if (!found.isFile() && !found.isDirectory()) {
    throw new Error(`${path} is not a regular file; name one`);
  }
  if (found.size > bytesMax) throw new Error(`${path} is longer than 4 MiB; use a smaller file`);
  return readFile(path).catch(fail);
}

export async function readText(path: string): Promise<string> {
  return decodeText(await readBytes(path), path);
}

export function decodeText(data: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw new Error(`${path} is not UTF-8; save it as UTF-8`);
  }
}

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it does not exist; correct the path or create the file'],
  ['EACCES', 'permission denied; let this user read it'],
  ['EISDIR', 'it is a directory; name a file']
]);

/** Ends in a cure, as every problem does. */
function readProblem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  return reasons.get(code) ?? `${code}; name a readable file`;
}

/** The reason in an error, with a cure behind it where it brings none. */
export function withCure(error: unknown, cure: string): string {
  const reason = error instanceof Error ? error.message : String(error);
  return reason.includes(';') ? reason : `${reason}; ${cure}`;
}
