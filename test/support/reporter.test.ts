// The reporter reads what tap writes, whatever that is: if it fails, all results are lost.

import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import t from 'tap';
import Reporter from './reporter.ts';

async function report(tap: string): Promise<string> {
  const reporter = new Reporter();
  const said = text(reporter);
  reporter.end(tap);
  await once(reporter, 'end');
  return said;
}

t.test('counts what passed, failed and was skipped', async (t) => {
  const said = await report(
    'TAP version 14\n' +
      '# Subtest: a.test.ts\n    ok 1 - one\n    not ok 2 - two\n    ok 3 - three # SKIP no peer\n' +
      '    1..3\nnot ok 1 - a.test.ts # time=12ms\n1..1\n'
  );
  t.match(said, /^not ok a\.test\.ts > two$/m);
  t.match(said, /^skipped a\.test\.ts > three$/m);
  t.match(said, /\n1 passed, 1 failed, 1 skipped\n$/);
});

t.test('a diagnosis that holds itself is told', async (t) => {
  const said = await report(
    'TAP version 14\nnot ok 1 - spawn # time=1ms\n' +
      '  ---\n  error: &1\n    code: ENOENT\n    self: *1\n  ...\n1..1\n'
  );
  t.match(said, /not ok spawn\n {2}error: .*ENOENT/);
  t.match(said, /\n0 passed, 1 failed\n$/);
});
