// One round of an HTTP scenario with a load of our own, as a program of its own so that its CPU time
// stays apart. Argument: an HttpOrder as JSON. Prints a Sample as a line of JSON.

import { httpScenarios } from './scenarios.ts';
import type { HttpRound } from './setup.ts';

export interface HttpOrder extends HttpRound {
  /** Its name. */
  readonly scenario: string;
}

const order = JSON.parse(process.argv[2] ?? '') as HttpOrder;
const work = httpScenarios.find(({ name }) => name === order.scenario)?.work;
if (work === undefined || !('measure' in work)) throw new Error(`no load for ${order.scenario}`);
process.stdout.write(`${JSON.stringify(await work.measure(order))}\n`);
