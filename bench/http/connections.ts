// A connection for every request, to the proxy and from there to a server.

import { againAndAgain, attend, open, Tally, type Load, type Target } from '../client.ts';
import { measureTime } from '../rounds.ts';
import { requestHead, requestPaths } from '../workload.ts';
import { Answer } from './answer.ts';
import { usual, usualSetup, type HttpScenario, type Setup } from './setup.ts';

const lanes = 32;
const answerTimeMs = 5000;
const setup: Setup = { ...usualSetup, sharesServerConnections: false };

const common = {
  ...usual,
  work: {
    measure: (round) => {
      const tally = new Tally();
      return measureTime(round, tally, loadConnections(round.target, lanes, tally));
    }
  }
} satisfies Partial<HttpScenario>;

export const connections: readonly HttpScenario[] = [
  {
    ...common,
    name: 'connections',
    says: 'a connection for every request on both sides, in clear',
    quick: true,
    setup
  },
  {
    ...common,
    name: 'connections-tls',
    says: 'a TLS connection with a full handshake for every request, one in clear behind',
    setup: { ...setup, tlsInFront: true }
  }
];

const requests = requestPaths.map((path) => requestHead('GET', path, { Connection: 'close' }));

export function loadConnections(target: Target, lanes: number, tally: Tally): Load {
  let turn = 0;
  return againAndAgain(lanes, tally, async () => {
    const beganMs = performance.now();
    await requestAlone(target, requests[turn++ % requests.length] ?? '', tally);
    tally.done(1, beganMs);
  });
}

/** Resolves when the proxy has closed the connection behind its answer. */
async function requestAlone(target: Target, request: string, tally: Tally): Promise<void> {
  const socket = open(target);
  const answer = Answer.small();
  const late = setTimeout(() => {
    tally.fail(answer.isWhole ? 'connections left open' : 'requests without an answer');
    socket.destroy();
  }, answerTimeMs);
  const onBytes = (chunk: Buffer): void => {
    answer.take(chunk);
    if (answer.wrong === undefined) return;
    tally.fail(answer.wrong);
    socket.destroy();
  };
  socket.write(request, 'latin1');
  await attend(socket, { onBytes, isDone: () => answer.isWhole }, tally);
  clearTimeout(late);
}
