// Who is signed in, who is blocked, and whether the directories answer: what `/status`, `/sessions`
// and `/metrics` tell of pre-authentication. Names and addresses of people, but nothing by which
// somebody could sign in.

import type { Configuration } from '../config/model.ts';
import type { LogonCounts, Logons } from './logons.ts';
import type { PassView } from './pass-table.ts';

/** Of each list; its total says how many there are. */
export const shownMax = 1000;

export interface SessionsReport {
  readonly sessions: {
    readonly total: number;
    /** The latest used first. */
    readonly list: readonly SessionLine[];
  };
  readonly blocked: {
    readonly total: number;
    readonly list: readonly BlockedLine[];
  };
}

/** Times in ISO 8601. */
export interface SessionLine {
  readonly user: string;
  readonly domain: string;
  readonly mode: PassView['how'];
  readonly client: string;
  readonly private: boolean;
  readonly since: string;
  readonly lastUse: string;
}

export interface BlockedLine {
  readonly user: string;
  readonly domain: string;
  readonly until: string;
}

export function reportSessions(logons: Logons, nowMs: number): SessionsReport {
  const { passes, lockouts } = logons;
  passes.sweep(nowMs);
  const blocked = lockouts.blocked(nowMs);
  return {
    sessions: { total: passes.size, list: passes.list(shownMax).map(sessionLine) },
    blocked: {
      total: blocked.length,
      list: blocked.slice(-shownMax).map(({ user, domain, untilMs }) => ({
        user,
        domain,
        until: isoTime(untilMs)
      }))
    }
  };
}

function sessionLine(view: PassView): SessionLine {
  const { user, domain, how, client, isPrivate, startedAtMs, usedAtMs } = view;
  const since = isoTime(startedAtMs);
  const lastUse = isoTime(usedAtMs);
  return { user, domain, mode: how, client, private: isPrivate, since, lastUse };
}

/** For /status. */
export function reportGate(
  logons: Logons,
  { ssoDomains }: Configuration,
  nowMs: number
): { readonly ssoDomains: readonly object[]; readonly preAuthentication: object } {
  const { counts, lockouts } = logons;
  return {
    ssoDomains: ssoDomains.map(({ name }) => {
      const { state, servers } = logons.healthOf(name) ?? notChecked;
      return {
        name,
        status: state === 'down' ? 'Security Down' : statusOf[state],
        reason: logons.whyDown(name) ?? null,
        servers: servers.map((one) => ({
          server: one.server,
          status: statusOf[one.state],
          reason: one.reason === '' ? null : one.reason,
          since: isoTime(one.sinceMs)
        }))
      };
    }),
    preAuthentication: {
      ...counts,
      lockouts: lockouts.blockedEver,
      ...reportSessions(logons, nowMs)
    }
  };
}

const notChecked = { state: 'unknown', servers: [] } as const;
const statusOf = { unknown: 'Unchecked', up: 'Up', down: 'Down' } as const;

/** For /metrics. */
export interface GateCounts {
  readonly logons: Readonly<Record<'success' | 'failure' | 'unavailable', number>>;
  readonly lockouts: number;
  readonly blocked: number;
  readonly domains: readonly DomainCounts[];
}

interface DomainCounts {
  readonly name: string;
  /** What was not checked yet is no outage. */
  readonly isUp: boolean;
  readonly servers: readonly { readonly server: string; readonly isUp: boolean }[];
  readonly sessions: Readonly<Record<PassView['how'], number>>;
}

export function countGate(
  logons: Logons,
  { ssoDomains }: Configuration,
  nowMs: number
): GateCounts {
  const { counts, lockouts, passes } = logons;
  passes.sweep(nowMs);
  const tally = passes.tally();
  return {
    logons: resultsOf(counts),
    lockouts: lockouts.blockedEver,
    blocked: lockouts.blocked(nowMs).length,
    domains: ssoDomains.map(({ name }) => {
      const { state, servers } = logons.healthOf(name) ?? notChecked;
      return {
        name,
        isUp: state !== 'down',
        servers: servers.map((one) => ({ server: one.server, isUp: one.state !== 'down' })),
        sessions: tally.get(name) ?? { form: 0, basic: 0 }
      };
    })
  };
}

function resultsOf({ logons, failures, unavailable }: LogonCounts): GateCounts['logons'] {
  return { success: logons, failure: failures, unavailable };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
