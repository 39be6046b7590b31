// Large bodies one behind the other on kept connections. Every byte is compared where it arrives.

import { attend, open, sideBySide, Tally, type Load, type Target } from '../client.ts';
import { megabyte, sendContent, startOf } from '../content.ts';
import { measureTime } from '../rounds.ts';
import { downPath, requestHead, upPath } from '../workload.ts';
import { Answer } from './answer.ts';
import { usual, usualSetup, type HttpScenario } from './setup.ts';

export interface BulkJob {
  readonly connections: number;
  readonly direction: 'down' | 'up';
  readonly bytes: number;
}

export const bulk: readonly HttpScenario[] = [false, true].flatMap((tls) =>
  (['down', 'up'] as const).flatMap((direction) =>
    [1, 35].map((megabytes) => scenario(direction, megabytes, tls))
  )
);

function scenario(direction: 'down' | 'up', megabytes: number, tls: boolean): HttpScenario {
  const job: BulkJob = { connections: 8, direction, bytes: megabytes * megabyte };
  return {
    ...usual,
    name: `http-${direction}-${megabytes}m${tls ? '-tls' : ''}`,
    groups: ['http', 'bulk'],
    says: `HTTP bodies of ${megabytes} MB ${direction}, ${tls ? 'TLS in front' : 'in clear'}`,
    unit: 'MB',
    cost: 'CPU us/MB',
    quick: direction === 'down' && megabytes === 1 && !tls,
    setup: { ...usualSetup, tlsInFront: tls },
    ownServer: true,
    work: {
      measure: (round) => {
        const tally = new Tally();
        return measureTime(round, tally, loadBodies(round.target, job, tally));
      }
    }
  };
}

export function loadBodies(target: Target, job: BulkJob, tally: Tally): Load {
  return sideBySide(job.connections, (number, isStopping) =>
    transfer(target, number, job, tally, isStopping)
  );
}

/** Megabytes count as they pass, so that a body at the edge of the measured time counts in part. */
function transfer(
  target: Target,
  number: number,
  { direction, bytes }: BulkJob,
  tally: Tally,
  isStopping: () => boolean
): Promise<void> {
  const socket = open(target);
  const ask = { down: askDown, up: askUp }[direction];
  let answer = Answer.small();
  let beganMs = 0;
  let turn = 0;
  let done = false;
  next();

  function next(): void {
    beganMs = performance.now();
    ask(startOf(number, turn++));
  }

  function askDown(start: number): void {
    answer = new Answer(start, bytes);
    socket.write(requestHead('GET', `${downPath}?start=${start}&bytes=${bytes}`), 'latin1');
  }

  function askUp(start: number): void {
    answer = Answer.small();
    const length = { 'Content-Length': bytes };
    socket.write(requestHead('POST', `${upPath}?start=${start}`, length), 'latin1');
    sendContent(
      start,
      bytes,
      (piece, sent) => socket.write(piece, sent),
      (sent) => (tally.units += sent / megabyte)
    );
  }

  function onBytes(chunk: Buffer): void {
    const taken = answer.take(chunk);
    if (direction === 'down') tally.units += taken / megabyte;
    if (answer.wrong !== undefined) return end(answer.wrong);
    if (!answer.isWhole) return;
    tally.timesMs.push(performance.now() - beganMs);
    if (isStopping()) end();
    else next();
  }

  function end(failure?: string): void {
    if (failure !== undefined) tally.fail(failure);
    done = true;
    socket.destroy();
  }

  return attend(socket, { onBytes, isDone: () => done }, tally);
}
