// A worker that serves nothing: it repeats to the test what the primary told it, as suspicions, and
// does what the name of the first virtual service says.

import type { ToPrimary, ToWorker } from '../../src/messages.ts';

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
      if (order === 'report') {
        const server = { id: 'a', active: 1, connections: 2, requests: 3 };
        const counted = { ...server, bytesToServer: 4, bytesFromServer: 5 };
        tell({ type: 'load', active: [['a', 2]] });
        tell({ type: 'load', active: [['a', 3]] });
        const counters = { clients: 1, requests: 3, errors: { 'no-rule': 1 }, servers: [counted] };
        tell({ type: 'counters', counters });
      }
      return;
    }
    case 'health':
      return repeat({ health: [message.id, message.health] });
    case 'load':
      return repeat({ elsewhere: message.elsewhere });
    case 'drain':
      return process.disconnect();
  }
});
process.on('disconnect', () => process.exit(0));
tell({ type: 'hello' });
