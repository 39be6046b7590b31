// A worker asked the primary for the server of a client, and while the answer was on its way that
// server fell under suspicion: the client got another one, but its record did not follow, so it went
// back as soon as the first one was up again.

import t from 'tap';
import type { Bindings } from '../../src/traffic/bindings.ts';
import { serverOnRecord } from '../../src/traffic/persistent-server.ts';
import { LocalBindings } from '../fixture/bindings.ts';
import { openSite } from '../fixture/site.ts';

t.test('a record follows its client', async (t) => {
  const site = await openSite(t, { servers: [1, 2] });
  const [service] = site.plan.virtualServices;
  const [first, second] = service?.realServers ?? [];
  if (service === undefined || first === undefined || second === undefined) {
    throw new Error('no two servers');
  }

  const primary = new LocalBindings();
  primary.use('client', first);
  const worker: Bindings = {
    find() {}, // it has not met this client
    async ask(...question) {
      const bound = await primary.ask(...question);
      await new Promise((resolve) => setImmediate(resolve));
      return bound;
    },
    use() {},
    learn() {}
  };
  const search = { key: 'client', timeoutMs: 1000, service, tried: [] };
  const choice = serverOnRecord(search, worker, () => second);
  first.suspected = true; // another client's dial fails
  t.equal((await choice)?.settings.port, 2, 'it gets the other server');
  t.equal(primary.find('client')?.settings.port, 2, 'and is on record there');
});
