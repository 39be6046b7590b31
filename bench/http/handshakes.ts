// TLS 1.3 handshakes of an orderly client: connect, shake hands, say goodbye, hear goodbye.

import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { againAndAgain, beginTls, Tally, type Load, type Target } from '../client.ts';
import { measureTime } from '../rounds.ts';
import { usual, usualSetup, type HttpScenario, type Setup } from './setup.ts';

const lanes = 16;
const answerTimeMs = 5000;

export const handshakes: readonly HttpScenario[] = [
  {
    ...scenario('rsa', false),
    name: 'handshake-rsa',
    says: 'full TLS 1.3 handshakes, RSA-2048'
  },
  {
    ...scenario('ecdsa', false),
    name: 'handshake-ecdsa',
    says: 'full TLS 1.3 handshakes, ECDSA P-256',
    quick: true
  },
  {
    ...scenario('rsa', true),
    name: 'handshake-resumed',
    says: 'resumed TLS 1.3 handshakes'
  }
];

function scenario(key: Setup['key'], resumes: boolean): Omit<HttpScenario, 'name' | 'says'> {
  return {
    ...usual,
    unit: 'handshake',
    cost: 'CPU us/handshake',
    setup: { ...usualSetup, tlsInFront: true, key },
    work: {
      measure: (round) => {
        const tally = new Tally();
        const load = loadHandshakes(round.target, { lanes, resumes, key }, tally);
        return measureTime(round, tally, load);
      }
    }
  };
}

export interface HandshakeJob {
  readonly lanes: number;
  readonly resumes: boolean;
  readonly key: Setup['key'];
}

export function loadHandshakes(target: Target, job: HandshakeJob, tally: Tally): Load {
  const tickets: (Buffer | undefined)[] = [];
  return againAndAgain(job.lanes, tally, async (lane) => {
    const beganMs = performance.now();
    const ticket = await shakeHands(target, job, tickets[lane], tally);
    tally.done(1, beganMs);
    // Who was given no new one comes again with the old one.
    if (job.resumes) tickets[lane] = ticket ?? tickets[lane];
  });
}

/** Resolves when the connection is gone, with the ticket for the next one. */
async function shakeHands(
  target: Target,
  { resumes, key }: HandshakeJob,
  ticket: Buffer | undefined,
  tally: Tally
): Promise<Buffer | undefined> {
  const { host = '127.0.0.1', port } = target;
  const socket = beginTls(connect({ port, host, noDelay: true }), ticket);
  const late = setTimeout(() => fail('handshakes without an end'), answerTimeMs);
  let next: Buffer | undefined;
  let failed = false;
  let secure = false;

  function fail(why: string): void {
    if (!failed) tally.fail(why);
    failed = true;
    socket.destroy();
  }

  socket.on('session', (session) => {
    next = session;
    socket.end();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(`broken handshakes (${error.code})`));
  socket.on('data', () => fail('words that nobody asked for'));
  socket.on('secureConnect', () => {
    secure = true;
    const complaint = complaintOf(socket, key, ticket !== undefined);
    if (complaint !== undefined) fail(complaint);
    // The first ticket comes behind the handshake; who has one, or wants none, goes at once.
    if (!resumes || ticket !== undefined) socket.end();
  });
  await new Promise((resolve) => socket.on('close', resolve));
  clearTimeout(late);
  if (!failed && !secure) tally.fail('connections closed in the handshake');
  else if (!failed && !socket.readableEnded) tally.fail('connections that never ended');
  return next;
}

function complaintOf(socket: TLSSocket, key: Setup['key'], resumed: boolean): string | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return `handshakes of ${socket.getProtocol()}`;
  if (socket.isSessionReused() !== resumed) {
    return resumed ? 'handshakes not resumed' : 'handshakes resumed';
  }
  const kind = socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
  if (!resumed && kind !== { rsa: 'rsa', ecdsa: 'ec' }[key]) return `certificates of kind ${kind}`;
  return undefined;
}
