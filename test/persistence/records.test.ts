// Records with an end, as many as fit.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { Records } from '../../src/persistence/records.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

t.test('a record lives until its end', async (t) => {
  const records = new Records<string>(10);
  records.set('a', 'EX01', 100);
  t.equal(records.find('a', 99), 'EX01');
  t.equal(records.find('a', 100), undefined);
  t.equal(records.size, 0, 'and is gone once somebody looked');
  records.set('a', 'EX01', 100);
  records.set('a', 'EX02', 200);
  t.equal(records.find('a', 150), 'EX02', 'written anew it has a new end');
  t.equal(records.find('b', 0), undefined);
});

t.test('a sweep takes what is past its end, and only that', async (t) => {
  const records = new Records<string>(10);
  for (let n = 0; n < 6; n++) records.set(`k${n}`, 'EX01', n * 10);
  records.sweep(30);
  t.equal(records.size, 2);
  t.equal(records.countOf('EX01'), 2);
  t.equal(records.find('k4', 30), 'EX01');
});

t.test('all of one server, and all', async (t) => {
  const records = new Records<object>(10);
  const [one, two] = [{}, {}];
  records.set('a', one, 1);
  records.set('b', two, 1);
  records.set('c', one, 1);
  records.deleteAllOf(one);
  t.equal(records.find('b', 0), two);
  t.strictSame([records.size, records.countOf(one), records.countOf(two)], [1, 0, 1]);
  records.delete('b');
  records.delete('b');
  t.strictSame([records.size, records.countOf(two)], [0, 0]);
  records.set('a', one, 1);
  records.clear();
  t.strictSame([records.size, records.countOf(one)], [0, 0]);
});

t.test('the least recently used make room, and memory stays bounded', async (t) => {
  const most = 50_000;
  const records = new Records<string>(most);
  for (let n = 0; n < most; n++) records.set(`first ${n}`, 'EX01', Infinity);
  for (let n = 0; n < 100; n++) records.set(`first ${n}`, 'EX02', Infinity); // used again
  const before = liveHeapBytes();
  for (let n = 0; n < most - 600; n++) records.set(`second ${n}`, 'EX01', Infinity);
  t.ok(records.size <= most && records.size > most - 500, `${records.size} records`);
  t.equal(records.countOf('EX02'), 100, 'who came again is still known');
  t.equal(records.find('first 100', 0), undefined, 'and who did not is not');
  for (let n = 0; n < 4 * most; n++) records.set(`third ${n}`, 'EX03', Infinity);
  t.ok(records.size <= most && records.size > most - 500, `${records.size} records`);
  t.strictSame(
    ['EX01', 'EX02', 'EX03'].map((server) => records.countOf(server)),
    [0, 0, records.size]
  );
  t.equal(records.find(`third ${3 * most - 1}`, 0), undefined);
  t.equal(records.find(`third ${3 * most + 500}`, 0), 'EX03');
  const grownMiB = (liveHeapBytes() - before) / 2 ** 20;
  t.ok(grownMiB < 20, `${grownMiB.toFixed(1)} MiB more after 250,000 records for 50,000 places`);
});

/** What is in use: garbage that nobody collected yet says nothing. */
function liveHeapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
