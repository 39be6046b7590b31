// Which certificate belongs to the key, in which order the chain goes, and for which names it
// stands. Node's own crypto only; the file formats are read in certificate.ts and pem.ts.

import { createSecureContext } from 'node:tls';
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { pemCertificates } from './pem.ts';

export interface ImportedCertificate {
  /** The leaf first, then what leads to the root. */
  readonly chainPem: string;
  /** PKCS#8, not encrypted. */
  readonly keyPem: string;
  /** Lower case; wildcards as `*.example.com`. */
  readonly dnsNames: string[];
  /** Who signed the leaf; undefined where nothing holds its certificate. */
  readonly issuerPem: string | undefined;
}

/** Checks that key and certificate fit and work, and puts the chain in order. */
export function assembleCertificate(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[]
): ImportedCertificate {
  if (certificates.length === 0) {
    throw new Error('it holds no certificate; a certificate and its private key would be right');
  }
  const { leaf, key } = findLeaf(certificates, keys);
  const imported = {
    ...chainOf(leaf, certificates),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    dnsNames: dnsNamesOf(leaf)
  };
  tryInTls(imported);
  return imported;
}

/** The same with what its chain lacks, from certificates that stand elsewhere. */
export function completeChain<T extends Pick<ImportedCertificate, 'chainPem' | 'issuerPem'>>(
  certificate: T,
  others: readonly X509Certificate[]
): T {
  const own = pemCertificates(certificate.chainPem);
  const [leaf] = own;
  if (leaf === undefined || others.length === 0) return certificate;
  const { chainPem, issuerPem } = chainOf(leaf, [...own, ...others]);
  return { ...certificate, chainPem, issuerPem: issuerPem ?? certificate.issuerPem };
}

function chainOf(
  leaf: X509Certificate,
  certificates: readonly X509Certificate[]
): Pick<ImportedCertificate, 'chainPem' | 'issuerPem'> {
  const chain = chainFrom(leaf, certificates);
  // A root goes to no client, but an OCSP question needs it.
  const issuer = chain[1] ?? certificates.find((other) => other !== leaf && hasIssued(other, leaf));
  return { chainPem: chain.map(pemOf).join(''), issuerPem: issuer && pemOf(issuer) };
}

function pemOf(certificate: X509Certificate): string {
  return certificate.toString().trimEnd() + '\n';
}

/** Of an ECDSA key, or another of today's curves, clients and ciphers ask other things. */
export function kindOfKey(keyPem: string): 'rsa' | 'ecdsa' {
  return createPrivateKey(keyPem).asymmetricKeyType?.startsWith('rsa') === true ? 'rsa' : 'ecdsa';
}

function findLeaf(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[]
): { leaf: X509Certificate; key: KeyObject } {
  for (const key of keys) {
    const fitting = certificates.filter((certificate) => certificate.checkPrivateKey(key));
    // A renewal may keep the key, and a file both certificates: the one that lasts longer counts.
    fitting.sort((a, b) => b.validToDate.getTime() - a.validToDate.getTime());
    const leaf = fitting[0];
    if (leaf !== undefined) return { leaf, key };
  }
  const names = certificates.map((certificate) => `"${commonNameOf(certificate)}"`).join(', ');
  throw new Error(
    `the private key does not fit the certificate (${names}); the key that the certificate was ` +
      'requested with would be right'
  );
}

/** Follows the issuers. The root is left out: who trusts it has it, and others gain nothing. */
function chainFrom(
  leaf: X509Certificate,
  certificates: readonly X509Certificate[]
): readonly X509Certificate[] {
  const chain = [leaf];
  let last = leaf;
  for (;;) {
    const child = last;
    const issuer = certificates.find(
      (other) => !chain.includes(other) && !isRoot(other) && hasIssued(other, child)
    );
    if (issuer === undefined) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && hasIssued(certificate, certificate);
}

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** The names of the certificate; its common name only where it has no others (RFC 6125 6.4.4). */
export function dnsNamesOf(certificate: X509Certificate): string[] {
  const names = alternativeNames(certificate.subjectAltName ?? '');
  if (names.length > 0) return [...new Set(names)];
  const commonName = commonNameOf(certificate).toLowerCase();
  return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(commonName) && !/^[\d.]+$/.test(commonName)
    ? [commonName]
    : [];
}

/** Reads `DNS:a, IP Address:1.2.3.4`; Node quotes values that hold odd characters. */
function alternativeNames(text: string): string[] {
  const entry = /(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,]*)/gy;
  return [...text.matchAll(entry)]
    .filter(([, kind, value]) => kind === 'DNS' && value?.startsWith('"') === false)
    .map(([, , value = '']) => value.toLowerCase());
}

/** For messages: the common name, else the whole subject on one line. */
function commonNameOf(certificate: X509Certificate): string {
  const lines = (certificate.subject ?? '').split('\n');
  const line = lines.findLast((text) => text.startsWith('CN='));
  return line?.slice('CN='.length) ?? lines.join(', ');
}

/** OpenSSL refuses what is too weak only when it is to be used; find out while there is time. */
function tryInTls({ chainPem, keyPem }: { chainPem: string; keyPem: string }): void {
  try {
    createSecureContext({ cert: chainPem, key: keyPem });
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^error:.*::/, '') : String(error);
    throw new Error(
      `OpenSSL refuses the certificate: ${reason}; RSA from 2048 bits or ECDSA, signed with ` +
        'SHA-256, would be right',
      { cause: error }
    );
  }
}
