// One stand-in as a process of its own, so that it can be killed as a server dies. It does what the
// lab's messages say and ends with the lab.

import { startExchange, type Exchange, type ExchangeOptions } from './exchange.ts';
import type { MailProtocol } from './mail-connection.ts';

export type ToExchange =
  | { readonly type: 'start'; readonly options: ExchangeOptions }
  | { readonly type: 'component'; readonly directory: string; readonly active: boolean }
  | { readonly type: 'mail'; readonly active: boolean }
  /** Mail that came to another server: all have the same mailboxes. */
  | { readonly type: 'deliver'; readonly user: string; readonly bytes: Uint8Array }
  /** Changed at another server. */
  | { readonly type: 'password'; readonly user: string; readonly password: string };

export type FromExchange =
  | { readonly type: 'listening' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'delivery'; readonly user: string; readonly bytes: Uint8Array }
  | { readonly type: 'password'; readonly user: string; readonly password: string };

const mailServices: readonly MailProtocol[] = ['imap', 'pop3', 'smtp'];

let exchange: Exchange | undefined;

process.on('message', (message: ToExchange) => void obey(message));
process.on('disconnect', () => process.exit(0));
// Ctrl-C on a terminal reaches every process; the lab decides when this one ends.
process.on('SIGINT', () => {});

async function obey(message: ToExchange): Promise<void> {
  switch (message.type) {
    case 'start':
      try {
        exchange = await startExchange(message.options);
        exchange.mail?.events.on('delivery', ({ user, bytes }) => {
          answer({ type: 'delivery', user: user.name, bytes });
        });
        exchange.events.on('password', (user, password) => {
          answer({ type: 'password', user, password });
        });
        answer({ type: 'listening' });
      } catch (error) {
        answer({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
      }
      return;
    case 'component':
      exchange?.setComponent(message.directory, message.active);
      return;
    case 'mail':
      for (const service of mailServices) exchange?.mail?.setService(service, message.active);
      return;
    case 'deliver':
      exchange?.mail?.store.deliver(message.user, Buffer.from(message.bytes));
      return;
    case 'password':
      exchange?.setPassword(message.user, message.password);
  }
}

function answer(message: FromExchange): void {
  process.send?.(message);
}
