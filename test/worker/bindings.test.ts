// What a worker knows of persistence records, and what it says to the primary.

import t from 'tap';
import type { ToPrimary } from '../../src/messages.ts';
import { RealServer } from '../../src/service/real-server.ts';
import { WorkerBindings } from '../../src/worker/bindings.ts';
import { configuration } from '../fixture/configuration.ts';

const minuteMs = 60_000;

function scene(answerTimeMs?: number) {
  const { virtualServices } = configuration({ servers: [1, 2] });
  const servers = (virtualServices[0]?.realServers ?? []).map(
    (settings) => new RealServer(settings)
  );
  const [a, b] = servers;
  if (a === undefined || b === undefined) throw new Error('no servers');
  const told: ToPrimary[] = [];
  let wake = (): void => {};
  const bindings = new WorkerBindings(
    (message) => {
      told.push(message);
      wake();
    },
    (id) => servers.find((server) => server.id === id),
    answerTimeMs
  );
  const next = async (): Promise<ToPrimary | undefined> => {
    if (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return told.shift();
  };
  return { bindings, a, b, told, next };
}

t.test('an unknown key is asked for once', async (t) => {
  const { bindings, a, b, next } = scene();
  t.equal(bindings.find('k'), undefined);
  const one = bindings.ask('k', a, minuteMs, []);
  const two = bindings.ask('l', undefined, minuteMs, [b]);
  t.strictSame(await next(), {
    type: 'bind',
    asks: [
      { n: 0, key: 'k', id: a.id, timeoutMs: minuteMs, failed: [] },
      { n: 1, key: 'l', id: '', timeoutMs: minuteMs, failed: [b.id] }
    ]
  });
  bindings.receive({
    type: 'bound',
    bound: [
      [0, b.id],
      [1, ''],
      [7, a.id]
    ]
  });
  t.equal(await one, b, "the primary's word counts");
  t.equal(await two, undefined);
  t.equal(bindings.find('k'), b);
  t.equal(bindings.find('l'), undefined);
});

t.test('an answer that does not come does not keep the client waiting', async (t) => {
  const { bindings, a, b, next, told } = scene(5);
  const asked = bindings.ask('k', a, minuteMs, []);
  t.match(await next(), { type: 'bind' });
  t.equal(await asked, a, 'our own choice');
  t.equal(bindings.find('k'), undefined, 'which is no record');
  bindings.receive({ type: 'bound', bound: [[0, b.id]] });
  t.equal(bindings.find('k'), undefined, 'too late');
  bindings.report();
  t.strictSame(told, [{ type: 'uses', uses: [], late: 1 }]);
});

t.test('uses go together', async (t) => {
  const { bindings, a, b, told } = scene();
  bindings.report();
  t.strictSame(told, [], 'nothing to say');
  bindings.use('k', a, minuteMs);
  bindings.use('k', a, minuteMs);
  bindings.use('l', b, 2 * minuteMs);
  bindings.report();
  bindings.report();
  t.strictSame(told, [
    {
      type: 'uses',
      uses: [
        ['k', a.id, minuteMs],
        ['l', b.id, 2 * minuteMs]
      ],
      late: 0
    }
  ]);
});

t.test('what a server gave out is told at once, and only once', async (t) => {
  const { bindings, a, b, told } = scene();
  bindings.learn('k', a, minuteMs);
  bindings.learn('k', a, minuteMs);
  t.strictSame(told, [{ type: 'learned', use: ['k', a.id, minuteMs] }]);
  bindings.learn('k', b, minuteMs);
  t.strictSame(told[1], { type: 'learned', use: ['k', b.id, minuteMs] });
  t.equal(bindings.find('k'), b);
});

t.test('what must be asked for anew', async (t) => {
  const { bindings, a, b } = scene();
  const fill = (): void => {
    bindings.use('k', a, minuteMs);
    bindings.use('l', b, minuteMs);
  };
  const known = (): (RealServer | undefined)[] => ['k', 'l'].map((key) => bindings.find(key));
  fill();
  bindings.forget(['k', 'unknown']);
  t.strictSame(known(), [undefined, b]);
  fill();
  bindings.forgetServer(b);
  t.strictSame(known(), [a, undefined]);
  fill();
  bindings.forgetAll();
  t.strictSame(known(), [undefined, undefined]);
  bindings.use('m', a, 5000);
  t.equal(bindings.find('m'), undefined, 'near its end the primary is asked');
});
