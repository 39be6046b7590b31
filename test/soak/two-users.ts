// `npm run soak`: a million requests of two users. Prints its figures; exit code 1 when one answer
// was another's.

import { parseArgs } from 'node:util';
import { runCrowd, total } from './crowd.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '20161' },
    workers: { type: 'string', default: '4' },
    minutes: { type: 'string', default: '10' }
  }
});
const requests = Number(values.requests);
const figures = await runCrowd({
  requests,
  seed: Number(values.seed),
  workers: Number(values.workers),
  clients: 64,
  serverRestarts: Math.max(1, Math.round(requests / 100_000)),
  workerKills: Math.max(1, Math.round(requests / 25_000)),
  reloads: Math.max(1, Math.round(requests / 100_000)),
  timeMaxMs: Number(values.minutes) * 60_000
});
console.log(
  JSON.stringify({ seed: Number(values.seed), total: total(figures), ...figures }, null, 2)
);
const bad = figures.wrong.length + figures.shared.length + figures.errors.length;
process.exitCode = bad === 0 ? 0 : 1;
