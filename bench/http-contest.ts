// The HTTP scenarios as contests.

import type { Backend } from './backend.ts';
import type { Contest, Proxy } from './contest.ts';
import { runLoad, type LoadTool } from './load.ts';
import type { Place } from './place.ts';
import { startProxy } from './proxies.ts';
import { verifyAnswers } from './verify.ts';
import type { HttpScenario } from './workload.ts';

export function httpContest(
  scenario: HttpScenario,
  load: LoadTool,
  place: Place,
  backend: Backend
): Contest {
  const protocol = scenario.tlsInFront ? 'https' : 'http';
  const urlOf = ({ port }: Proxy): string => `${protocol}://127.0.0.1:${port}`;
  return {
    scenario,
    start: (name) => startProxy(name, scenario, place, backend),
    verify: (proxy) => verifyAnswers(proxy.name, urlOf(proxy)),
    round: (proxy, seconds) =>
      runLoad(load, { url: urlOf(proxy), pid: proxy.program.pid }, place, seconds)
  };
}
