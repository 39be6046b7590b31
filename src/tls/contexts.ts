// TLS ready for use: what a tls.Server needs for a service's clients, and tls.connect for its real
// servers. A context is dear (283 us, and memory): one a certificate of a service, made once.

import { constants, createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, createSecureContext } from 'node:tls';
import type { ConnectionOptions, TlsOptions, TLSSocket } from 'node:tls';
import { certificateChooser, type ChooseCertificate, type NamedKey } from './choose-certificate.ts';
import { protocolOptionsOf, protocolsOf } from './protocols.ts';
import { ServerSessions } from './server-sessions.ts';
import type { TlsSettings } from './settings.ts';

export interface ServerCertificate extends NamedKey {
  readonly name: string;
  readonly chainPem: string;
}

/** For tls.createServer: one server a certificate, so that each has its own staple as well. */
export interface ServerTls {
  /** In the order of the certificates. */
  readonly options: readonly TlsOptions[];
  readonly choose: ChooseCertificate;
  /** False where there is nothing to choose, and the client's hello need not be looked at. */
  readonly mustChoose: boolean;
}

export interface ReencryptTls {
  readonly serverName: string | undefined;
  readonly passServerName: boolean;
  readonly verify: boolean;
  readonly caPem: string | undefined;
}

export interface ClientTls {
  /** Tells whether a connection that is there was made by the same settings. */
  readonly identity: string;
  /**
   * For `tls.connect({ ...options, host, port })` to a real server; `clientName` is the name that
   * the client asked for. Without any name of its own the server is verified by its address. To be
   * asked for each connection, since a session may be resumed once.
   */
  readonly optionsFor: (server: TlsPeer, clientName: string | undefined) => ClientTlsOptions;
}

export interface ClientTlsOptions extends ConnectionOptions {
  /** Must be given the socket at once. */
  readonly watch: (socket: TLSSocket) => void;
}

export interface TlsPeer {
  readonly address: string;
  readonly port: number;
  readonly hostName: string | undefined;
}

/** A client that has not finished by then is gone, or means no good; Node's own 120 s are long. */
export const handshakeTimeoutMs = 20_000;
/** Phones come back after minutes of silence; a resumed handshake costs half of a full one. */
const sessionTimeoutSeconds = 3600;
/** Node's keys for tickets: 16 bytes name, 16 HMAC, 16 AES. */
const ticketKeysLength = 48;

/**
 * `ticketKeys` must be the same in all workers, so that a client resumes on any of them. At least
 * one certificate is needed. With `alpn` a client that offers protocols must have one of these;
 * with none of them it may offer what it likes.
 */
export function buildServerTls(
  settings: TlsSettings,
  certificates: readonly ServerCertificate[],
  ticketKeys: Buffer,
  alpn: readonly string[] = ['http/1.1']
): ServerTls {
  if (certificates.length === 0) throw new Error('TLS needs at least one certificate');
  if (ticketKeys.length !== ticketKeysLength) {
    throw new Error(`ticket keys have ${ticketKeys.length} bytes, not ${ticketKeysLength}`);
  }
  const common = commonOptions(settings, certificates, ticketKeys, alpn);
  return {
    options: certificates.map(({ chainPem, keyPem }) => ({
      ...common,
      cert: chainPem,
      key: keyPem
    })),
    choose: certificateChooser(settings, certificates),
    mustChoose: certificates.length > 1 || settings.needHostName
  };
}

/** What all certificates of a service share. */
function commonOptions(
  settings: TlsSettings,
  certificates: readonly ServerCertificate[],
  ticketKeys: Buffer,
  alpn: readonly string[]
): TlsOptions {
  const { clientCaPem } = settings;
  return {
    // The whole range, of which the options take out what tlsType switches off.
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.3',
    secureOptions:
      protocolOptionsOf(settings.tlsType) |
      constants.SSL_OP_CIPHER_SERVER_PREFERENCE |
      // As the LoadMaster: a client that puts ChaCha20 first has no AES in hardware.
      constants.SSL_OP_PRIORITIZE_CHACHA |
      // A client may not make the server work by renegotiating; TLS 1.3 has it no more.
      constants.SSL_OP_NO_RENEGOTIATION,
    honorCipherOrder: true,
    ciphers: cipherString(settings),
    dhparam: 'auto',
    sessionIdContext: sessionIdContextOf(settings, certificates),
    sessionTimeout: sessionTimeoutSeconds,
    ticketKeys,
    handshakeTimeout: handshakeTimeoutMs,
    ...(alpn.length > 0 && { ALPNProtocols: [...alpn] }),
    ...(clientCaPem !== undefined && {
      requestCert: true,
      rejectUnauthorized: true,
      ca: clientCaPem
    })
  };
}

/**
 * OpenSSL allows TLS 1.0 and 1.1 at security level 0 only, because they sign with SHA-1. The level
 * is lowered only where a client could really use them: protocol on, and a cipher of those days.
 */
function cipherString({ tlsType, ciphers }: TlsSettings): string {
  const names = ciphers.map((name) => name.toUpperCase());
  const old = protocolsOf(tlsType).some((name) => name === 'TLSv1' || name === 'TLSv1.1');
  const level = old && names.some((name) => name.endsWith('-SHA')) ? ['@SECLEVEL=0'] : [];
  return [...names, ...level].join(':');
}

/**
 * A session may be resumed where the same certificates are served, and where the same is asked of
 * clients: a ticket of a service that asks for no certificate must not open one that does. Node's
 * default is derived from the command line, which differs between processes.
 */
function sessionIdContextOf(
  { clientCaPem = '' }: TlsSettings,
  certificates: readonly ServerCertificate[]
): string {
  const hash = createHash('sha256').update(`${clientCaPem}\n`);
  for (const { chainPem } of certificates) hash.update(chainPem);
  return hash.digest('hex').slice(0, 32); // OpenSSL's limit
}

/**
 * Towards real servers. Unless it verifies, it speaks with whatever an old Windows offers, as a
 * LoadMaster does: that there is no certificate check is the weaker point by far. Sessions are
 * resumed with what is built here only, so a reload begins anew.
 */
export function buildClientTls(settings: ReencryptTls): ClientTls {
  const { serverName, passServerName, verify, caPem } = settings;
  const context = createSecureContext(
    verify
      ? { ...(caPem !== undefined && { ca: caPem }) }
      : { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }
  );
  const common = { secureContext: context, rejectUnauthorized: verify };
  const sessions = new ServerSessions();
  return {
    identity: JSON.stringify(settings),
    optionsFor({ address, port, hostName }, clientName) {
      // A name that is verified may be said as well: it is the server's own.
      const expected = serverName ?? (verify ? hostName : undefined);
      const sent = passServerName && isName(clientName) ? clientName : expected;
      const { session, watch } = sessions.resume(`${address} ${port} ${sent} ${expected}`);
      return {
        ...common,
        watch,
        ...(session !== undefined && { session }),
        ...(sent !== undefined && { servername: sent }),
        // The client chooses what is sent; it must not choose what is trusted.
        ...(sent !== expected && {
          checkServerIdentity: (_, certificate) =>
            checkServerIdentity(expected ?? address, certificate)
        })
      };
    }
  };
}

/** SNI has no addresses, and OpenSSL takes no more than 255 characters. */
function isName(name: string | undefined): name is string {
  return name !== undefined && isIP(name) === 0 && /^[a-z0-9_.-]{1,253}$/i.test(name);
}
