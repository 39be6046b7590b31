// Rise and fall: what a check's result makes of a server's health. Pure.
//
// One success brings a server up. An answer that is not good takes it down at once: the server
// spoke. Silence, a refusal or a reset is tried again `retries` times first. A server that was
// never up gets no such benefit of the doubt, so that starting does not wait for the retries.

/** What the primary knows of one real server's health. */
export type Health =
  | { readonly state: 'unknown' | 'unchecked' }
  | {
      readonly state: 'up';
      /** When it came up again, in milliseconds since 1970; undefined = it was never seen down. */
      readonly sinceMs?: number;
    }
  | { readonly state: 'down'; readonly reason: string };

export interface CheckState {
  readonly health: Health;
  /** Unanswered tries in a row. */
  readonly unanswered: number;
}

export type CheckResult =
  | { readonly passed: true }
  | { readonly passed: false; readonly answered: boolean; readonly reason: string };

export function initialState(checked: boolean): CheckState {
  return { health: { state: checked ? 'unknown' : 'unchecked' }, unanswered: 0 };
}

export function observe(state: CheckState, result: CheckResult, retries: number): CheckState {
  if (result.passed) {
    const stays = state.health.state === 'unchecked' || state.health.state === 'up';
    return { health: stays ? state.health : { state: 'up' }, unanswered: 0 };
  }
  const down: Health = { state: 'down', reason: result.reason };
  if (result.answered) return { health: down, unanswered: 0 };
  const unanswered = Math.min(state.unanswered + 1, retries + 1);
  const holds = state.health.state === 'up' && unanswered <= retries;
  return { health: holds ? state.health : down, unanswered };
}

/** A server of a service that needs several (LoadMaster: Enhanced Options). */
export interface Member {
  readonly settings: {
    readonly name: string;
    readonly enable: boolean;
    readonly critical: boolean;
  };
  readonly isUp: boolean;
}

/**
 * Why a service counts as down although some of its servers may be up; undefined while it does not.
 * A server that is disabled counts as down, critical or not.
 */
export function whyBelowMinimum(minimum: number, servers: readonly Member[]): string | undefined {
  let up = 0;
  for (const { settings, isUp } of servers) {
    if (settings.enable && isUp) up++;
    else if (settings.critical) {
      return `critical real server ${settings.name} is ${settings.enable ? 'down' : 'disabled'}`;
    }
  }
  return up < minimum ? `${up} real servers are up and rsMinimum is ${minimum}` : undefined;
}

/** True while a server that did not answer is to be tried again without waiting its interval. */
export function wantsRetry(state: CheckState, retries: number): boolean {
  return state.unanswered > 0 && state.unanswered <= retries;
}
