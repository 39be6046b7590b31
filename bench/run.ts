// npm run bench: Ballast and others in turns at the same work, compared in CPU time per request,
// message or MB. Exits 1 when a single answer was wrong.

import { startBackend, startStandIn } from './backend.ts';
import type { Contest, Proxy, ProxyName } from './contest.ts';
import { httpContest } from './http-contest.ts';
import { makePlace, type Place } from './place.ts';
import { relayContest, startRelayServer } from './relay/contest.ts';
import type { Sample } from './sample.ts';
import { readSettings, usage, type Settings } from './settings.ts';
import { saveResults, type Result } from './results.ts';
import { printSummary } from './summary.ts';
import { printTable, rowsOf, type Rounds } from './table.ts';

async function compete(contest: Contest, settings: Settings): Promise<Rounds> {
  const names = settings.proxies.filter((name) => contest.scenario.proxies.includes(name));
  return contest.scenario.freshPrograms
    ? competeAfresh(contest, names, settings)
    : competeInTurns(contest, names, settings);
}

async function competeInTurns(
  contest: Contest,
  names: readonly ProxyName[],
  { rounds, seconds, warmUpSeconds }: Settings
): Promise<Rounds> {
  const proxies = await startAll(contest, names);
  try {
    for (const proxy of proxies) {
      await contest.verify(proxy);
      await runRound(contest, proxy, warmUpSeconds);
    }
    const samples = new Map<ProxyName, Sample[]>(proxies.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const proxy of proxies) {
        samples.get(proxy.name)?.push(await runRound(contest, proxy, seconds));
      }
    }
    return samples;
  } finally {
    await stopAll(proxies);
  }
}

async function competeAfresh(
  contest: Contest,
  names: readonly ProxyName[],
  { rounds, seconds }: Settings
): Promise<Rounds> {
  const samples = new Map<ProxyName, Sample[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      const proxies = await startAll(contest, [name]);
      try {
        for (const proxy of proxies) {
          await contest.verify(proxy);
          const sample = await runRound(contest, proxy, seconds);
          samples.set(name, [...(samples.get(name) ?? []), sample]);
        }
      } finally {
        await stopAll(proxies);
      }
    }
  }
  return samples;
}

async function startAll(contest: Contest, names: readonly ProxyName[]): Promise<Proxy[]> {
  const started = await Promise.allSettled(names.map((name) => contest.start(name)));
  const proxies = started.flatMap((one) => (one.status === 'fulfilled' ? (one.value ?? []) : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await stopAll(proxies);
    throw failed.reason;
  }
  return proxies;
}

async function stopAll(proxies: readonly Proxy[]): Promise<void> {
  await Promise.all(proxies.map(({ program }) => program.stop()));
}

/** A figure beside wrong answers is worth nothing: it is an error, not a sample. */
async function runRound(contest: Contest, proxy: Proxy, seconds: number): Promise<Sample> {
  const fail = (why: string): never => {
    throw new Error(`${proxy.name}: ${why}\n${proxy.name} said:\n${proxy.program.said()}`);
  };
  const sample = await contest
    .round(proxy, seconds)
    .catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
  if (sample.failures.length > 0) fail(sample.failures.join(', '));
  if (sample.units === 0) fail('not one answer');
  return sample;
}

async function bench(settings: Settings): Promise<void> {
  const place = await makePlace();
  const results: Result[] = [];
  const { rounds, seconds } = settings;
  console.log(`${rounds} rounds of ${seconds} s, Node ${process.version}`);
  try {
    await benchHttp(settings, place, results);
    await benchRelay(settings, place, results);
  } finally {
    place.remove();
  }
  console.log(`\n${printSummary(results)}`);
  console.log(`\nwritten to ${saveResults(settings, results)}`);
}

async function benchHttp(settings: Settings, place: Place, results: Result[]): Promise<void> {
  if (settings.http.length === 0) return;
  const [usual, own] = [await startBackend(place), await startStandIn(place)];
  try {
    console.log(`HTTP servers: ${usual.program.name}; small requests from: ${settings.load}`);
    for (const scenario of settings.http) {
      const backend = scenario.ownServer ? own : usual;
      results.push(await judge(httpContest(scenario, settings, place, backend), settings));
    }
  } finally {
    await Promise.all([usual.program.stop(), own.program.stop()]);
  }
}

async function benchRelay(settings: Settings, place: Place, results: Result[]): Promise<void> {
  if (settings.relay.length === 0) return;
  const server = await startRelayServer();
  try {
    for (const scenario of settings.relay) {
      results.push(await judge(relayContest(scenario, settings, place, server), settings));
    }
  } finally {
    await server.program.stop();
  }
}

async function judge(contest: Contest, settings: Settings): Promise<Result> {
  const { name, says, unit, cost } = contest.scenario;
  console.log(`\n${name}: ${says}`);
  const samples = await compete(contest, settings);
  const absent = contest.scenario.proxies.filter(
    (proxy) => settings.proxies.includes(proxy) && !samples.has(proxy)
  );
  if (absent.length > 0) console.log(`left out, because not installed: ${absent.join(', ')}`);
  const rows = rowsOf(samples);
  if (rows.length > 0) console.log(printTable(contest.scenario, rows));
  return { scenario: name, unit, cost, rows, rounds: Object.fromEntries(samples) };
}

try {
  const settings = readSettings();
  if (settings === 'help') console.log(usage);
  else {
    await bench(settings).catch((error: unknown) => {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    });
  }
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exitCode = 2;
}
