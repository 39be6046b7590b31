// Large transfers one behind the other on kept connections. Every byte is compared where it arrives.

import { attend, open, sideBySide, type Load, type Tally, type Target } from '../client.ts';
import { Expectation, megabyte, sendContent, startOf } from '../content.ts';
import { imapGreeting } from './conversation.ts';

export interface BulkJob {
  readonly connections: number;
  readonly direction: 'down' | 'up';
  readonly bytes: number;
}

export function loadBulk(target: Target, job: BulkJob, tally: Tally): Load {
  const run = { down, up }[job.direction];
  return sideBySide(job.connections, (number, isStopping) =>
    run(target, number, job.bytes, tally, isStopping)
  );
}

/** Megabytes count as they pass, so that a transfer at the edge of the measured time counts in part. */
function down(
  target: Target,
  number: number,
  bytes: number,
  tally: Tally,
  isStopping: () => boolean
): Promise<void> {
  const socket = open(target);
  let greeting = '';
  let expected: Expectation | undefined;
  let beganMs = 0;
  let turn = 0;
  let done = false;

  function onBytes(chunk: Buffer): void {
    if (expected === undefined) {
      greeting += chunk.toString('latin1');
      if (greeting === imapGreeting) ask();
      else if (!imapGreeting.startsWith(greeting)) end('wrong greetings');
      return;
    }
    const taken = expected.take(chunk);
    tally.units += taken / megabyte;
    if (expected.wrong || taken < chunk.length) end('wrong content');
    else if (expected.isMet) {
      tally.timesMs.push(performance.now() - beganMs);
      if (isStopping()) end();
      else ask();
    }
  }

  function ask(): void {
    const start = startOf(number, turn++);
    expected = new Expectation(start, bytes);
    beganMs = performance.now();
    socket.write(`c${number} DOWN ${bytes} ${start}\r\n`);
  }

  function end(failure?: string): void {
    if (failure !== undefined) tally.fail(failure);
    done = true;
    socket.destroy();
  }

  return attend(socket, { onBytes, isDone: () => done }, tally);
}

/** The server compares, and answers OK when all came as it should. */
function up(
  target: Target,
  number: number,
  bytes: number,
  tally: Tally,
  isStopping: () => boolean
): Promise<void> {
  const socket = open(target);
  const tag = `c${number}`;
  let expected = imapGreeting;
  let got = '';
  let beganMs = 0;
  let turn = 0;
  let done = false;

  function onBytes(chunk: Buffer): void {
    got += chunk.toString('latin1');
    if (got === expected) next();
    else if (!expected.startsWith(got)) end(`answers ${JSON.stringify(got)}`);
  }

  function next(): void {
    if (turn > 0) tally.timesMs.push(performance.now() - beganMs);
    if (isStopping()) return end();
    const start = startOf(number, turn++);
    got = '';
    expected = `${tag} OK\r\n`;
    beganMs = performance.now();
    socket.write(`${tag} UP ${bytes} ${start}\r\n`);
    sendContent(
      start,
      bytes,
      (piece, sent) => socket.write(piece, sent),
      (sent) => (tally.units += sent / megabyte)
    );
  }

  function end(failure?: string): void {
    if (failure !== undefined) tally.fail(failure);
    done = true;
    socket.destroy();
  }

  return attend(socket, { onBytes, isDone: () => done }, tally);
}
