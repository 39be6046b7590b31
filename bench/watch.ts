// npm run bench:watch: has Ballast become dearer? Its CPU time per request as a ratio to a plain
// relay of Node measured in the same moments, against the ratio recorded in recorded.json.
// Exits 1 when it is more than 15 % worse. --record writes a new file.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { estimate, judge, judgeSessions } from './watch-verdict.ts';
import { runSession, watched, type Round, type Session, type Watched } from './watch-session.ts';
import { median } from './table.ts';

interface Recorded {
  readonly date: string;
  readonly node: string;
  /** Medians of sessions with fresh processes: the median of them, the least and the most. */
  readonly ratios: Readonly<Record<Watched, { ratio: number; least: number; most: number }>>;
}

type Final = ReturnType<typeof judgeSessions>;

const file = new URL('recorded.json', import.meta.url);
const tolerance = 1.15;
const sessionsMax = 3;
const sessionSeconds = 12;
/** No session begins later than this. */
const lastStartMs = 36_000;
const recordedSessions = 7;
const recordedSeconds = 12;

const ratiosOf = (rounds: readonly Round[], name: Watched): number[] =>
  rounds.map((round) => round[name] / round.yardstick);

const medianRatio = ({ rounds }: Session, name: Watched): number => median(ratiosOf(rounds, name));

async function record(): Promise<void> {
  const sessions: Session[] = [];
  while (sessions.length < recordedSessions) {
    const session = await runSession(recordedSeconds, () => false);
    sessions.push(session);
    console.log(
      watched.map((name) => `${name} ${medianRatio(session, name).toFixed(3)}`).join(', ')
    );
  }
  const ratios = watched.map((name) => {
    const each = sessions.map((session) => medianRatio(session, name));
    const [ratio, least, most] = [median(each), Math.min(...each), Math.max(...each)].map(rounded);
    return [name, { ratio, least, most }];
  });
  const date = new Date().toISOString().slice(0, 10);
  const recorded = { date, node: process.version, ratios: Object.fromEntries(ratios) };
  writeFileSync(file, `${JSON.stringify(recorded, null, 2)}\n`);
}

async function watch(recorded: Recorded): Promise<number> {
  const sessions: Session[] = [];
  const boundOf = (name: Watched): number => recorded.ratios[name].ratio * tolerance;
  const verdictOf = (name: Watched, more: readonly Round[] = []): Final => {
    const all = sessions.map(({ rounds }) => ratiosOf(rounds, name));
    return judgeSessions(more.length > 0 ? [...all, ratiosOf(more, name)] : all, boundOf(name));
  };
  const isOpen = (name: Watched): boolean => verdictOf(name) === 'undecided';
  const inTime = (): boolean => performance.now() < lastStartMs;
  while (sessions.length < sessionsMax && watched.some(isOpen) && inTime()) {
    const open = watched.filter(isOpen);
    // A first session can only clear; once it knows that it cannot, it makes room for the next.
    const isTold = (rounds: readonly Round[]): boolean =>
      open.every((name) =>
        sessions.length === 0
          ? judge(ratiosOf(rounds, name), boundOf(name)) !== 'undecided'
          : verdictOf(name, rounds) !== 'undecided'
      );
    sessions.push(await runSession(sessionSeconds, isTold));
  }
  console.log(printTable(recorded, sessions, verdictOf));
  const { date, node } = recorded;
  console.log(`recorded ${date} with Node ${node}; this is ${process.version}`);
  for (const name of watched) console.log(explain(name, verdictOf(name), recorded));
  return watched.some((name) => verdictOf(name) === 'worse') ? 1 : 0;
}

function printTable(
  { ratios }: Recorded,
  sessions: readonly Session[],
  verdictOf: (name: Watched) => Final
): string {
  const rounds = sessions.flatMap((session) => session.rounds);
  const us = (name: keyof Round): string => median(rounds.map((round) => round[name])).toFixed(1);
  const rows = watched.map((name) => {
    const { median: ratio, low, high } = estimate(ratiosOf(rounds, name));
    const was = ratios[name];
    return (
      `| ${name.padEnd(5)} | ${us(name)} | ${us('yardstick')} | ` +
      `${ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)}) | ` +
      `${was.ratio.toFixed(2)} (${was.least.toFixed(2)}-${was.most.toFixed(2)}) | ` +
      `${percent(ratio / was.ratio)} | ${verdictOf(name)} |`
    );
  });
  const housekeeping = median(sessions.map((session) => session.housekeeping)).toFixed(1);
  return [
    '| watch | Ballast us | net-relay us | ratio | recorded | change | verdict |',
    '| ----- | ---------- | ------------ | ----- | -------- | ------ | ------- |',
    ...rows,
    `${sessions.length} sessions, ${rounds.length} rounds; idle Ballast: ${housekeeping} ms CPU a second`
  ].join('\n');
}

function explain(name: Watched, verdict: Final, { ratios }: Recorded): string {
  const bound = `${(ratios[name].ratio * tolerance).toFixed(2)} times the plain relay`;
  switch (verdict) {
    case 'within':
      return `${name}: within the bound of ${bound}`;
    case 'worse':
      return `${name}: FAILED, a request costs more than ${bound}, 15 % more than was recorded`;
    case 'undecided':
      return `${name}: too noisy to tell; the bound is ${bound}`;
  }
}

const percent = (factor: number): string =>
  `${factor >= 1 ? '+' : ''}${((factor - 1) * 100).toFixed(1)} %`;

const rounded = (ratio: number): number => Math.round(ratio * 1000) / 1000;

const { values } = parseArgs({ options: { record: { type: 'boolean', default: false } } });
if (!existsSync('/proc/self/schedstat')) {
  console.log('watch: this kernel keeps no account by threads (/proc/PID/schedstat): cannot tell');
} else if (values.record) {
  await record();
} else {
  process.exitCode = await watch(JSON.parse(readFileSync(file, 'utf8')) as Recorded);
}
// Whatever still holds the event loop, the work is done.
process.exit();
