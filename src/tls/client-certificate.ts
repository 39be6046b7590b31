// What servers are told of a client's certificate and of its TLS, as field lines. Made once a
// connection. Whatever stands in a certificate, it stays within its line.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCertFields } from './settings.ts';

/**
 * Fields that only we may write (lower case), by what makes us write them. A server that reads CGI
 * names takes an underscore for the hyphen, so every mixture of the two counts (isFoldedWord).
 */
export const certificateFieldNames: readonly string[] = [
  'x-ssl-clientsubject',
  'x-ssl-clientissuer',
  'x-ssl-clientserialid',
  'ssl-client-cert',
  'x-client-cert'
];

export const connectionFieldNames: readonly string[] = [
  'x-ssl-cipher',
  'x-ssl-protocol',
  'x-ssl-serialid',
  'x-ssl-clientserialid',
  'x-ssl-snihost'
];

/** Complete field lines; empty where the client showed no certificate. */
export function certificateFields(how: ClientCertFields, socket: TLSSocket): string {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return '';
  switch (how) {
    case 'none':
      return '';
    case 'names':
      return (
        line('X-SSL-ClientSubject', nameOf(certificate.subject)) +
        line('X-SSL-ClientIssuer', nameOf(certificate.issuer)) +
        line('X-SSL-ClientSerialid', certificate.serialNumber)
      );
    case 'ssl-client-cert':
      return line('SSL-CLIENT-CERT', derOf(certificate));
    case 'x-client-cert':
      return line('X-CLIENT-CERT', derOf(certificate));
  }
}

/** LoadMaster's `PassCipher`. */
export function connectionLines(socket: TLSSocket, hasClientSerial: boolean): string {
  const client = hasClientSerial ? undefined : socket.getPeerX509Certificate();
  const server = socket.getX509Certificate();
  return (
    line('X-SSL-Cipher', socket.getCipher().name) +
    line('X-SSL-Protocol', socket.getProtocol() ?? '') +
    line('X-SSL-Serialid', server?.serialNumber ?? '') +
    line('X-SSL-ClientSerialid', client?.serialNumber ?? '') +
    line('X-SSL-SNIHost', serverNameOf(socket) ?? '')
  );
}

/** The name that the client asked for (SNI). */
export function serverNameOf(socket: TLSSocket): string | undefined {
  // Node's types leave it out; false stands for none.
  const { servername } = socket as { servername?: string | false | null };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

function line(name: string, value: string): string {
  return value === '' ? '' : `${name}: ${printable(value)}\r\n`;
}

/** Bytes that a field may not hold, and those beyond ASCII, percent-encoded as UTF-8. */
function printable(value: string): string {
  return value.replace(/[^ -$&-~]/gu, (char) => encodeURIComponent(char.toWellFormed()));
}

/** Node has one part a line, the widest first; RFC 4514 has them the other way round. */
function nameOf(lines: string): string {
  return lines.split('\n').toReversed().join(',');
}

function derOf(certificate: X509Certificate): string {
  return certificate.raw.toString('base64');
}
