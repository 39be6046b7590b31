// The LoadMaster's cipher sets by name. Progress describes them but publishes no lists, save for
// those of FIPS mode and the six that the deployment guide shows of BestPractices; the rest is ours
// after the descriptions, strongest first. A set names what it means; what this Node's OpenSSL does
// not have is not offered: RC4, 3DES and DSS are gone from it, and nobody should miss them.

import { getCiphers } from 'node:tls';

const known: ReadonlySet<string> = new Set(getCiphers());

/** With an authenticated cipher and a fresh key for each connection. */
const modern = words(`
  ECDHE-ECDSA-AES256-GCM-SHA384 DHE-DSS-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384
  DHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-SHA384 ECDHE-ECDSA-AES256-SHA384
  ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 DHE-RSA-CHACHA20-POLY1305
  DHE-RSA-AES256-SHA256 DHE-DSS-AES256-SHA256
  ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 DHE-DSS-AES128-GCM-SHA256
  DHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-SHA256 ECDHE-ECDSA-AES128-SHA256
  DHE-RSA-AES128-SHA256 DHE-DSS-AES128-SHA256`);

/** For TLS 1.0 and 1.1, still with a fresh key for each connection. */
const forwardSecretSha1 = words(`
  ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA DHE-RSA-AES256-SHA DHE-DSS-AES256-SHA
  ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA DHE-RSA-AES128-SHA DHE-DSS-AES128-SHA`);

const rsaKeyExchange = words(`
  AES256-GCM-SHA384 AES128-GCM-SHA256 AES256-SHA256 AES128-SHA256 AES256-SHA AES128-SHA`);

const tripleDes = words(`
  ECDHE-ECDSA-DES-CBC3-SHA ECDHE-RSA-DES-CBC3-SHA DHE-RSA-DES-CBC3-SHA DHE-DSS-DES-CBC3-SHA
  DES-CBC3-SHA`);

const rc4 = words('ECDHE-ECDSA-RC4-SHA ECDHE-RSA-RC4-SHA RC4-SHA RC4-MD5');

/** The list of FIPS mode as Progress publishes it, put in order of strength. */
const fips = words(`
  TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256
  ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384 DHE-RSA-AES256-GCM-SHA384
  DHE-DSS-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256
  DHE-RSA-AES128-GCM-SHA256 DHE-DSS-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-SHA384
  DHE-RSA-AES256-SHA256 DHE-DSS-AES256-SHA256 ECDHE-ECDSA-AES128-SHA256 DHE-RSA-AES128-SHA256
  DHE-DSS-AES128-SHA256 AES256-GCM-SHA384 AES128-GCM-SHA256 AES256-SHA256 AES128-SHA256`);

const withoutRc4 = [...modern, ...forwardSecretSha1, ...rsaKeyExchange, ...tripleDes];

const sets: Readonly<Record<string, readonly string[]>> = {
  Default: [...withoutRc4, ...rc4],
  Default_NoRc4: withoutRc4,
  BestPractices: modern,
  Intermediate_compatibility: [...modern, ...forwardSecretSha1, ...rsaKeyExchange],
  Backward_compatibility: withoutRc4,
  WUI: [...modern, ...rsaKeyExchange],
  FIPS: fips,
  Legacy: [...rsaKeyExchange, ...modern, ...forwardSecretSha1, ...tripleDes, ...rc4],
  ECDSA_Default: [...modern, ...forwardSecretSha1].filter(isEcdsa),
  ECDSA_BestPractices: modern.filter(isEcdsa)
};

/**
 * Those of TLS 1.3, strongest first; OpenSSL offers the first three unless told otherwise. A fifth,
 * CCM_8 with its short tag, is below its level of security.
 */
export const tls13Ciphers: readonly string[] = words(`
  TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_GCM_SHA256
  TLS_AES_128_CCM_SHA256`);

/** The names of the sets that a service can have. */
export const cipherSetNames: readonly string[] = Object.keys(sets);

/** Why `Null_Ciphers`, which a LoadMaster has too, cannot be had. */
export const nullCiphersReason =
  'the set Null_Ciphers gives no protection and cannot be had; BestPractices would be right';

const offered = new Map(
  Object.entries(sets).map(([name, ciphers]) => [name.toLowerCase(), ciphers.filter(isKnown)])
);

/** What a set offers here, in order of preference; the name without regard to case. */
export function findCipherSet(name: string): readonly string[] | undefined {
  const wanted = name.toLowerCase();
  // The guide has `BestPractice` in the table of POPS Offloaded (5.3).
  return offered.get(wanted === 'bestpractice' ? 'bestpractices' : wanted);
}

/** Those of the names that OpenSSL does not have; it would pass over them in silence. */
export function unknownCiphers(names: readonly string[]): string[] {
  return names.filter((name) => !isKnown(name));
}

function isKnown(name: string): boolean {
  return known.has(name.toLowerCase());
}

function isEcdsa(name: string): boolean {
  return name.includes('-ECDSA-');
}

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}
