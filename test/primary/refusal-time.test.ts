// How long refusals take, by what questions took before.

import t from 'tap';
import { RefusalTime } from '../../src/primary/refusal-time.ts';

function nextOf(time: RefusalTime): { least: number; most: number } {
  const all = Array.from({ length: 1000 }, () => time.nextMs);
  return { least: Math.min(...all), most: Math.max(...all) };
}

t.test('half a second and a bit, and as long as the slowest question', (t) => {
  const time = new RefusalTime();
  const lasts = (leastMs: number, what: string): void => {
    const { least, most } = nextOf(time);
    t.ok(least >= leastMs && most <= leastMs * 1.2, `${what}: ${least} to ${most} ms`);
  };
  lasts(500, 'at first');
  time.note(40);
  lasts(500, 'a fast directory');
  time.note(1200);
  lasts(1200, 'a slow one');
  for (let n = 0; n < 5; n++) time.note(1150);
  const { least } = nextOf(time);
  t.ok(least > 1190, 'it is not forgotten soon');
  for (let n = 0; n < 500; n++) time.note(700);
  const { least: later } = nextOf(time);
  t.ok(later >= 700 && later < 720, 'but in time');
  time.note(60_000);
  lasts(3000, 'nobody is kept for ever');
  t.end();
});
