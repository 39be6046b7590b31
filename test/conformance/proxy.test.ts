// The corpus through the running program: nothing malformed reaches a server, nothing broken that a
// server says looks whole to a client, and what is odd but right goes through.

import type { Socket } from 'node:net';
import t, { type Test } from 'tap';
import { freePorts, startBallast } from '../fixture/ballast.ts';
import { converse, readAnswer, type Received } from '../fixture/client.ts';
import { startOrigin } from '../fixture/origin.ts';
import { BodyReader } from '../../src/http1/body.ts';
import { HeadGatherer } from '../../src/http1/head-gatherer.ts';
import { RequestParser } from '../../src/http1/parse-head.ts';
import {
  badAnswers,
  badRequests,
  goodAnswers,
  goodRequests,
  type BadAnswer,
  type BadRequest,
  type GoodRequest
} from './corpus.ts';

const origin = await startOrigin();
const [patient = 0, impatient = 0, admin = 0] = await freePorts(3);

/** The second service gives up on a silent server after a second; no other case may take that. */
const ballast = await startBallast(`
global: { workers: 1, drainTime: 1 }
admin: { port: ${admin} }
virtualServices:
  - name: patient
    address: 127.0.0.1
    port: ${patient}
    vsType: http
    schedule: rr
    idleTime: 60
    checkType: none
    realServers: ['127.0.0.1:${origin.port}']
  - name: impatient
    address: 127.0.0.1
    port: ${impatient}
    vsType: http
    schedule: rr
    idleTime: 1
    checkType: none
    realServers: ['127.0.0.1:${origin.port}']
`);

t.teardown(async () => {
  await ballast.stop();
  await origin.close();
});

/** Runs over all items, some at a time; gives up where almost everything hangs. */
async function forAll<T>(
  items: readonly T[],
  width: number,
  run: (item: T, i: number) => Promise<Received>
): Promise<void> {
  let next = 0;
  let deadlines = 0;
  async function work(): Promise<void> {
    for (let i = next++; i < items.length && deadlines < 25; i = next++) {
      const { end } = await run(items[i] as T, i); // i is below the length
      if (end === 'deadline') deadlines++;
    }
  }
  await Promise.all(Array.from({ length: width }, work));
  if (deadlines >= 25) throw new Error('too many conversations hang');
}

/** Whole, and cut at three places. */
function cuts(request: Buffer): Buffer[][] {
  const places = new Set([1, request.length >> 1, request.length - 1]);
  return [[request], ...[...places].map((at) => [request.subarray(0, at), request.subarray(at)])];
}

function checkRefusal(t: Test, name: string, bad: BadRequest, received: Received): void {
  const { status, whole } = readAnswer(received) ?? { status: 0, whole: false };
  const found = { status, end: received.end, why: bad.why };
  t.ok(bad.statuses.includes(status) && whole && received.end === 'closed', name, found);
}

t.test('a bad head is refused and nothing of it reaches a server', async (t) => {
  const all = badRequests().filter(({ fault }) => fault === 'head');
  // A leak answers at once, so that the case does not hang as well.
  origin.serve((socket) => socket.end('HTTP/1.1 299 Leaked\r\nContent-Length: 0\r\n\r\n'));
  origin.forget();
  const tries = all.flatMap((bad) => cuts(bad.request).map((pieces) => ({ bad, pieces })));
  await forAll(tries, 8, async ({ bad, pieces }) => {
    const received = await converse({ port: patient, pieces });
    const where = pieces.length > 1 ? `${bad.name}, cut at ${pieces[0]?.length}` : bad.name;
    checkRefusal(t, where, bad, received);
    return received;
  });
  t.equal(origin.seen().toString('latin1'), '', 'the origin saw not one byte');
});

t.test('a bad body in the same write as its head reaches no server', async (t) => {
  origin.serve((socket) => socket.end('HTTP/1.1 299 Leaked\r\nContent-Length: 0\r\n\r\n'));
  await forAll(
    badRequests().filter(({ fault }) => fault === 'body'),
    1,
    async (bad) => {
      origin.forget();
      const received = await converse({ port: patient, pieces: [bad.request] });
      checkRefusal(t, bad.name, bad, received);
      t.equal(origin.seen().toString('latin1'), '', `${bad.name}: the origin saw nothing`);
      return received;
    }
  );
});

t.test('a bad body that comes later is never completed', async (t) => {
  origin.serve(() => {});
  await forAll(
    badRequests().filter(({ fault }) => fault === 'body'),
    1,
    async (bad) => {
      origin.forget();
      const body = bad.request.indexOf('\r\n\r\n') + 4;
      const pieces = [bad.request.subarray(0, body), bad.request.subarray(body)];
      const received = await converse({ port: patient, pieces });
      checkRefusal(t, bad.name, bad, received);
      const seen = origin.seen().toString('latin1');
      t.notMatch(seen, /\r\n0+(;[^\r\n]*)?\r\n([^\r\n]+\r\n)*\r\n/, `${bad.name}: no last chunk`);
      return received;
    }
  );
});

/** The number that `numbered` wrote into the target. */
function caseOf(bytes: Buffer): number {
  return Number(/^\S+ \/case\/(\d+) /.exec(bytes.toString('latin1', 0, 100))?.[1] ?? Number.NaN);
}

function numbered(request: Buffer, i: number): Buffer {
  return Buffer.from(request.toString('latin1').replace(' / ', ` /case/${i} `), 'latin1');
}

function isHead(request: Buffer): boolean {
  return request.toString('latin1', 0, 5) === 'HEAD ';
}

function sendBadAnswer(socket: Socket, bad: BadAnswer): void {
  if (bad.close === true) socket.end(bad.answer);
  else if (bad.answer.length > 0) {
    socket.write(bad.answer, () => {
      if (bad.close === 'reset') socket.resetAndDestroy();
    });
  } else if (bad.close === 'reset') socket.resetAndDestroy();
}

t.test('a bad answer becomes 502, 504 or an end that tells', async (t) => {
  const all = badAnswers().filter(({ fates }) => !fates.includes('surplus'));
  origin.serve((socket, bytes) => {
    const bad = all[caseOf(bytes)];
    if (bad !== undefined && bytes.includes('\r\n\r\n')) sendBadAnswer(socket, bad);
  });
  await forAll(all, 8, async (bad, i) => {
    const silent = bad.close === false;
    const received = await converse({
      port: silent ? impatient : patient,
      pieces: [numbered(bad.request, i)],
      deadlineMs: 6000,
      // A whole answer settles it, good or bad; it need not end the connection.
      react: (bytes) =>
        readAnswer({ bytes, end: 'enough' }, isHead(bad.request))?.whole || undefined
    });
    const answer = readAnswer(received, isHead(bad.request));
    const whole = answer?.whole === true;
    const { name, why, fates } = bad;
    const fate = whole ? answer.status : 'cut';
    // Where the fault arrives with the head, an honest 502 is as good as a cut.
    const own = fates.includes('cut') && (fate === 502 || fate === 504);
    // An end without a byte tells nothing of whose fault it was: that is a 502 left out.
    const ended = received.end !== 'deadline' && received.bytes.length > 0;
    const bytes = received.bytes.toString('latin1', 0, 300);
    t.ok(ended && (own || fates.includes(fate)), name, { fate, end: received.end, why, bytes });
    return received;
  });
});

t.test('what follows a whole answer reaches nobody', async (t) => {
  const all = badAnswers().filter(({ fates }) => fates.includes('surplus'));
  const clean = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclean';
  origin.serve((socket, bytes) => {
    const next = bytes.lastIndexOf('GET /next');
    if (next !== -1) socket.write(clean);
    else socket.write(all[caseOf(bytes)]?.answer ?? '');
  });
  const next = Buffer.from('GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await forAll(all, 1, async (bad, i) => {
    let asked = false;
    const received = await converse({
      port: patient,
      pieces: [numbered(bad.request, i)],
      react: (bytes) => {
        const first = readAnswer({ bytes, end: 'enough' }, isHead(bad.request));
        if (asked || first?.whole !== true) return undefined;
        asked = true;
        return next;
      }
    });
    const first = readAnswer(received, isHead(bad.request));
    const { name, why } = bad;
    t.ok(first?.whole, `${name}: the first answer is whole`, { why, end: received.end });
    t.not(received.end, 'deadline', `${name}: the connection ends`);
    const behind = first?.behind ?? Buffer.alloc(0);
    const second = readAnswer({ bytes: behind, end: received.end });
    const good = behind.length === 0 || (second?.body.equals(Buffer.from('clean')) ?? false);
    t.ok(good, `${name}: the second answer is its own or none`, { behind: behind.toString() });
    t.notMatch(received.bytes.toString('latin1'), 'poison', `${name}: nothing of the surplus`);
    return received;
  });
});

/** Answers 200 to each request once it is complete, and notes what it was. */
function serveRequests(notes: string[], bodies: Buffer[]): void {
  const state = new WeakMap<Socket, (bytes: Buffer) => void>();
  origin.serve((socket, bytes) => {
    const take = state.get(socket) ?? requestTaker(socket, notes, bodies);
    state.set(socket, take);
    take(bytes);
  });
}

function requestTaker(socket: Socket, notes: string[], bodies: Buffer[]): (bytes: Buffer) => void {
  const parser = new RequestParser();
  const gatherer = new HeadGatherer(parser);
  const body = new BodyReader('client');
  let consumed = 0;
  const answer = (): void => {
    const text = parser.head.isHead ? '' : 'ok';
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${text}`);
  };
  return (bytes) => {
    let rest = bytes.subarray(consumed);
    consumed = bytes.length;
    while (rest.length > 0) {
      if (body.done) {
        const behind = gatherer.take(rest);
        if (behind === undefined) return;
        rest = behind;
        notes.push(`${parser.head.method} ${parser.head.target}`);
        body.begin(parser.head.framing, parser.head.contentLength);
        // Outlook Anywhere's channel is answered while its body goes on.
        if (parser.head.contentLength > 1_000_000) answer();
        else if (body.done) answer();
      }
      if (body.done) continue;
      const from = rest;
      rest = from.subarray(
        body.advance(from, 0, (start, end) => bodies.push(from.subarray(start, end)))
      );
      if (body.done) answer();
    }
  };
}

/** The request's target as the server may see it: as it came, or in origin-form. */
function targets({ expect }: GoodRequest): string[] {
  return [expect.target, expect.target.replace(/^https?:\/\/[^/]*/i, '')];
}

t.test('good requests go through', async (t) => {
  await forAll(goodRequests(), 1, async (good) => {
    const { expect, name, why } = good;
    const notes: string[] = [];
    const bodies: Buffer[] = [];
    serveRequests(notes, bodies);
    const count = (bytes: Buffer): number => {
      let rest = bytes;
      for (let n = 0; ; n++) {
        // Only the first of a pair may be a HEAD.
        const answer = readAnswer(
          { bytes: rest, end: 'enough' },
          n === 0 && expect.method === 'HEAD'
        );
        if (answer?.whole !== true || answer.status !== 200) return n;
        rest = answer.behind;
      }
    };
    const received = await converse({
      port: patient,
      pieces: [good.request],
      react: (bytes) => (count(bytes) === expect.messages ? true : undefined)
    });
    const bytes = received.bytes.toString('latin1', 0, 300);
    t.equal(count(received.bytes), expect.messages, `${name}: answers`, { why, bytes });
    t.equal(notes.length, expect.messages, `${name}: requests at the server`);
    const seen = targets(good).map((target) => `${expect.method} ${target}`);
    t.ok(seen.includes(notes[0] ?? ''), `${name}: method and target`, { notes, seen });
    t.ok(Buffer.concat(bodies).equals(expect.body), `${name}: body`);
    return received;
  });
});

t.test('good answers go through', async (t) => {
  const all = goodAnswers();
  origin.serve((socket, bytes) => {
    const good = all[caseOf(bytes)];
    if (good?.expect.framing === 'close') socket.end(good.answer);
    else socket.write(good?.answer ?? '');
  });
  await forAll(all, 8, async ({ name, why, method, expect }, i) => {
    const received = await converse({
      port: patient,
      pieces: [Buffer.from(`${method} /case/${i} HTTP/1.1\r\nHost: a\r\n\r\n`)],
      react: (bytes) =>
        readAnswer({ bytes, end: 'enough' }, method === 'HEAD')?.whole === true ? true : undefined
    });
    const answer = readAnswer(received, method === 'HEAD');
    const found = { why, end: received.end, bytes: received.bytes.toString('latin1', 0, 300) };
    t.equal(answer?.status, expect.status, `${name}: status`, found);
    t.ok(answer?.whole, `${name}: whole`, found);
    t.ok(answer?.body.equals(expect.body), `${name}: body`, found);
    return received;
  });
});
