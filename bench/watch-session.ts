// A session of the watch: fresh processes of Ballast and of the plain relay at the same work, in
// turns.

import { fileURLToPath } from 'node:url';
import { makePlace } from './place.ts';
import { freePort, startProgram } from './program.ts';
import {
  httpService,
  requestsFor,
  serversAt,
  startBallast,
  templateRules,
  type Section,
  type Started
} from './slice-ballast.ts';
import { familyOf } from './slice-clock.ts';
import { Lane } from './slice-lane.ts';
import { startSliceServer } from './slice-server.ts';
import { Turns, type Contender } from './slice-turns.ts';
import { verifyAnswers } from './verify.ts';
import { connections } from './workload.ts';

/** What is watched, each as its ratio to the plain relay's cost of the same round. */
export const watched = ['http', 'relay'] as const;
export type Watched = (typeof watched)[number];

/** CPU us a request. */
export type Round = Readonly<Record<Watched | 'yardstick', number>>;

const sliceMs = 50;

export interface Session {
  readonly rounds: readonly Round[];
  /** CPU ms a second that Ballast uses while another works. */
  readonly housekeeping: number;
}

/** Runs until `isEnough` or for `seconds`. */
export async function runSession(
  seconds: number,
  isEnough: (rounds: readonly Round[]) => boolean
): Promise<Session> {
  const place = await makePlace();
  const server = await startSliceServer();
  const ports = { http: await freePort(), relay: await freePort(), yardstick: await freePort() };
  const started: Started[] = [];
  const contenders: Contender[] = [];
  const join = async (name: keyof Round, { pids }: Started): Promise<void> => {
    const requests = requestsFor();
    const lane = await Lane.open({ ports: [ports[name]], pids, requests, connections });
    contenders.push({ name, pids, lane });
  };
  try {
    const services = [
      httpService('http', ports.http, templateRules, server.port),
      relayService(ports.relay, server.port)
    ];
    const configuration = { rules: templateRules, virtualServices: services };
    const ballast = await startBallast(place, 'watch', configuration, ports.relay);
    started.push(ballast);
    const yardstick = await startYardstick(ports.yardstick, server.port);
    started.push(yardstick);
    // The relay service is known to be ready when the other is: their servers are the same.
    await verifyAnswers('ballast', `http://127.0.0.1:${ports.http}`);
    await join('http', ballast);
    await join('relay', ballast);
    await join('yardstick', yardstick);
    const turns = new Turns(contenders, sliceMs);
    await turns.warmUp();
    const over = performance.now() + seconds * 1000;
    do await turns.round();
    while (performance.now() < over && !isEnough(roundsOf(turns)));
    return { rounds: roundsOf(turns), housekeeping: turns.housekeeping('http') };
  } finally {
    for (const { lane } of contenders) lane.close();
    await Promise.all(started.map(({ program }) => program.stop()));
    server.close();
    place.remove();
  }
}

function roundsOf(turns: Turns): Round[] {
  const [relay, yardstick] = [turns.costs('relay'), turns.costs('yardstick')];
  return turns.costs('http').map((http, i) => ({
    http,
    relay: relay[i] ?? Number.NaN,
    yardstick: yardstick[i] ?? Number.NaN
  }));
}

/** A generic service carries the same bytes and reads none of them. */
function relayService(port: number, serverPort: number): Section {
  return {
    name: 'relay',
    address: '127.0.0.1',
    port,
    vsType: 'gen',
    schedule: 'lc',
    idleTime: 1800,
    checkType: 'tcp',
    realServers: serversAt(serverPort)
  };
}

async function startYardstick(port: number, serverPort: number): Promise<Started> {
  const file = fileURLToPath(new URL('net-relay.ts', import.meta.url));
  const command = [process.execPath, file, String(port), ...serversAt(serverPort)] as const;
  const program = await startProgram('net-relay', command, '127.0.0.1', port);
  return { program, pids: familyOf(program.pid) };
}
