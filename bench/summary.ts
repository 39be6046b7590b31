// All scenarios of a run in one table, beside what Ballast must and should cost.

import type { ProxyName } from './contest.ts';
import type { Result } from './results.ts';
import { markdown, printSpread, type Row, type Spread } from './table.ts';
import { targets, type Goal } from './targets.ts';

/** Whether Ballast is where it should be; undefined where nothing was promised, or measured. */
export type Verdict = 'aim' | 'must' | 'missed' | undefined;

export interface SummaryRow {
  readonly scenario: string;
  readonly cost: string;
  readonly costs: Readonly<Partial<Record<ProxyName, number>>>;
  /** Every other proxy's cost and Ballast's as ratio to HAProxy's. */
  readonly toHaproxy: Readonly<Partial<Record<ProxyName, Spread>>>;
  readonly toNginx: Spread | undefined;
  readonly goal: Goal | undefined;
  readonly verdict: Verdict;
}

export function summaryOf(results: readonly Pick<Result, 'scenario' | 'cost' | 'rows'>[]) {
  return results.map(({ scenario, cost, rows }): SummaryRow => {
    const own = rows.find(({ proxy }) => proxy === 'ballast');
    const goal = targets[scenario];
    return {
      scenario,
      cost,
      costs: byProxy(rows, (row) => row.cost),
      toHaproxy: byProxy(rows, (row) => row.ratios['haproxy']),
      toNginx: own?.ratios['nginx'],
      goal,
      verdict: verdictOf(own?.ratios['haproxy']?.median, goal)
    };
  });
}

/** Judged as printed: what reads 1.15 does not miss 1.15. */
export function verdictOf(ratio: number | undefined, goal: Goal | undefined): Verdict {
  if (ratio === undefined || goal === undefined) return undefined;
  const rounded = Number(ratio.toFixed(2));
  if (rounded <= goal.aim) return 'aim';
  return rounded <= goal.must ? 'must' : 'missed';
}

export function printSummary(results: readonly Pick<Result, 'scenario' | 'cost' | 'rows'>[]) {
  const head = ['scenario', 'cost', 'ballast', 'haproxy', 'nginx', 'x haproxy', 'x nginx'];
  const cells = summaryOf(results).map((row) => [
    row.scenario,
    row.cost,
    ...(['ballast', 'haproxy', 'nginx'] as const).map((name) => row.costs[name]?.toFixed(1) ?? ''),
    printSpread(row.toHaproxy.ballast, 2),
    printSpread(row.toNginx, 2),
    row.goal?.must.toFixed(2) ?? '',
    row.goal?.aim.toFixed(2) ?? '',
    row.verdict?.replace('missed', 'MISSED') ?? ''
  ]);
  return markdown([...head, 'must', 'aim', 'holds'], cells);
}

function byProxy<T>(
  rows: readonly Row[],
  figure: (row: Row) => T | undefined
): Partial<Record<ProxyName, T>> {
  return Object.fromEntries(
    rows.flatMap((row) => {
      const value = figure(row);
      return value === undefined ? [] : [[row.proxy, value]];
    })
  );
}
