// Counting of wrong passwords, by name and moment.

import t from 'tap';
import { Lockouts } from '../../src/primary/lockouts.ts';
import { ssoDomain } from './configuration.ts';

const second = 1000;
const lockout = { failuresMax: 3, resetMs: 60 * second, blockedMs: 1800 * second };
const domain = ssoDomain({ lockout });

/** Fails at each of these seconds; whether each of them blocked. */
function failAt(lockouts: Lockouts, seconds: readonly number[], user = 'alice'): boolean[] {
  return seconds.map((at) => lockouts.failed(domain, user, at * second));
}

t.test('failures in a row block, for a time', (t) => {
  const lockouts = new Lockouts();
  t.strictSame(failAt(lockouts, [0, 59]), [false, false]);
  t.equal(lockouts.isBlocked(domain, 'alice', 59 * second), false);
  t.strictSame(failAt(lockouts, [118]), [true], 'each within the time of the one before');
  const untilMs = (118 + 1800) * second;
  t.equal(lockouts.isBlocked(domain, 'alice', untilMs - 1), true);
  t.equal(lockouts.isBlocked(domain, 'bob', 119 * second), false);
  t.equal(lockouts.isBlocked(ssoDomain({ name: 'B' }), 'alice', 119 * second), false);
  t.strictSame(lockouts.blocked(untilMs - 1), [{ domain: domain.name, user: 'alice', untilMs }]);
  t.equal(lockouts.isBlocked(domain, 'alice', untilMs), false);
  t.strictSame(lockouts.blocked(untilMs), []);
  t.strictSame(failAt(lockouts, [1919, 1920, 1921]), [false, false, true], 'from the beginning');
  t.equal(lockouts.blockedEver, 2);
  t.end();
});

t.test('what forgets failures', (t) => {
  const lockouts = new Lockouts();
  t.strictSame(failAt(lockouts, [0, 1, 61, 62, 122, 123]), Array(6).fill(false), 'time');
  lockouts.succeeded(domain, 'alice');
  t.strictSame(failAt(lockouts, [124, 125]), [false, false], 'the right password');
  t.equal(lockouts.unblock(domain, 'alice', 126 * second), false, 'he was not blocked');
  t.strictSame(failAt(lockouts, [126, 127, 128]), [false, false, true]);
  t.equal(lockouts.unblock(ssoDomain({ name: 'B' }), 'alice', 129 * second), false);
  t.equal(lockouts.isBlocked(domain, 'alice', 129 * second), true);
  t.equal(lockouts.unblock(domain, 'alice', 129 * second), true);
  t.equal(lockouts.isBlocked(domain, 'alice', 129 * second), false, 'an administrator');
  t.strictSame(failAt(lockouts, [130, 131]), [false, false]);
  t.end();
});

t.test('0 = never', (t) => {
  const lockouts = new Lockouts();
  const never = ssoDomain({ lockout: { ...lockout, failuresMax: 0 } });
  for (let n = 0; n < 1000; n++) {
    t.equal(lockouts.mayAsk(never, 'alice', n), true);
    if (lockouts.failed(never, 'alice', n)) t.fail('blocked');
  }
  t.strictSame(lockouts.blocked(0), []);
  t.end();
});

t.test('questions on their way may all be failures', (t) => {
  const lockouts = new Lockouts();
  const ask = (user = 'alice'): boolean => lockouts.mayAsk(domain, user, 0);
  t.strictSame([ask(), ask(), ask(), ask()], [true, true, true, false]);
  t.equal(ask('bob'), true);
  lockouts.asked(domain, 'alice');
  t.strictSame([ask(), ask()], [true, false]);
  lockouts.failed(domain, 'alice', 0);
  lockouts.asked(domain, 'alice');
  t.equal(ask(), false, 'the failure counts in its place');
  lockouts.asked(domain, 'alice');
  lockouts.asked(domain, 'alice');
  t.strictSame([ask(), ask(), ask()], [true, true, false]);
  t.end();
});

t.test('a flood of invented names frees nobody who is blocked', (t) => {
  const lockouts = new Lockouts();
  failAt(lockouts, [0, 0], 'nearly');
  failAt(lockouts, [0, 0, 0]);
  for (let n = 0; n < 100_000; n++) lockouts.failed(domain, `invented ${n}`, second);
  t.equal(lockouts.isBlocked(domain, 'alice', 2 * second), true);
  t.strictSame(failAt(lockouts, [2], 'nearly'), [false], 'the oldest were forgotten');
  t.strictSame(failAt(lockouts, [2, 2], 'invented 99999'), [false, true], 'the latest were not');
  t.end();
});

t.test('a flood of long names costs no more memory than one of short ones', (t) => {
  const lockouts = new Lockouts();
  const long = 'x'.repeat(4608);
  const gigabyte = 1e9;
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100_000; n++) lockouts.failed(domain, `${long}${n}`, second);
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(grown < gigabyte / 10, `${Math.round(grown / 1e6)} MB`);
  t.strictSame(
    failAt(lockouts, [1, 1], `${long}99999`),
    [false, true],
    'and is counted as they are'
  );
  t.end();
});
