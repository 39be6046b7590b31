// Long polls that wait, as each phone's ActiveSync does for half an hour: what each takes of memory.

import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { attend, open, type Tally, type Target } from '../client.ts';
import { measureMemory, type Held } from '../rounds.ts';
import { holdPath, pollBody, releasePath, requestHead } from '../workload.ts';
import { Answer } from './answer.ts';
import { usual, usualSetup, type HttpScenario, type Setup } from './setup.ts';

const count = 5000;
const atOnce = 16;
const answerTimeMs = 20_000;
const releaseEveryMs = 1000;

export const polls: readonly HttpScenario[] = [
  {
    ...scenario(usualSetup),
    name: 'polls',
    says: `memory of ${count} long polls held, HTTP on both sides`
  },
  {
    ...scenario({ ...usualSetup, tlsInFront: true, tlsBehind: true }),
    name: 'polls-reencrypt',
    says: `memory of ${count} long polls held, TLS on both sides`
  }
];

function scenario(setup: Setup): Omit<HttpScenario, 'name' | 'says'> {
  return {
    ...usual,
    groups: ['http', 'polls'],
    unit: 'poll',
    cost: 'KB/poll',
    freshPrograms: true,
    setup,
    ownServer: true,
    work: { measure: (round) => measureMemory(round, round.held ?? count, openPolls) }
  };
}

/**
 * Resolves when `count` polls are at the server, or when something failed. To close them is to have
 * the server answer: each must then get its own answer.
 */
export async function openPolls(target: Target, count: number, tally: Tally): Promise<Held> {
  const open: Poll[] = [];
  let begun = 0;
  const openers = Array.from({ length: Math.min(atOnce, count) }, async () => {
    while (begun < count && tally.failures.size === 0) {
      const poll = new Poll(target, begun++, tally);
      open.push(poll);
      await poll.sent;
    }
  });
  await Promise.all(openers);
  return {
    close: async () => {
      const late = setTimeout(() => open.forEach((poll) => poll.giveUp()), answerTimeMs);
      const gone = Promise.all(open.map((poll) => poll.gone)).then(() => true);
      // Again, because a slow poll may come to the server behind the first word.
      do await releaseAll(target, tally);
      while (!(await Promise.race([gone, delay(releaseEveryMs, false)])));
      clearTimeout(late);
    }
  };
}

class Poll {
  readonly #socket: Socket;
  readonly #answer: Answer;
  readonly #tally: Tally;
  /** The request is on its way, or never will be. */
  readonly sent: Promise<void>;
  readonly gone: Promise<void>;

  constructor(target: Target, number: number, tally: Tally) {
    const body = Buffer.from(pollBody(number));
    const beganMs = performance.now();
    this.#tally = tally;
    this.#answer = new Answer(0, body.length, body);
    this.#socket = open(target);
    const written = new Promise<void>((resolve) => {
      const head = requestHead('GET', `${holdPath}?number=${number}`);
      this.#socket.write(head, 'latin1', () => {
        tally.done(1, beganMs);
        resolve();
      });
    });
    const client = { onBytes: this.#onBytes, isDone: () => this.#answer.isWhole };
    this.gone = attend(this.#socket, client, tally);
    this.sent = Promise.race([written, this.gone]);
  }

  giveUp(): void {
    if (!this.#answer.isWhole) this.#tally.fail('polls without an answer');
    this.#socket.destroy();
  }

  readonly #onBytes = (chunk: Buffer): void => {
    this.#answer.take(chunk);
    if (this.#answer.wrong !== undefined) this.#tally.fail(this.#answer.wrong);
    if (this.#answer.isWhole || this.#answer.wrong !== undefined) this.#socket.destroy();
  };
}

async function releaseAll(target: Target, tally: Tally): Promise<void> {
  const socket = open(target);
  const answer = Answer.small();
  socket.write(requestHead('GET', releasePath), 'latin1');
  const late = setTimeout(() => socket.destroy(), answerTimeMs);
  const onBytes = (chunk: Buffer): void => {
    answer.take(chunk);
    if (answer.wrong !== undefined) tally.fail(answer.wrong);
    if (answer.isWhole || answer.wrong !== undefined) socket.destroy();
  };
  await attend(socket, { onBytes, isDone: () => answer.isWhole }, tally);
  clearTimeout(late);
}
