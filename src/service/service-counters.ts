// What a virtual service or a SubVS has counted in this worker. It lives over reloads as long as
// its name stays.

import { add, countError, serviceRow, servicePlaces, type Row } from '../counters.ts';
import type { ErrorCode } from '../error.ts';

export class ServiceCounters {
  readonly row: Row = serviceRow();
  /** Client connections that are open now. */
  clientsOpen = 0;

  clientConnected(): void {
    add(this.row, servicePlaces.clientConnections, 1);
  }

  handshakeDone(): void {
    add(this.row, servicePlaces.tlsHandshakes, 1);
  }

  handshakeFailed(): void {
    add(this.row, servicePlaces.tlsFailures, 1);
  }

  error(code: ErrorCode): void {
    countError(this.row, code);
  }
}
