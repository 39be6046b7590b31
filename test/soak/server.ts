// A stand-in Exchange server as a process that can be killed. It tells at once when one of its
// connections has been two users.

import {
  startExchange,
  type ExchangeOptions,
  type RecordedRequest
} from '../../src/lab/exchange.ts';

export type FromServer =
  | { readonly type: 'listening' }
  | { readonly type: 'shared'; readonly connection: number; readonly users: readonly string[] };

function tell(message: FromServer): void {
  process.send?.(message);
}

process.on('disconnect', () => process.exit(0));
process.once('message', (options: ExchangeOptions) => {
  const userOf = new Map<number, string>();
  void startExchange({ ...options, recordsMax: 1 }).then(({ events }) => {
    events.on('end', ({ connection, user }: RecordedRequest) => {
      if (user === '') return;
      const before = userOf.get(connection);
      if (before === undefined) userOf.set(connection, user);
      else if (before !== user) tell({ type: 'shared', connection, users: [before, user] });
    });
    tell({ type: 'listening' });
  });
});
