// Better, worse or no telling: what rounds of a noisy machine say about a bound. Pure.

/** `undecided` = more rounds may tell; `clear` = within the bound and far from it. */
export type Verdict = 'clear' | 'within' | 'worse' | 'undecided';

export interface Estimate {
  readonly median: number;
  /** Between these lies the true median, whatever the noise looks like: one error in a hundred. */
  readonly low: number;
  readonly high: number;
}

/** With fewer rounds even the extremes do not enclose the median surely enough. */
export const roundsMin = 16;

const errorRate = 0.01;
const nearBound = 0.96;

/** The sign test's interval: it asks nothing of the noise but that rounds are alike. */
export function estimate(values: readonly number[]): Estimate {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = outsideCount(sorted.length);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return {
    median: (at(Math.floor((sorted.length - 1) / 2)) + at(Math.floor(sorted.length / 2))) / 2,
    low: cut === undefined ? 0 : at(cut),
    high: cut === undefined ? Number.POSITIVE_INFINITY : at(sorted.length - 1 - cut)
  };
}

export function judge(values: readonly number[], bound: number): Verdict {
  if (values.length < roundsMin) return 'undecided';
  const { low, high } = estimate(values);
  if (high <= bound * nearBound) return 'clear';
  if (high <= bound) return 'within';
  return low > bound ? 'worse' : 'undecided';
}

/**
 * Of sessions with fresh processes each. They differ by some 4 % from one to the next, by the luck of
 * memory and of compiled code, so that near the bound two must agree.
 */
export function judgeSessions(
  sessions: readonly (readonly number[])[],
  bound: number
): Exclude<Verdict, 'clear'> {
  if (sessions.some((values) => judge(values, bound) === 'clear')) return 'within';
  if (sessions.length < 2) return 'undecided';
  const verdict = judge(sessions.flat(), bound);
  if (verdict !== 'worse') return verdict === 'clear' ? 'within' : verdict;
  const above = sessions.filter((values) => estimate(values).median > bound);
  return above.length >= 2 ? 'worse' : 'undecided';
}

/** How many values may be cut off at each end; undefined when there are too few for any claim. */
function outsideCount(count: number): number | undefined {
  let term = 0.5 ** count;
  let tail = 0;
  let cut = -1;
  while (tail + term <= errorRate / 2 && cut < count / 2) {
    tail += term;
    cut++;
    term *= (count - cut) / (cut + 1);
  }
  return cut < 0 ? undefined : cut;
}
