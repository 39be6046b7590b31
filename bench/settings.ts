// The command line of the bench.

import { parseArgs } from 'node:util';
import { proxyNames, type ProxyName, type Scenario } from './contest.ts';
import { httpScenarios } from './http/scenarios.ts';
import type { HttpScenario } from './http/setup.ts';
import { loadTools, type LoadTool } from './load.ts';
import { findProgram } from './program.ts';
import { relayScenarios, type RelayScenario } from './relay/scenarios.ts';
import { targets } from './targets.ts';

export interface Settings {
  readonly http: readonly HttpScenario[];
  readonly relay: readonly RelayScenario[];
  readonly proxies: readonly ProxyName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly load: LoadTool;
  /** Sessions and polls where memory is measured; undefined = as many as the scenario has. */
  readonly held: number | undefined;
}

const every: readonly Scenario[] = [...httpScenarios, ...relayScenarios];
const groups = new Set(['targets', ...every.flatMap((scenario) => scenario.groups)]);

export const usage = `npm run bench -- [options]
  --scenario NAME    may be repeated, or several with commas between them; default: all
                     scenarios: ${wrapped(every.map(({ name }) => name))}
                     groups: ${wrapped([...groups])}
  --proxy NAME       one of ${proxyNames.join(', ')};
                     may be repeated; default: all that are installed
  --rounds N         rounds that count, default 5
  --seconds N        length of a round, default 3
  --sessions N       how many sessions and polls are held, default 5000
  --load TOOL        ${loadTools.join(', ')}: who sends small requests; default autocannon
  --quick            two rounds of half a second of a few scenarios, or of those that are
                     named: to see that all works, not to quote`;

export function readSettings(): Settings | 'help' {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string', multiple: true },
      proxy: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      sessions: { type: 'string' },
      load: { type: 'string', default: 'autocannon' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  });
  if (values.help) return 'help';
  const isChosen = choice(values.scenario, values.quick);
  const unknown = values.proxy?.find((name) => !proxyNames.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`there is no proxy ${unknown}`);
  const load = loadTools.find((tool) => tool === values.load);
  if (load === undefined) throw new Error(`there is no load tool ${values.load}`);
  if (load !== 'autocannon' && findProgram(load) === undefined) {
    throw new Error(`${load} is not installed`);
  }
  const sessions = values.sessions ?? (values.quick ? '300' : undefined);
  return {
    http: httpScenarios.filter(isChosen),
    relay: relayScenarios.filter(isChosen),
    proxies: proxyNames.filter((name) => values.proxy?.includes(name) ?? true),
    rounds: readCount(values.rounds, values.quick ? 2 : 5),
    seconds: values.seconds === undefined && values.quick ? 0.5 : readCount(values.seconds, 3),
    warmUpSeconds: values.quick ? 0.4 : 2,
    load,
    held: sessions === undefined ? undefined : readCount(sessions, 0)
  };
}

function choice(
  given: readonly string[] | undefined,
  quick: boolean
): (scenario: Scenario) => boolean {
  if (given === undefined) return (scenario) => !quick || scenario.quick;
  const wanted = given.flatMap((text) => text.split(','));
  const unknown = wanted.find(
    (name) => !groups.has(name) && !every.some((scenario) => scenario.name === name)
  );
  if (unknown !== undefined) throw new Error(`there is no scenario ${unknown}`);
  return ({ name, groups: own }) =>
    wanted.includes(name) ||
    own.some((group) => wanted.includes(group)) ||
    (wanted.includes('targets') && targets[name] !== undefined);
}

function readCount(text: string | undefined, preset: number): number {
  const count = text === undefined ? preset : Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`${text} is not a whole number from 1`);
  return count;
}

function wrapped(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    const last = lines[lines.length - 1] ?? '';
    if (last.length + name.length > 64) lines.push(name);
    else lines[lines.length - 1] = last === '' ? name : `${last}, ${name}`;
  }
  return lines.join(`,\n${' '.repeat(23)}`);
}
