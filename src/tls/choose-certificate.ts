// Which of a service's certificates a client is served: first by the name that it asks for, then by
// the kind of key that it can take.

import { createPrivateKey } from 'node:crypto';
import { cipherCodes, type CipherCode } from './cipher-codes.ts';
import type { ClientHello } from './client-hello.ts';
import { protocolsOf } from './protocols.ts';
import type { TlsSettings } from './settings.ts';

export interface NamedKey {
  readonly keyPem: string;
  /** Lower case; wildcards as `*.example.com`. */
  readonly dnsNames: readonly string[];
}

/** Gives the certificate's place in the list; undefined where the client must be refused. */
export type ChooseCertificate = (hello: ClientHello) => number | undefined;

/** The certificates for one name, by their place in the list. */
interface Kinds {
  rsa: number | undefined;
  ecdsa: number | undefined;
}

export function certificateChooser(
  settings: TlsSettings,
  certificates: readonly NamedKey[]
): ChooseCertificate {
  const keys = certificates.map(({ keyPem }) => ecdsaKeyOf(keyPem));
  const { byName, fallback } = groupByName(certificates, keys);
  const ciphers = cipherCodes(settings.ciphers);
  const hasTls13 = protocolsOf(settings.tlsType).includes('TLSv1.3');
  return (hello) => {
    const { serverName = '' } = hello;
    const kinds = byName.get(serverName) ?? byName.get(wildcardOf(serverName));
    if (kinds === undefined && settings.needHostName) return undefined;
    const { rsa, ecdsa } = kinds ?? fallback;
    if (rsa === undefined || ecdsa === undefined) return rsa ?? ecdsa;
    const key = keys[ecdsa];
    return key !== undefined && takesEcdsa(hello, key, ciphers, hasTls13) ? ecdsa : rsa;
  };
}

/** An exact name goes before a wildcard; of two alike certificates for one name the first counts. */
function groupByName(
  certificates: readonly NamedKey[],
  keys: readonly (EcdsaKey | undefined)[]
): { byName: Map<string, Kinds>; fallback: Kinds } {
  const byName = new Map<string, Kinds>();
  const fallback: Kinds = { rsa: undefined, ecdsa: undefined };
  const firstNames = certificates[0]?.dnsNames ?? [];
  certificates.forEach(({ dnsNames }, place) => {
    const kind = keys[place] === undefined ? 'rsa' : 'ecdsa';
    for (const name of dnsNames) {
      const kinds = byName.get(name) ?? { rsa: undefined, ecdsa: undefined };
      kinds[kind] ??= place;
      byName.set(name, kinds);
    }
    // Without a name that fits: the first certificate, and its twin with the other kind of key.
    if (place === 0 || dnsNames.some((name) => firstNames.includes(name))) fallback[kind] ??= place;
  });
  return { byName, fallback };
}

/** A wildcard stands for one label, the first. */
function wildcardOf(name: string): string {
  const dot = name.indexOf('.');
  return dot > 0 ? '*' + name.slice(dot) : '';
}

/** What a client must offer to be served this key. */
interface EcdsaKey {
  /** RFC 8446 4.2.3 */
  readonly scheme: number;
  /** RFC 8422 5.1.1; undefined for Ed25519, which has none of its own. */
  readonly group: number | undefined;
}

const curves: ReadonlyMap<string, EcdsaKey> = new Map([
  ['prime256v1', { scheme: 0x0403, group: 23 }],
  ['secp384r1', { scheme: 0x0503, group: 24 }],
  ['secp521r1', { scheme: 0x0603, group: 25 }],
  ['ed25519', { scheme: 0x0807, group: undefined }]
]);

/** Undefined for an RSA key. */
function ecdsaKeyOf(keyPem: string): EcdsaKey | undefined {
  const { asymmetricKeyType = '', asymmetricKeyDetails } = createPrivateKey(keyPem);
  if (asymmetricKeyType.startsWith('rsa')) return undefined;
  // Other curves are offered by no client that also has something better.
  const none = { scheme: -1, group: -1 };
  return curves.get(asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType) ?? none;
}

function takesEcdsa(
  hello: ClientHello,
  { scheme, group }: EcdsaKey,
  ciphers: readonly CipherCode[],
  hasTls13: boolean
): boolean {
  const { offersTls13, signatureSchemes, groups, cipherSuites } = hello;
  // TLS 1.0 and 1.1 have no signature schemes to offer.
  const signs = signatureSchemes.length === 0 ? !offersTls13 : signatureSchemes.includes(scheme);
  if (!signs) return false;
  if (hasTls13 && offersTls13) return true;
  const knowsGroup = group === undefined || groups.length === 0 || groups.includes(group);
  if (!knowsGroup) return false;
  // Up to TLS 1.2 a cipher works with one kind of key only, and the order of ours decides.
  return ciphers.find(({ code }) => cipherSuites.includes(code))?.kind === 'ecdsa';
}
