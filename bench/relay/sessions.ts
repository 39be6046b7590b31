// Short SMTP sessions: connect, greeting, NOOP, QUIT, closed by the server. With STARTTLS the
// sentences before and after it as well.

import type { Socket } from 'node:net';
import {
  againAndAgain,
  attend,
  beginTls,
  open,
  type Load,
  type Tally,
  type Target
} from '../client.ts';
import { smtpDone, smtpFarewell, smtpGreeting } from './conversation.ts';

type Verdict = 'right' | 'wrong' | 'incomplete';

/** What the server must say, and what the client says then. */
interface Step {
  readonly hears: (text: string) => Verdict;
  readonly says: string;
  readonly beginsTls?: boolean;
}

const is = (expected: string) => (text: string) => {
  if (text === expected) return 'right';
  return expected.startsWith(text) ? 'incomplete' : 'wrong';
};

/** The rest of the answer is the proxy's to word. */
const isCode = (code: number, offersStartTls: boolean) => (text: string) => {
  if (!/^\d{3} .*\r\n$/m.test(text)) return 'incomplete';
  const offers = /^250[ -]STARTTLS\r$/m.test(text);
  return text.startsWith(String(code)) && offers === offersStartTls ? 'right' : 'wrong';
};

const short: readonly Step[] = [
  { hears: is(smtpDone), says: 'QUIT\r\n' },
  { hears: is(smtpFarewell), says: '' }
];

const straight: readonly Step[] = [{ hears: is(smtpGreeting), says: 'NOOP\r\n' }, ...short];

const byStartTls: readonly Step[] = [
  { hears: is(smtpGreeting), says: 'EHLO client.example.com\r\n' },
  { hears: isCode(250, true), says: 'STARTTLS\r\n' },
  { hears: isCode(220, false), says: '', beginsTls: true },
  { hears: isCode(250, false), says: 'NOOP\r\n' },
  ...short
];

const afterStartTls = 'EHLO client.example.com\r\n';
const answerTimeMs = 5000;

export function loadSessions(target: Target, lanes: number, tally: Tally): Load {
  return againAndAgain(lanes, tally, async () => {
    const beganMs = performance.now();
    await session(target, tally);
    tally.done(1, beganMs);
  });
}

/** Resolves when the connection is gone. */
export async function session(target: Target, tally: Tally): Promise<void> {
  const steps = target.tls === 'starttls' ? byStartTls : straight;
  let socket: Socket = open(target);
  let at = 0;
  let text = '';
  const late = setTimeout(() => fail('sessions without an answer'), answerTimeMs);

  function onBytes(chunk: Buffer): void {
    text += chunk.toString('latin1');
    const step = steps[at];
    if (step === undefined) return fail('answers too many');
    const verdict = step.hears(text);
    if (verdict === 'wrong') fail('wrong answers');
    if (verdict !== 'right') return;
    at++;
    text = '';
    if (step.beginsTls === true) upgrade();
    else if (step.says !== '') socket.write(step.says, 'latin1');
  }

  function upgrade(): void {
    const clear = socket;
    clear.removeAllListeners('data');
    socket = beginTls(clear);
    socket.on('data', onBytes);
    socket.on('error', () => clear.destroy());
    socket.on('end', () => socket.end());
    socket.write(afterStartTls, 'latin1');
  }

  function fail(kind: string): void {
    tally.fail(text === '' ? kind : `${kind}: ${JSON.stringify(text)}`);
    at = steps.length;
    socket.destroy();
  }

  await attend(socket, { onBytes, isDone: () => at === steps.length }, tally);
  clearTimeout(late);
}
