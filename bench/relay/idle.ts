// IMAP sessions that sign in, begin IDLE and then wait, as a phone's does for hours.

import type { Socket } from 'node:net';
import { attend, open, type Tally, type Target } from '../client.ts';
import type { Held } from '../rounds.ts';
import { imapGreeting } from './conversation.ts';

const steps = [
  { hears: imapGreeting, says: 'a1 LOGIN alice secret\r\n' },
  { hears: 'a1 OK LOGIN\r\n', says: 'a2 SELECT INBOX\r\n' },
  { hears: 'a2 OK SELECT\r\n', says: 'a3 IDLE\r\n' },
  { hears: '+ idling\r\n', says: '' }
];

const atOnce = 16;
const answerTimeMs = 10_000;

/** Resolves when `count` sessions idle, or when something failed. */
export async function openIdle(target: Target, count: number, tally: Tally): Promise<Held> {
  const sockets: Socket[] = [];
  const gone: Promise<void>[] = [];
  let begun = 0;
  let closing = false;
  const openers = Array.from({ length: Math.min(atOnce, count) }, async () => {
    while (begun++ < count && tally.failures.size === 0) await openOne();
  });

  function openOne(): Promise<void> {
    const beganMs = performance.now();
    const socket = open(target);
    sockets.push(socket);
    const opened = Promise.withResolvers<void>();
    let text = '';
    let at = 0;
    const late = setTimeout(() => {
      tally.fail('sessions without an answer');
      socket.destroy();
    }, answerTimeMs);
    const onBytes = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      const step = steps[at];
      if (step === undefined || !step.hears.startsWith(text)) {
        tally.fail(`answers ${JSON.stringify(text)}`);
        socket.destroy();
      }
      if (text !== step?.hears) return;
      text = '';
      at++;
      if (step.says !== '') return void socket.write(step.says, 'latin1');
      tally.done(1, beganMs);
      opened.resolve();
    };
    const closed = attend(socket, { onBytes, isDone: () => closing }, tally);
    gone.push(closed);
    return Promise.race([opened.promise, closed]).finally(() => clearTimeout(late));
  }

  await Promise.all(openers);
  return {
    close: async () => {
      closing = true;
      for (const socket of sockets) socket.destroy();
      await Promise.all(gone);
    }
  };
}
