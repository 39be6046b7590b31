// Loads configurations that stand in a test as text.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfiguration, type LoadOptions } from '../../src/config/load.ts';
import type { Configuration, VirtualService } from '../../src/config/model.ts';
import { formatProblem } from '../../src/config/problem.ts';

/** No test asks a real resolver. */
export function noSuchHost(): Promise<string> {
  return Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }));
}

export interface Outcome {
  readonly configuration: Configuration;
  readonly warnings: readonly string[];
}

/** Throws with all problems when there are any. */
export async function load(folder: string, text: string, options?: LoadOptions): Promise<Outcome> {
  const file = join(folder, 'ballast.yaml');
  writeFileSync(file, text);
  const loaded = await loadConfiguration(file, {
    writable: false,
    resolve: noSuchHost,
    ...options
  });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded;
}

/** The problems, without the name of the file. */
export async function problemsOf(folder: string, text: string): Promise<string[]> {
  const file = join(folder, 'ballast.yaml');
  writeFileSync(file, text);
  const loaded = await loadConfiguration(file, { writable: false, resolve: noSuchHost });
  if (!('problems' in loaded)) return [];
  return loaded.problems.map((problem) => formatProblem(problem).replace(`${file}:`, ''));
}

export function serviceOf({ configuration }: Outcome, name: string): VirtualService {
  const service = configuration.virtualServices.find((each) => each.name === name);
  if (service === undefined) throw new Error(`there is no service ${name}`);
  return service;
}
