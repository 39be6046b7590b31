// The clients of the relay scenarios must see what a relay did wrong, else a figure means nothing.

import t from 'tap';
import { loadBulk } from '../../bench/relay/bulk.ts';
import { Tally, type Load, type Target } from '../../bench/client.ts';
import { imapGreeting, smtpGreeting } from '../../bench/relay/conversation.ts';
import { openIdle } from '../../bench/relay/idle.ts';
import { loadLines } from '../../bench/relay/lines.ts';
import { imapServer, smtpServer } from '../../bench/relay/server.ts';
import { loadSessions } from '../../bench/relay/sessions.ts';
import { faultyRelay, listenFor, type Fault } from '../fixture/faulty-relay.ts';

/** Lets `load` run until it has done `units`, or failed. */
async function runUntil(units: number, tally: Tally, load: Load): Promise<void> {
  while (tally.units < units && tally.failures.size === 0) await new Promise(setImmediate);
  await load.stop();
}

const job = { connections: 2, bytes: 3 << 20 };
const works: Readonly<Record<string, (imap: Target, smtp: Target, tally: Tally) => Promise<void>>> =
  {
    lines: (imap, _smtp, tally) => runUntil(50, tally, loadLines(imap, 3, tally)),
    down: (imap, _smtp, tally) =>
      runUntil(9, tally, loadBulk(imap, { ...job, direction: 'down' }, tally)),
    up: (imap, _smtp, tally) =>
      runUntil(30, tally, loadBulk(imap, { ...job, direction: 'up' }, tally)),
    sessions: (_imap, smtp, tally) => runUntil(10, tally, loadSessions(smtp, 2, tally)),
    idle: async (imap, _smtp, tally) => (await openIdle(imap, 20, tally)).close()
  };

const first = Math.max(imapGreeting.length, smtpGreeting.length);
const faults: Readonly<Record<string, Fault>> = {
  'a byte changed in a greeting': { direction: 'down', at: 3, does: 'flip' },
  'a byte changed behind it': { direction: 'down', at: first + 2, does: 'flip' },
  'a connection cut towards the client': { direction: 'down', at: first + 2, does: 'cut' },
  'a connection cut towards the server': { direction: 'up', at: 4, does: 'cut' }
};

t.test('what goes through whole is counted and blamed on nobody', async (t) => {
  const imap = await listenFor(t, imapServer());
  const smtp = await listenFor(t, smtpServer());
  for (const [name, work] of Object.entries(works)) {
    const tally = new Tally();
    await work(imap, smtp, tally);
    t.strictSame([...tally.failures], [], name);
    t.ok(tally.units >= 9, name);
  }
});

for (const [what, fault] of Object.entries(faults)) {
  t.test(`${what} is a failure`, async (t) => {
    const imap = await faultyRelay(t, fault, await listenFor(t, imapServer()));
    const smtp = await faultyRelay(t, fault, await listenFor(t, smtpServer()));
    for (const [name, work] of Object.entries(works)) {
      const tally = new Tally();
      await work(imap, smtp, tally);
      t.not(tally.failures.size, 0, name);
    }
  });
}

t.test('a byte changed deep in an upload is a failure', async (t) => {
  const fault: Fault = { direction: 'up', at: 2 << 20, does: 'flip' };
  const imap = await faultyRelay(t, fault, await listenFor(t, imapServer()));
  const tally = new Tally();
  await works['up']?.(imap, imap, tally);
  t.match([...tally.failures.keys()], [/BAD/]);
});
