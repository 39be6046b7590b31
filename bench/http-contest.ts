// The HTTP scenarios as contests.

import { fileURLToPath } from 'node:url';
import { withLog } from './access-log.ts';
import type { Backend } from './backend.ts';
import type { Contest, Proxy } from './contest.ts';
import type { HttpOrder } from './http/round.ts';
import type { HttpScenario } from './http/setup.ts';
import { runLoad } from './load.ts';
import type { Place } from './place.ts';
import { lastLine } from './program.ts';
import { startProxy } from './proxies.ts';
import type { Sample } from './sample.ts';
import type { Settings } from './settings.ts';
import { verifyAnswers } from './verify.ts';
import { serverAddresses } from './workload.ts';

const roundFile = fileURLToPath(new URL('http/round.ts', import.meta.url));

/** As long as a round has it, one reload a second; at least one in a short round. */
const reloadEveryMs = 1000;

export function httpContest(
  scenario: HttpScenario,
  settings: Pick<Settings, 'load' | 'held'>,
  place: Place,
  backend: Backend
): Contest {
  const { setup, name, work } = scenario;
  const urlOf = ({ port }: Proxy): string =>
    `${setup.tlsInFront ? 'https' : 'http'}://127.0.0.1:${port}`;

  function load(proxy: Proxy, seconds: number): Promise<Sample> {
    const { pid } = proxy.program;
    if ('heads' in work) {
      const target = { url: urlOf(proxy), pid, heads: work.heads };
      return runLoad(settings.load, target, place, seconds);
    }
    return runOwnLoad({
      scenario: name,
      target: { port: proxy.port, tls: setup.tlsInFront ? 'implicit' : 'none' },
      direct: { host: serverAddresses[0] ?? '', port: backend.plainPort, tls: 'none' },
      held: settings.held,
      seconds,
      pid
    });
  }

  return {
    scenario,
    start: (proxy) => startProxy(proxy, name, setup, place, backend),
    verify: (proxy) => verifyAnswers(proxy.name, urlOf(proxy)),
    round: async (proxy, seconds) => {
      if (setup.reloads) return whileReloading(proxy, seconds, () => load(proxy, seconds));
      if (setup.accessLog) return withLog(proxy.logFile ?? '', () => load(proxy, seconds));
      return load(proxy, seconds);
    }
  };
}

async function runOwnLoad(order: HttpOrder): Promise<Sample> {
  return JSON.parse(await lastLine(roundFile, [JSON.stringify(order)])) as Sample;
}

async function whileReloading(
  proxy: Proxy,
  seconds: number,
  load: () => Promise<Sample>
): Promise<Sample> {
  let reloads = 0;
  const everyMs = Math.min(reloadEveryMs, seconds * 600);
  const timer = setInterval(() => {
    proxy.reload?.();
    reloads++;
  }, everyMs);
  try {
    const sample = await load();
    return { ...sample, more: { ...sample.more, reloads } };
  } finally {
    clearInterval(timer);
  }
}
