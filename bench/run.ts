// npm run bench: Ballast, HAProxy and nginx in turns at the same work, each against itself and the
// others in CPU time per request. Exits 1 when a single answer was wrong.

import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { startBackend, type Backend } from './backend.ts';
import { runLoad, type LoadTool, type Sample } from './load.ts';
import { makePlace, type Place } from './place.ts';
import { proxyNames, startProxy, type Proxy, type ProxyName } from './proxies.ts';
import { findProgram } from './program.ts';
import { printTable, rowsOf, type Row, type Rounds } from './table.ts';
import { verifyAnswers } from './verify.ts';
import { connections, scenarios, type Scenario } from './workload.ts';

interface Settings {
  readonly scenarios: readonly Scenario[];
  readonly proxies: readonly ProxyName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly load: LoadTool;
}

const usage = `npm run bench -- [options]
  --scenario NAME    one of ${scenarios.map(({ name }) => name).join(', ')}; default: all
  --proxy NAME       one of ${proxyNames.join(', ')}; may be repeated; default: all that are installed
  --rounds N         rounds that count, default 5
  --seconds N        length of a round, default 3
  --load TOOL        autocannon (default) or wrk
  --quick            two rounds of 1 s: to see that all works, not to quote`;

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      scenario: { type: 'string' },
      proxy: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      load: { type: 'string', default: 'autocannon' },
      quick: { type: 'boolean', default: false }
    }
  });
  const chosen = scenarios.filter(
    ({ name }) => values.scenario === undefined || values.scenario === name
  );
  if (chosen.length === 0) throw new Error(`there is no scenario ${values.scenario}`);
  const unknown = values.proxy?.find((name) => !proxyNames.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`there is no proxy ${unknown}`);
  if (values.load !== 'autocannon' && values.load !== 'wrk') {
    throw new Error(`there is no load tool ${values.load}`);
  }
  if (values.load === 'wrk' && findProgram('wrk') === undefined) {
    throw new Error('wrk is not installed');
  }
  return {
    scenarios: chosen,
    proxies: proxyNames.filter((name) => values.proxy?.includes(name) ?? true),
    rounds: readCount(values.rounds, values.quick ? 2 : 5),
    seconds: readCount(values.seconds, values.quick ? 1 : 3),
    warmUpSeconds: values.quick ? 0.7 : 2,
    load: values.load
  };
}

function readCount(text: string | undefined, preset: number): number {
  const count = text === undefined ? preset : Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`${text} is not a whole number from 1`);
  return count;
}

async function measureScenario(
  scenario: Scenario,
  settings: Settings,
  place: Place,
  backend: Backend
): Promise<Rounds> {
  const proxies: Proxy[] = [];
  try {
    for (const name of settings.proxies) {
      const proxy = await startProxy(name, scenario, place, backend);
      if (proxy === undefined) console.log(`${name} is not installed: left out`);
      else proxies.push(proxy);
    }
    for (const proxy of proxies) {
      await verifyAnswers(proxy);
      await runRound(proxy, settings, place, settings.warmUpSeconds);
    }
    const rounds = new Map<ProxyName, Sample[]>(proxies.map(({ name }) => [name, []]));
    for (let round = 1; round <= settings.rounds; round++) {
      for (const proxy of proxies) {
        const sample = await runRound(proxy, settings, place, settings.seconds);
        rounds.get(proxy.name)?.push(sample);
      }
    }
    return rounds;
  } finally {
    await Promise.all(proxies.map(({ program }) => program.stop()));
  }
}

/** A figure beside wrong answers is worth nothing: it is an error, not a sample. */
async function runRound(
  proxy: Proxy,
  { load }: Settings,
  place: Place,
  seconds: number
): Promise<Sample> {
  const fail = (why: string): never => {
    throw new Error(`${proxy.name}: ${why}\n${proxy.name} said:\n${proxy.program.said()}`);
  };
  const sample = await runLoad(load, proxy, place, seconds).catch((error: unknown) =>
    fail(error instanceof Error ? error.message : String(error))
  );
  if (sample.requests === 0) fail('not one answer');
  if (sample.failures.length > 0) fail(sample.failures.join(', '));
  return sample;
}

async function bench(settings: Settings): Promise<void> {
  const place = await makePlace();
  const results: { scenario: string; rows: readonly Row[]; rounds: unknown }[] = [];
  try {
    const backend = await startBackend(place);
    try {
      const { load, rounds, seconds } = settings;
      console.log(`${rounds} rounds of ${seconds} s, ${load}, ${connections} connections`);
      console.log(`servers: ${backend.program.name}, Node ${process.version}`);
      for (const scenario of settings.scenarios) {
        console.log(`\n${scenario.name}: ${scenario.says}`);
        const samples = await measureScenario(scenario, settings, place, backend);
        const rows = rowsOf(samples);
        results.push({ scenario: scenario.name, rows, rounds: Object.fromEntries(samples) });
        console.log(printTable(rows));
      }
    } finally {
      await backend.program.stop();
    }
  } finally {
    place.remove();
  }
  console.log(`\nwritten to ${save(settings, results)}`);
}

function save(settings: Settings, results: unknown): string {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${new Date().toISOString().replaceAll(':', '-')}.json`, folder);
  const processors = cpus();
  const machine = {
    node: process.version,
    kernel: release(),
    processors: processors.length,
    model: processors[0]?.model
  };
  writeFileSync(file, `${JSON.stringify({ machine, settings, results }, null, 2)}\n`);
  return file.pathname;
}

try {
  const settings = readSettings();
  await bench(settings).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
