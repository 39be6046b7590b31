// Kept connections on which a line goes and a line comes back, without pause.

import { attend, open, sideBySide, type Load, type Tally, type Target } from '../client.ts';
import { imapGreeting, noopAnswer, noopLine } from './conversation.ts';

export function loadLines(target: Target, connections: number, tally: Tally): Load {
  return sideBySide(connections, (number, isStopping) =>
    pingPong(target, number, tally, isStopping)
  );
}

function pingPong(
  target: Target,
  number: number,
  tally: Tally,
  isStopping: () => boolean
): Promise<void> {
  const socket = open(target);
  let turn = 0;
  let expected = Buffer.from(imapGreeting);
  let pending: Buffer | undefined;
  let sentMs = 0;
  let done = false;

  function onBytes(chunk: Buffer): void {
    const got = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    pending = undefined;
    if (got.length < expected.length) pending = got;
    else if (!got.equals(expected)) fail();
    else next();
  }

  function fail(): void {
    tally.fail('wrong answers');
    done = true;
    socket.destroy();
  }

  function next(): void {
    if (turn > 0) tally.done(1, sentMs);
    if (isStopping()) {
      done = true;
      socket.end();
      return;
    }
    const tag = `c${number}-${turn++}`;
    expected = Buffer.from(noopAnswer(tag), 'latin1');
    sentMs = performance.now();
    socket.write(noopLine(tag), 'latin1');
  }

  return attend(socket, { onBytes, isDone: () => done }, tally);
}
