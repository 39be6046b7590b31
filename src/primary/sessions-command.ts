// `ballast sessions`: asks the management listener of a Ballast that runs, and says in words what it
// answered.

import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { loadConfiguration } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { formatEndpoint, splitEndpoint } from '../net/address.ts';
import { shownMax, type SessionsReport } from './sessions.ts';

export type SessionsAction =
  { readonly name: 'list' } | { readonly name: 'kill' | 'unlock'; readonly user: string };

/** Where the listener is; `file` is a configuration that says it. */
export type SessionsTarget = { readonly file: string } | { readonly endpoint: string };

const answerTimeMs = 10_000;
/** The contract knows no code for it: as with a configuration that is refused nothing was changed. */
const exitCode = { well: 0, refused: 1 } as const;

/** The exit code, once all is said. */
export async function runSessions(action: SessionsAction, target: SessionsTarget): Promise<number> {
  const base = await baseOf(target);
  if (base === undefined) return exitCode.refused;
  try {
    process.stdout.write(await perform(action, base));
    return exitCode.well;
  } catch (error) {
    process.stderr.write(`ballast: ${base}: ${explain(error)}\n`);
    return exitCode.refused;
  }
}

/** `http://127.0.0.1:8444`; undefined after the problems of the file were said. */
async function baseOf(target: SessionsTarget): Promise<string | undefined> {
  if ('endpoint' in target) {
    const { host, port } = splitEndpoint(target.endpoint);
    // The listener tells whoever asks by a name less (admin-guard.ts).
    const address = await lookup(host).then(
      (found) => found.address,
      () => host
    );
    return `http://${formatEndpoint(address, Number(port))}`;
  }
  const loaded = await loadConfiguration(target.file, { writable: false });
  if ('problems' in loaded) {
    for (const problem of loaded.problems) console.error(formatProblem(problem));
    return undefined;
  }
  const { address, port } = loaded.configuration.admin;
  return `http://${formatEndpoint(reachable(address), port)}`;
}

function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

async function perform(action: SessionsAction, base: string): Promise<string> {
  if (action.name === 'list') {
    return describe((await ask(`${base}/sessions`)) as SessionsReport);
  }
  const { user } = action;
  const answer = await ask(`${base}/sessions/${action.name}`, { user });
  if (action.name === 'unlock') {
    return countIn(answer, 'unlocked') > 0
      ? `${user} may try again\n`
      : `${user} was not blocked\n`;
  }
  const ended = countIn(answer, 'ended');
  return `${ended} ${ended === 1 ? 'session' : 'sessions'} of ${user} ended\n`;
}

/** Rejects with the reason, for a human. Not by `fetch`, which refuses many a port. */
async function ask(url: string, body?: object): Promise<unknown> {
  const signal = AbortSignal.timeout(answerTimeMs);
  const asking =
    body === undefined
      ? request(url, { signal })
      : request(url, {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          signal
        });
  asking.end(body === undefined ? undefined : JSON.stringify(body));
  const [answer] = (await once(asking, 'response')) as [IncomingMessage];
  const said = await text(answer);
  if (answer.statusCode === 200) return JSON.parse(said);
  throw new Error(`${answer.statusCode} ${said.trim().slice(0, 200)}`);
}

function countIn(answer: unknown, name: string): number {
  const value: unknown = Object(answer)[name];
  if (typeof value !== 'number') throw new Error('it is no management listener of Ballast');
  return value;
}

function describe({ sessions, blocked }: SessionsReport): string {
  const head = ['USER', 'SSO DOMAIN', 'MODE', 'CLIENT', 'COMPUTER', 'SINCE', 'LAST USE'];
  const rows = sessions.list.map((one) => [
    one.user,
    one.domain,
    one.mode,
    one.client,
    one.mode === 'basic' ? '-' : one.private ? 'private' : 'public',
    one.since,
    one.lastUse
  ]);
  const locked = blocked.list.map(({ user, domain, until }) => [user, domain, until]);
  return [
    rows.length === 0 ? 'nobody is signed in\n' : columns([head, ...rows]),
    more(sessions.total),
    locked.length === 0 ? '' : `\n${columns([['BLOCKED', 'SSO DOMAIN', 'UNTIL'], ...locked])}`,
    more(blocked.total)
  ].join('');
}

function more(total: number): string {
  return total > shownMax ? `and ${total - shownMax} more\n` : '';
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, n) =>
    Math.max(...rows.map((row) => (row[n] ?? '').length))
  );
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, n) => cell.padEnd(widths[n] ?? 0))
          .join('  ')
          .trimEnd()}\n`
    )
    .join('');
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'AbortError' ? 'it does not answer' : error.message;
}
