// How the reloads went, for whoever watches them from afar.

export type ReloadResult = 'applied' | 'partial' | 'refused' | 'failed';

export interface ReloadRecord {
  readonly results: Readonly<Record<ReloadResult, number>>;
  /** True before the first reload. */
  readonly latestWasApplied: boolean;
  /** When the configuration in use was taken. */
  readonly changedAtMs: number;
}

export function noReloads(nowMs: number): ReloadRecord {
  const results = { applied: 0, partial: 0, refused: 0, failed: 0 };
  return { results, latestWasApplied: true, changedAtMs: nowMs };
}

export function noteReload(
  before: ReloadRecord,
  result: ReloadResult,
  nowMs: number
): ReloadRecord {
  const changed = result === 'applied' || result === 'partial';
  return {
    results: { ...before.results, [result]: before.results[result] + 1 },
    latestWasApplied: result === 'applied',
    changedAtMs: changed ? nowMs : before.changedAtMs
  };
}
