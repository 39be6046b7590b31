// One round of small requests to one proxy, from a process of its own so that its CPU time stays apart.

import { fileURLToPath } from 'node:url';
import { withH2load } from './h2load.ts';
import type { Place } from './place.ts';
import { lastLine } from './program.ts';
import type { Sample } from './sample.ts';
import type { Heads } from './workload.ts';
import { withWrk } from './wrk.ts';

/** What is loaded: a URL, and the process whose time counts. */
export interface LoadTarget {
  readonly url: string;
  readonly pid: number;
  readonly heads: Heads;
}

type Run = (target: LoadTarget, place: Place, seconds: number) => Promise<Sample>;

const tools = {
  autocannon: withAutocannon,
  wrk: withWrk,
  h2load: withH2load
} satisfies Record<string, Run>;

export type LoadTool = keyof typeof tools;

export const loadTools = Object.keys(tools) as LoadTool[];

export function runLoad(
  tool: LoadTool,
  target: LoadTarget,
  place: Place,
  seconds: number
): Promise<Sample> {
  return tools[tool](target, place, seconds);
}

const autocannonRound = fileURLToPath(new URL('autocannon-round.ts', import.meta.url));

async function withAutocannon(
  { url, pid, heads }: LoadTarget,
  _place: Place,
  seconds: number
): Promise<Sample> {
  const args = [url, String(seconds), String(pid), heads];
  return JSON.parse(await lastLine(autocannonRound, args)) as Sample;
}
