// A worker that serves nothing: it repeats to the test what the primary told it, as suspicions, and
// does what the name of the first virtual service says.

import { serverPlaces, servicePlaces } from '../../src/counters.ts';
import type { ToPrimary, ToWorker, WorkerReport } from '../../src/messages.ts';

function tell(message: ToPrimary): void {
  process.send?.(message);
}

function repeat(said: object): void {
  tell({ type: 'suspect', id: JSON.stringify({ pid: process.pid, ...said }), reason: '' });
}

process.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'plan': {
      const { revision, health, ticketKeys, configuration } = message;
      const order = configuration.virtualServices[0]?.name;
      repeat({ plan: revision, health, ticketKeys });
      if (order === 'refuse') tell({ type: 'cannot-listen', revision, reason: 'no such luck' });
      else tell({ type: 'applied', revision });
      if (order === 'bind') {
        const ask = { key: 'k', id: 'a', timeoutMs: 60_000, failed: [] };
        tell({ type: 'learned', use: ['l', 'a', 60_000] });
        tell({
          type: 'bind',
          asks: [
            { n: 3, ...ask },
            { n: 4, ...ask, key: 'l', id: '' }
          ]
        });
        tell({ type: 'uses', uses: [['k', 'gone', 60_000]], late: 1 });
      }
      if (order === 'report') {
        tell({ type: 'load', active: [['a', 2]] });
        tell({ type: 'load', active: [['a', 3]] });
        tell({ type: 'clients', open: [['192.0.2.1 report', 2]] });
        const report: WorkerReport = {
          services: [['report', [servicePlaces.errors, 1]]],
          servers: [['a', [serverPlaces.connections, 2, serverPlaces.answers + 2, 3]]],
          clients: 1,
          clientsOf: [['report', 1]],
          residentBytes: 1000,
          loopDelay: { p50: 1, p99: 2, max: 3 }
        };
        tell({ type: 'counters', report });
        tell({ type: 'counters', report });
      }
      return;
    }
    case 'health':
      return repeat({ health: [message.id, message.health] });
    case 'bound':
      return repeat({ bound: message.bound });
    case 'unbound':
      return repeat({ unbound: message.keys });
    case 'passes-ended':
      return repeat({ ended: message.keys });
    case 'staple':
    case 'logon-answer':
    case 'pass':
    case 'logged-off':
      return;
    case 'load':
      return repeat({ elsewhere: message.elsewhere });
    case 'clients':
      return repeat({ clientsElsewhere: message.elsewhere });
    case 'drain':
      return process.disconnect();
  }
});
process.on('disconnect', () => process.exit(0));
tell({ type: 'hello' });
