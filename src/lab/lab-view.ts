// How the lab is watched: a table that redraws itself and obeys keys on a terminal, plain lines of
// what changed elsewhere. Both return when the lab is to end.

import { setTimeout as delay } from 'node:timers/promises';
import { statusChanges, statusTable, type LabStatus } from './lab-status.ts';
import type { LabServer } from './lab-server.ts';

const pollMs = 1000;
/** VT100: one line up; from the cursor to the end of the screen. */
const lineUp = '\u001B[1A';
const clearBelow = '\u001B[J';
const controlC = '\u0003';

export async function tellChanges(statusUrl: string, stop: AbortSignal): Promise<void> {
  let before: LabStatus | undefined;
  while (await nextTick(stop)) {
    const status = await fetchStatus(statusUrl, stop);
    if (status === undefined) continue;
    for (const line of statusChanges(before, status)) process.stdout.write(`${line}\n`);
    before = status;
  }
}

export async function showOnTerminal(
  statusUrl: string,
  servers: readonly LabServer[],
  stop: AbortController
): Promise<void> {
  const { stdin, stdout } = process;
  const onKeys = (keys: Buffer): void => {
    for (const key of keys.toString('latin1')) obeyKey(key, servers, stop);
  };
  stdin.setRawMode(true).on('data', onKeys).resume();
  let drawn = 0;
  try {
    while (await nextTick(stop.signal)) {
      const status = await fetchStatus(statusUrl, stop.signal);
      const lines = [
        servers.map(describeServer).join('   '),
        '',
        ...(status === undefined ? ['Ballast does not answer'] : statusTable(status)),
        '',
        '1/2 kill or revive EX01/EX02   o OWA health page, m mail services of EX01   q quit'
      ];
      // A line that wraps, or scrolls away, would break the counting of lines.
      const fitting = lines
        .slice(0, Math.max(1, stdout.rows - 1))
        .map((line) => line.slice(0, stdout.columns - 1));
      stdout.write(`${lineUp.repeat(drawn)}\r${clearBelow}${fitting.join('\n')}\n`);
      drawn = fitting.length;
    }
  } finally {
    stdin.off('data', onKeys).setRawMode(false).pause();
  }
}

function obeyKey(key: string, servers: readonly LabServer[], stop: AbortController): void {
  const [first, second] = servers;
  switch (key) {
    case '1':
      return first && killOrRevive(first);
    case '2':
      return second && killOrRevive(second);
    case 'o':
      return first?.setComponent('owa', !first.isActive('owa'));
    case 'm':
      return first?.setMail(!first.mailActive);
    case 'q':
    case controlC:
      return stop.abort();
  }
}

function killOrRevive(server: LabServer): void {
  if (server.pid !== undefined) return server.kill();
  // Where it cannot start, the table goes on to call it dead.
  server.start().catch(() => {});
}

function describeServer(server: LabServer): string {
  if (server.pid === undefined) return `${server.name} dead`;
  const owa = server.isActive('owa') ? '' : ', OWA inactive';
  const mail = server.mailActive ? '' : ', mail inactive';
  return `${server.name} process ${server.pid}${owa}${mail}`;
}

/** Waits for the next look; false when the lab is to end. */
async function nextTick(stop: AbortSignal): Promise<boolean> {
  try {
    await delay(pollMs, undefined, { signal: stop });
    return true;
  } catch {
    return false;
  }
}

async function fetchStatus(url: string, stop: AbortSignal): Promise<LabStatus | undefined> {
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(2000)]);
    const answer = await fetch(url, { signal });
    return (await answer.json()) as LabStatus;
  } catch {
    // Not there yet or no more; the next look will tell.
    return undefined;
  }
}
