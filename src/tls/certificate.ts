// Certificates from files (PEM or PFX) and made here (self-signed). The only door to node-forge,
// which opens the PFX files with RC2 or 3DES that older Windows exports and Node refuses.

import { createPrivateKey, generateKeyPair, randomBytes, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { assembleCertificate, dnsNamesOf, type ImportedCertificate } from './chain.ts';
import { isPem, pemCertificates, pemKeys, pemText } from './pem.ts';

export type { ImportedCertificate };

export interface CertificateSource {
  /** The file: PEM with certificates and maybe the key, PFX, or one certificate in DER. */
  readonly data: Buffer;
  /** The key's file (PEM), where it stands apart. */
  readonly key?: Buffer | undefined;
  readonly passphrase?: string | undefined;
}

/**
 * Reads a certificate, its chain and its key. Throws an Error in the administrator's words, to be
 * read after the name of the file. That a certificate has expired is no reason to refuse it.
 */
export function importCertificate(source: CertificateSource): ImportedCertificate {
  const { certificates, keys } = readFile(source);
  if (source.key === undefined) {
    if (certificates.length > 0 && keys.length === 0) {
      throw new Error(
        'it holds no private key; the key in the same file, or in key, would be right'
      );
    }
    return assembleCertificate(certificates, keys);
  }
  const keysApart = pemKeys(pemText(source.key), source.passphrase);
  if (keysApart.length === 0) {
    throw new Error('the key file holds no private key; a private key in PEM would be right');
  }
  return assembleCertificate(certificates, keysApart);
}

/**
 * The certificates of a file without any key: intermediates, and maybe a root. Undefined where it
 * holds a key; throws an Error as above, also for a certificate that is no authority's.
 */
export function importAuthorities(data: Buffer): readonly X509Certificate[] | undefined {
  const { certificates, keys } = readFile({ data, passphrase: undefined });
  if (keys.length > 0 || certificates.length === 0) return undefined;
  if (certificates.every(({ ca }) => ca)) return certificates;
  throw new Error(
    "it holds no private key and not only authorities; the certificate's key in the same file, or " +
      'in key, would be right'
  );
}

interface FileContents {
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

function readFile({ data, key, passphrase }: CertificateSource): FileContents {
  const text = pemText(data);
  if (isPem(text)) {
    // A key apart is the one that counts; one in this file may even have another passphrase.
    return {
      certificates: pemCertificates(text),
      keys: key === undefined ? pemKeys(text, passphrase) : []
    };
  }
  const pfx = parsePfx(data);
  if (pfx !== undefined) return readPfx(pfx, passphrase);
  const certificate = derCertificate(data);
  if (certificate !== undefined) return { certificates: [certificate], keys: [] };
  throw new Error('it is neither PEM nor PFX; a PEM or PFX (PKCS#12) file would be right');
}

function derCertificate(data: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(data);
  } catch {
    return undefined; // not a certificate: the caller says what the file is not
  }
}

/** PFX ::= SEQUENCE { version INTEGER (3), ... } (RFC 7292 4); a certificate begins otherwise. */
function parsePfx(data: Buffer): forge.asn1.Asn1 | undefined {
  let parsed: forge.asn1.Asn1;
  try {
    parsed = forge.asn1.fromDer(data.toString('latin1'));
  } catch {
    return undefined; // not ASN.1 at all
  }
  const version = Array.isArray(parsed.value) ? parsed.value[0] : undefined;
  return typeof version === 'object' && version.type === forge.asn1.Type.INTEGER
    ? parsed
    : undefined;
}

function readPfx(parsed: forge.asn1.Asn1, passphrase: string | undefined): FileContents {
  try {
    const pfx = decryptPfx(parsed, passphrase ?? '');
    const bags = pfx.safeContents.flatMap((contents) => contents.safeBags);
    const { certBag, keyBag, pkcs8ShroudedKeyBag } = forge.pki.oids;
    return {
      certificates: bags.filter((bag) => bag.type === certBag).map(certificateOf),
      keys: bags
        .filter((bag) => bag.type === keyBag || bag.type === pkcs8ShroudedKeyBag)
        .map(privateKeyOf)
    };
  } catch (error) {
    throw new Error(pfxProblem(parsed, passphrase, error), { cause: error });
  }
}

function pfxProblem(
  parsed: forge.asn1.Asn1,
  passphrase: string | undefined,
  error: unknown
): string {
  const reason = error instanceof Error ? error.message : String(error);
  // Without a MAC a wrong passphrase shows as any error that garbage gives.
  if (hasMac(parsed) && !isMacError(error)) {
    return `the PFX file cannot be read: ${reason}; a new export with AES-256 would be right`;
  }
  return passphrase === undefined
    ? 'the PFX file needs a passphrase; a passphraseFile would be right'
    : 'the passphrase does not open the PFX file; the one given at its export would be right';
}

/** PFX ::= SEQUENCE { version, authSafe, macData OPTIONAL }. */
function hasMac(parsed: forge.asn1.Asn1): boolean {
  return parsed.value.length > 2;
}

function isMacError(error: unknown): boolean {
  return error instanceof Error && error.message.includes('MAC could not be verified');
}

/**
 * The old ciphers and the MAC take the passphrase as UTF-16, the new ones (PBES2) as UTF-8. Forge
 * has UTF-16 right and gives PBES2 the characters as they are, so other than ASCII needs a second
 * try, for which the MAC, checked in the first, must go.
 */
function decryptPfx(parsed: forge.asn1.Asn1, passphrase: string): forge.pkcs12.Pkcs12Pfx {
  try {
    return forge.pkcs12.pkcs12FromAsn1(parsed, false, passphrase);
  } catch (error) {
    const utf8 = Buffer.from(passphrase, 'utf8').toString('latin1');
    if (utf8 === passphrase || isMacError(error) || !Array.isArray(parsed.value)) throw error;
    const withoutMac = { ...parsed, value: parsed.value.slice(0, 2) };
    return forge.pkcs12.pkcs12FromAsn1(withoutMac, false, utf8);
  }
}

// Forge knows RSA only; of other certificates and keys it hands over the ASN.1.
function certificateOf(bag: forge.pkcs12.Bag): X509Certificate {
  const parsed = bag.cert ? forge.pki.certificateToAsn1(bag.cert) : bag.asn1;
  return new X509Certificate(derOf(parsed));
}

function privateKeyOf(bag: forge.pkcs12.Bag): KeyObject {
  const parsed = bag.key
    ? forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(bag.key))
    : bag.asn1;
  return createPrivateKey({ key: derOf(parsed), format: 'der', type: 'pkcs8' });
}

function derOf(parsed: forge.asn1.Asn1): Buffer {
  return Buffer.from(forge.asn1.toDer(parsed).getBytes(), 'latin1');
}

const generateKeys = promisify(generateKeyPair);
const dayMs = 86_400_000;
/** The longest that Apple's systems accept. */
const validDays = 825;
/** X.520: a common name has at most 64 characters. */
const commonNameLengthMax = 64;

/** Makes a certificate for services that have none; `dnsNames` may hold IP addresses as well. */
export async function selfSignedCertificate(
  commonName: string,
  dnsNames: readonly string[]
): Promise<ImportedCertificate> {
  const { publicKey, privateKey } = await generateKeys('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  certificate.serialNumber = serialNumber();
  // A client's clock may be behind ours.
  const from = Date.now() - dayMs;
  certificate.validity.notBefore = new Date(from);
  certificate.validity.notAfter = new Date(from + validDays * dayMs);
  const subject = [{ name: 'commonName', value: commonName.slice(0, commonNameLengthMax) }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: (dnsNames.length > 0 ? dnsNames : [commonName]).map(alternativeName)
    },
    { name: 'subjectKeyIdentifier' }
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  const chainPem = forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
  return {
    chainPem,
    keyPem: privateKey,
    dnsNames: dnsNamesOf(new X509Certificate(chainPem)),
    issuerPem: undefined
  };
}

/**
 * Begins with 4 to 7, so that it is positive and has no leading zeros: forge leaves those in place,
 * and OpenSSL then refuses the certificate.
 */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x3f) | 0x40, 0);
  return bytes.toString('hex');
}

/** GeneralName (RFC 5280 4.2.1.6): 2 = dNSName, 7 = iPAddress. */
function alternativeName(name: string): { type: number; value?: string; ip?: string } {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}
