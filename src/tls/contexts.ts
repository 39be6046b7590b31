// TLS ready for use: what a tls.Server needs for a service's clients, and tls.connect for its real
// servers. A context is dear (283 us, and memory), so there is one a certificate and one a service.

import { constants, createHash } from 'node:crypto';
import {
  createSecureContext,
  type ConnectionOptions,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions
} from 'node:tls';
import { protocolOptionsOf, protocolsOf } from './protocols.ts';
import type { TlsSettings } from './settings.ts';

export interface ServerCertificate {
  readonly name: string;
  readonly chainPem: string;
  readonly keyPem: string;
  /** Lower case; wildcards as `*.example.com`. */
  readonly dnsNames: readonly string[];
}

export interface ServerTls {
  /** For tls.createServer. */
  readonly options: TlsOptions;
  /** The context of the certificate for this name; the first certificate's where none fits. */
  readonly contextFor: (serverName: string) => SecureContext;
}

export interface ReencryptTls {
  readonly serverName: string | undefined;
  readonly verify: boolean;
  readonly caPem: string | undefined;
}

export interface ClientTls {
  readonly context: SecureContext;
  /**
   * For `tls.connect({ ...options, host, port })`, also where `socket` is given: without a server
   * name the certificate is checked for `host`.
   */
  readonly options: ConnectionOptions;
}

/** A client that has not finished by then is gone, or means no good; Node's own 120 s are long. */
const handshakeTimeoutMs = 20_000;
/** Phones come back after minutes of silence; a resumed handshake costs half of a full one. */
const sessionTimeoutSeconds = 3600;
/** Node's keys for tickets: 16 bytes name, 16 HMAC, 16 AES. */
const ticketKeysLength = 48;

/**
 * `ticketKeys` must be the same in all workers, so that a client resumes on any of them. At least
 * one certificate is needed.
 */
export function buildServerTls(
  settings: TlsSettings,
  certificates: readonly ServerCertificate[],
  ticketKeys: Buffer
): ServerTls {
  const first = certificates[0];
  if (first === undefined) throw new Error('TLS needs at least one certificate');
  if (ticketKeys.length !== ticketKeysLength) {
    throw new Error(`ticket keys have ${ticketKeys.length} bytes, not ${ticketKeysLength}`);
  }
  const common = commonOptions(settings, certificates, ticketKeys);
  const contexts = certificates.map(({ chainPem, keyPem }) =>
    createSecureContext({ ...common, cert: chainPem, key: keyPem })
  );
  const contextFor = chooseByName(certificates, contexts);
  return {
    options: {
      ...common,
      cert: first.chainPem,
      key: first.keyPem,
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: handshakeTimeoutMs,
      // With one certificate there is nothing to choose, and a handshake saves the call.
      ...(certificates.length > 1 && {
        SNICallback: (serverName, done) => done(null, contextFor(serverName))
      })
    },
    contextFor
  };
}

/** What a service's contexts share. Of an SNI context OpenSSL takes certificate and key only. */
function commonOptions(
  settings: TlsSettings,
  certificates: readonly ServerCertificate[],
  ticketKeys: Buffer
): SecureContextOptions & { readonly ticketKeys: Buffer } {
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
    sessionIdContext: sessionIdContextOf(certificates),
    sessionTimeout: sessionTimeoutSeconds,
    ticketKeys
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
 * A session may be resumed where the same certificates are served. Node's default is derived from
 * the command line, which differs between processes.
 */
function sessionIdContextOf(certificates: readonly ServerCertificate[]): string {
  const hash = createHash('sha256');
  for (const { chainPem } of certificates) hash.update(chainPem);
  return hash.digest('hex').slice(0, 32); // OpenSSL's limit
}

/** An exact name goes before a wildcard, and of two certificates for one name the first. */
function chooseByName(
  certificates: readonly ServerCertificate[],
  contexts: readonly SecureContext[]
): (serverName: string) => SecureContext {
  const byName = new Map<string, SecureContext>();
  contexts.forEach((context, index) => {
    for (const name of certificates[index]?.dnsNames ?? []) {
      const key = name.toLowerCase();
      if (!byName.has(key)) byName.set(key, context);
    }
  });
  const fallback = contexts[0] as SecureContext; // buildServerTls has seen that there is one
  return (serverName) => {
    const lower = serverName.toLowerCase();
    const name = lower.endsWith('.') ? lower.slice(0, -1) : lower;
    return byName.get(name) ?? byName.get(wildcardOf(name)) ?? fallback;
  };
}

/** A wildcard stands for one label, the first. */
function wildcardOf(name: string): string {
  const dot = name.indexOf('.');
  return dot > 0 ? '*' + name.slice(dot) : '';
}

/**
 * Towards real servers. Unless it verifies, it speaks with whatever an old Windows offers, as a
 * LoadMaster does: that there is no certificate check is the weaker point by far.
 */
export function buildClientTls({ serverName, verify, caPem }: ReencryptTls): ClientTls {
  const context = createSecureContext(
    verify
      ? { ...(caPem !== undefined && { ca: caPem }) }
      : { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }
  );
  return {
    context,
    options: {
      secureContext: context,
      rejectUnauthorized: verify,
      ...(serverName !== undefined && { servername: serverName })
    }
  };
}
