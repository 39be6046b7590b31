import t from 'tap';
import { initialState, observe, wantsRetry } from '../../src/health-check/health.ts';
import type { CheckResult } from '../../src/health-check/health.ts';

const passed: CheckResult = { passed: true };
const silent: CheckResult = { passed: false, answered: false, reason: 'silence' };
const bad: CheckResult = { passed: false, answered: true, reason: 'got 503' };

/** States after each of `results`, a star where a retry is due at once. */
function walk(results: readonly CheckResult[], retries: number, checked = true): string[] {
  let state = initialState(checked);
  return results.map((result) => {
    state = observe(state, result, retries);
    return `${state.health.state}${wantsRetry(state, retries) ? '*' : ''}`;
  });
}

t.test('rise and fall', (t) => {
  t.equal(initialState(true).health.state, 'unknown');
  t.strictSame(walk([passed], 2), ['up'], 'one success brings a server up');
  t.strictSame(walk([passed, bad], 2), ['up', 'down'], 'a bad answer takes it down at once');
  t.strictSame(
    walk([passed, silent, silent, silent, silent], 2),
    ['up', 'up*', 'up*', 'down', 'down'],
    'silence takes it down after two further tries'
  );
  t.strictSame(walk([passed, silent], 0), ['up', 'down'], 'no retries, no patience');
  t.strictSame(
    walk([passed, silent, silent, passed, silent, silent, silent], 2),
    ['up', 'up*', 'up*', 'up', 'up*', 'up*', 'down'],
    'a success ends the streak'
  );
  t.strictSame(
    walk([passed, silent, bad, silent], 2),
    ['up', 'up*', 'down', 'down*'],
    'a bad answer between silences decides'
  );
  t.strictSame(
    walk([silent, silent, silent, silent], 2),
    ['down*', 'down*', 'down', 'down'],
    'a server never seen up is down at once, and still tried again soon'
  );
  t.strictSame(walk([bad, passed], 2), ['down', 'up']);
  t.strictSame(walk([passed, passed], 2, false), ['unchecked', 'unchecked'], 'none is unchecked');
  t.end();
});

t.test('what is up stays as it was noted', (t) => {
  const up = { health: { state: 'up', sinceMs: 5 }, unanswered: 0 } as const;
  t.equal(observe(up, passed, 2).health, up.health);
  t.equal(observe(up, silent, 2).health, up.health);
  t.strictSame(observe(observe(up, bad, 2), passed, 2).health, { state: 'up' });
  t.end();
});

t.test('the reason is that of the last failure', (t) => {
  const down = observe(observe(initialState(true), bad, 2), silent, 2);
  t.strictSame(down.health, { state: 'down', reason: 'silence' });
  t.end();
});
