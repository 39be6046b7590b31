// The LoadMaster's TLSType: a bit for each protocol that is switched off.

import { constants } from 'node:crypto';

interface Protocol {
  readonly name: string;
  readonly bit: number;
  readonly off: number;
}

/** SSLv3 (bit 1) is missing: OpenSSL is built without it, so it is off whatever the bit says. */
const protocols: readonly Protocol[] = [
  { name: 'TLSv1', bit: 2, off: constants.SSL_OP_NO_TLSv1 },
  { name: 'TLSv1.1', bit: 4, off: constants.SSL_OP_NO_TLSv1_1 },
  { name: 'TLSv1.2', bit: 8, off: constants.SSL_OP_NO_TLSv1_2 },
  { name: 'TLSv1.3', bit: 16, off: constants.SSL_OP_NO_TLSv1_3 }
];

/** What `tlsType` leaves on, oldest first; empty for 30 and 31, with which nobody can connect. */
export function protocolsOf(tlsType: number): string[] {
  return protocols.filter(({ bit }) => (tlsType & bit) === 0).map(({ name }) => name);
}

/** The same for OpenSSL. */
export function protocolOptionsOf(tlsType: number): number {
  return protocols.reduce((all, { bit, off }) => ((tlsType & bit) === 0 ? all : all | off), 0);
}
