// Two users, one proxy: many connections of alice's and bob's at the same time, signed in by NTLM,
// broken off at random, while servers die and come back and workers are killed. Whatever is answered
// must belong to who asked.

import type { Answer } from '../fixture/client.ts';
import { seeded } from '../fixture/random.ts';
import { type1, type3 } from '../lab/peer.ts';
import { Caller } from './caller.ts';
import { openSoakSite, type SoakSite } from './site.ts';

export const users = ['alice', 'bob'] as const;
export type User = (typeof users)[number];

export interface CrowdOptions {
  readonly requests: number;
  readonly seed: number;
  readonly workers: number;
  /** Connections at the same time, half of them each user's. */
  readonly clients: number;
  /** Each of these happens so many times, spread over the run. */
  readonly serverRestarts: number;
  readonly workerKills: number;
  readonly reloads: number;
  /** Ends with fewer requests when this has passed. */
  readonly timeMaxMs: number;
}

export interface Figures {
  /** Whole answers that belonged to who asked. */
  readonly answers: Record<User, number>;
  /** All answers that did not. */
  readonly wrong: string[];
  /** Connections to a server that were two users. */
  shared: string[];
  connections: number;
  /** Broken off by the client, amid a request or an answer. */
  aborted: number;
  /** Ended from the other side, where something had died. */
  lost: number;
  /**
   * 401 on a connection that was signed in, where its first request to another SubVS found its server
   * down there (each SubVS has checks of its own) and went to the other one: it may sign in there.
   */
  signedOut: number;
  /** 502, 503 and 504. */
  unserved: number;
  serverRestarts: number;
  workerKills: number;
  reloads: number;
  seconds: number;
  /** Log lines of error and fatal that nothing here explains. */
  errors: string[];
}

export async function runCrowd(options: CrowdOptions): Promise<Figures> {
  const site = await openSoakSite(options.workers);
  const figures: Figures = {
    answers: { alice: 0, bob: 0 },
    wrong: [],
    shared: [],
    connections: 0,
    aborted: 0,
    lost: 0,
    signedOut: 0,
    unserved: 0,
    serverRestarts: 0,
    workerKills: 0,
    reloads: 0,
    seconds: 0,
    errors: []
  };
  const beganMs = performance.now();
  const run: Run = {
    site,
    figures,
    isOver: () =>
      total(figures) >= options.requests || performance.now() - beganMs > options.timeMaxMs
  };
  try {
    const trouble = makeTrouble(run, options);
    await Promise.all(
      Array.from({ length: options.clients }, (_, n) =>
        callAgainAndAgain(run, users[n % 2] ?? 'alice', seeded(options.seed + n))
      )
    );
    await trouble;
  } finally {
    figures.seconds = (performance.now() - beganMs) / 1000;
    await site.close();
  }
  figures.shared = site.servers.flatMap(({ shared }) => shared);
  figures.errors = site.ballast.lines
    .filter(({ level, msg }) => (level === 'error' || level === 'fatal') && msg !== 'worker died')
    .map((line) => JSON.stringify(line));
  return figures;
}

export function total({ answers }: Figures): number {
  return answers.alice + answers.bob;
}

interface Run {
  readonly site: SoakSite;
  readonly figures: Figures;
  isOver(): boolean;
}

async function callAgainAndAgain(run: Run, user: User, random: () => number): Promise<void> {
  while (!run.isOver()) {
    const { site, figures } = run;
    const secure = random() < 0.1;
    const caller = new Caller(secure ? site.secure : site.plain, secure);
    figures.connections++;
    try {
      if (
        (await signIn(run, caller, user, random)) &&
        (await converse(run, caller, user, random))
      ) {
        await leave(run, caller, random);
      }
    } finally {
      caller.socket.destroy();
    }
    // A dial that is refused ends at once; without a pause this would only be a race of refusals.
    if (caller.socket.bytesRead === 0) await pause(20);
  }
}

async function signIn(
  run: Run,
  caller: Caller,
  user: User,
  random: () => number
): Promise<boolean> {
  if (random() < 0.3) {
    // As browsers begin. Whoever is let in here is taken for somebody else.
    caller.send(get('/owa/'));
    const refusal = await caller.answer();
    if (refusal?.status !== 401) return acceptNobody(run, refusal);
  }
  caller.send(get('/owa/', `Authorization: NTLM ${type1}\r\n`));
  const challenge = await caller.answer();
  if (challenge === undefined || challenge.status >= 500) return accept(run, challenge, user);
  caller.send(get('/owa/', `Authorization: NTLM ${type3('CORP', user)}\r\n`));
  return accept(run, await caller.answer(), user);
}

/** Requests without any proof; false when the connection is of no more use. */
async function converse(
  run: Run,
  caller: Caller,
  user: User,
  random: () => number
): Promise<boolean> {
  for (let left = 1 + Math.floor(random() * 150); left > 0 && !run.isOver(); left--) {
    const [first, second] = [requestOf(random), random() < 0.05 ? requestOf(random) : ''];
    caller.send(first + second);
    if (!accept(run, await caller.answer(), user)) return false;
    if (second !== '' && !accept(run, await caller.answer(), user)) return false;
  }
  return true;
}

function requestOf(random: () => number): string {
  const kind = random();
  if (kind < 0.5) return get('/owa/');
  if (kind < 0.65) return get('/ecp/');
  if (kind < 0.72) return get('/owa/download?bytes=20000');
  if (kind < 0.78) return get('/owa/download?bytes=9000&chunked');
  const body = `<s:Body><m:GetFolder/>${'x'.repeat(Math.floor(random() * 2000))}</s:Body>`;
  return post(body.length, body);
}

/** Goes: in order, amid a request, amid its body, or amid an answer. */
async function leave({ figures }: Run, caller: Caller, random: () => number): Promise<void> {
  const how = random();
  if (how < 0.4) {
    caller.socket.end();
    await caller.answer();
    return;
  }
  figures.aborted++;
  if (how < 0.55) caller.send(get('/owa/').slice(0, 20));
  else if (how < 0.7) caller.send(get('/owa/'));
  else if (how < 0.85) caller.send(post(100_000, 'x'.repeat(500)));
  else caller.send(get('/owa/download?bytes=1000000'));
  // Nobody may owe anything: an answer to half a request never comes.
  if (random() < 0.6) await pause(random() * 20);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function get(path: string, field = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: mail.example.com\r\n${field}\r\n`;
}

function post(length: number, body: string): string {
  const head = `POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: mail.example.com\r\n`;
  return `${head}Content-Length: ${length}\r\n\r\n${body}`;
}

/** An answer to a request without a proof on a new connection, other than the 401 that it must be. */
function acceptNobody(run: Run, answer: Answer | undefined): false {
  if (answer !== undefined && answer.status < 500) {
    run.figures.wrong.push(`nobody: ${answer.status} ${JSON.stringify(answer.fields)}`);
  } else if (answer === undefined) run.figures.lost++;
  else run.figures.unserved++;
  return false;
}

/** Counts an answer; false when the connection is of no more use. */
function accept({ figures }: Run, answer: Answer | undefined, user: User): boolean {
  if (answer === undefined) {
    figures.lost++;
    return false;
  }
  const { status, fields, body } = answer;
  const field = (name: string): string | undefined => fields.find(([one]) => one === name)?.[1];
  const named = field('x-user');
  const other = user === 'alice' ? 'bob' : 'alice';
  const marked =
    body.includes(`CORP\\${other}`) || fields.some(([, value]) => value.includes(other));
  if (named === `CORP\\${user}` && status === 200 && !marked) figures.answers[user]++;
  else if (named === undefined && !marked && status === 401) figures.signedOut++;
  else if (named === undefined && !marked && status >= 502 && status <= 504) figures.unserved++;
  else
    figures.wrong.push(
      `${user}: ${status} ${JSON.stringify(fields)} ${body.toString('latin1', 0, 200)}`
    );
  return status === 200 && field('connection') !== 'close';
}

/** Kills and reloads, one after the other in an order of chance, spread evenly over the requests. */
async function makeTrouble(run: Run, options: CrowdOptions): Promise<void> {
  const random = seeded(options.seed);
  const deeds = [
    ...Array.from({ length: options.serverRestarts }, () => restartServer),
    ...Array.from({ length: options.workerKills }, () => killWorker),
    ...Array.from({ length: options.reloads }, () => reload)
  ];
  const order = deeds
    .map((deed) => ({ deed, place: random() }))
    .toSorted((a, b) => a.place - b.place);
  for (const [n, { deed }] of order.entries()) {
    const at = ((n + 1) / (order.length + 1)) * options.requests;
    while (total(run.figures) < at && !run.isOver()) {
      await pause(5);
    }
    if (run.isOver()) return;
    await deed(run, random);
  }
}

async function restartServer({ site, figures }: Run, random: () => number): Promise<void> {
  const server = site.servers[random() < 0.5 ? 0 : 1];
  await server?.kill();
  await pause(300 + random() * 700);
  await server?.start();
  figures.serverRestarts++;
}

async function killWorker({ site, figures }: Run, random: () => number): Promise<void> {
  const pids = await site.pids();
  process.kill(pids[Math.floor(random() * pids.length)] ?? 0, 'SIGKILL');
  figures.workerKills++;
}

async function reload({ site, figures }: Run, random: () => number): Promise<void> {
  const weight = 100 + Math.floor(random() * 900);
  await site.ballast.reload(site.yaml.replaceAll('name: EX01', `name: EX01, weight: ${weight}`));
  figures.reloads++;
}
