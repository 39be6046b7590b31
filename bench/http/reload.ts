// Reloads under load: half of the clients keep their connections, half open one for every request.

import { open, sideBySide, Tally, type Load, type Target } from '../client.ts';
import { measureTime } from '../rounds.ts';
import { requestHead, requestPaths } from '../workload.ts';
import { Answer } from './answer.ts';
import { usual, usualSetup, type HttpScenario } from './setup.ts';

const clients = 32;
const answerTimeMs = 5000;

export const reload: readonly HttpScenario[] = [
  {
    ...usual,
    name: 'reload',
    groups: ['http', 'reload'],
    says: 'a reload every second under load, in clear; a request without any answer is lost',
    freshPrograms: true,
    setup: { ...usualSetup, reloads: true },
    work: {
      measure: async (round) => {
        const tally = new Tally();
        const load = loadUnderReload(round.target, clients, tally);
        const sample = await measureTime(round, tally, load);
        return { ...sample, more: { 'lost requests': tally.lost } };
      }
    }
  }
];

export function loadUnderReload(target: Target, clients: number, tally: Tally): Load {
  return sideBySide(clients, async (number, isStopping) => {
    let turn = number;
    while (!isStopping() && tally.failures.size === 0) {
      await converse(target, () => turn++, number % 2 === 0, tally, isStopping);
    }
  });
}

/** One connection, with one request or with as many as the proxy lets it have. */
function converse(
  target: Target,
  nextTurn: () => number,
  keeps: boolean,
  tally: Tally,
  isStopping: () => boolean
): Promise<void> {
  const socket = open(target);
  let answer = Answer.small();
  let beganMs = 0;
  let waits = false;
  let failed = false;
  const late = setInterval(() => {
    if (waits && performance.now() - beganMs > answerTimeMs) fail('requests without an answer');
  }, answerTimeMs);
  ask();

  function ask(): void {
    answer = Answer.small();
    beganMs = performance.now();
    waits = true;
    const path = requestPaths[nextTurn() % requestPaths.length] ?? '';
    socket.write(requestHead('GET', path, keeps ? {} : { Connection: 'close' }), 'latin1');
  }

  function fail(why: string): void {
    tally.fail(why);
    failed = true;
    socket.destroy();
  }

  socket.on('data', (chunk: Buffer) => {
    if (!waits) return fail('words that nobody asked for');
    answer.take(chunk);
    if (answer.wrong !== undefined) return fail(answer.wrong);
    if (!answer.isWhole) return;
    waits = false;
    tally.done(1, beganMs);
    if (isStopping() || answer.closes) socket.end();
    else if (keeps) ask();
  });
  socket.on('end', () => socket.end());
  // What matters is whether a request is left without its answer.
  socket.on('error', () => {});
  return new Promise((resolve) => {
    socket.on('close', () => {
      clearInterval(late);
      if (waits && !failed && answer.hasBegun) tally.fail('answers cut off');
      else if (waits && !failed) tally.lost++;
      resolve();
    });
  });
}
