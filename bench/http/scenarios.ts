// All HTTP scenarios, in the order in which they run. A new kind is a file and a line here.

import { bulk } from './bulk.ts';
import { connections } from './connections.ts';
import { handshakes } from './handshakes.ts';
import { latency } from './latency.ts';
import { polls } from './polls.ts';
import { reload } from './reload.ts';
import { requests } from './requests.ts';
import type { HttpScenario } from './setup.ts';

export const httpScenarios: readonly HttpScenario[] = [
  ...requests,
  ...connections,
  ...handshakes,
  ...bulk,
  ...polls,
  ...latency,
  ...reload
];
