// TLS of one virtual service towards its clients.

import { kindOfKey } from '../tls/chain.ts';
import { findCipherSet, unknownCiphers } from '../tls/cipher-sets.ts';
import type { ClientCertFields } from '../tls/settings.ts';
import { protocolsOf } from '../tls/protocols.ts';
import { readAuthorities } from './build-reencrypt.ts';
import { selfSignedName, type CertificateBook } from './certificates.ts';
import type { ServiceEntry } from './expand.ts';
import type { Located } from './kind.ts';
import type { Certificate, ServiceTls } from './model.ts';
import { nearest } from './nearest.ts';
import { quote, type Report } from './problem.ts';
import type { Surroundings } from './surroundings.ts';
import type { ServiceSettings } from './vocabulary/file.ts';

/** What means nothing where TLS does not end here. */
const needTls = [
  'certificates',
  'intermediateCerts',
  'needHostName',
  'clientCert',
  'clientCAFile',
  'ocspStapling',
  'passCipher',
  'securityHeaderOptions',
  'sslRewrite',
  'tls13CipherSet'
] as const satisfies readonly (keyof ServiceSettings)[];

/** By `clientCert`. */
const clientCertFields: readonly ClientCertFields[] = [
  'none',
  'none',
  'names',
  'ssl-client-cert',
  'x-client-cert'
];

/** A year, which is what lists of preloaded names ask for. */
const transportSecuritySeconds = 31_536_000;

export async function buildTls(
  { settings, name }: ServiceEntry,
  { certificates: book, folder, report, warn }: Surroundings
): Promise<ServiceTls | undefined> {
  const { sslAcceleration, tlsType, clientCert } = settings;
  if (sslAcceleration?.value !== true) {
    if (sslAcceleration === undefined || sslAcceleration.value === false) refuse(settings, report);
    return undefined;
  }
  const off = tlsType?.value ?? 3;
  if (tlsType !== undefined && (off | 1) === 31) {
    const message = `${off} leaves no protocol that Node has; use 3 for TLS 1.1 and newer`;
    report(tlsType.place, tlsType.path, message);
  }
  const certificates = findCertificates(settings, book, report);
  const ciphers = chooseCiphers(settings, off, report);
  judgeKinds(settings, off, ciphers, certificates, report);
  judgeNames(settings, certificates, report);
  if (settings.ocspStapling?.value === true) warnUnstapled(name, certificates, warn);
  return {
    tlsType: off,
    ciphers,
    needHostName: settings.needHostName?.value ?? false,
    clientCaPem: await readClientAuthorities(settings, folder, report),
    ocspStapling: settings.ocspStapling?.value ?? false,
    certificates: certificates?.map((one) => one.name) ?? [selfSignedName],
    clientCertFields: clientCertFields[clientCert?.value ?? 0] ?? 'none',
    connectionFields: settings.passCipher?.value ?? false,
    strictTransportSecurity: transportSecurity(settings.securityHeaderOptions?.value ?? 0),
    rewriteLocation: settings.sslRewrite?.value === 'https'
  };
}

function refuse(settings: ServiceSettings, report: Report): void {
  for (const key of needTls) {
    const setting = settings[key];
    if (setting === undefined || isOff(setting.value)) continue;
    const message = `${key} ${key === 'certificates' ? 'serve' : 'serves'} nothing without TLS`;
    report(setting.place, setting.path, `${message}; add sslAcceleration: true`);
  }
}

function isOff(value: unknown): boolean {
  return value === undefined || value === false || value === 0 || value === 'none';
}

/** Undefined where the service names none. */
function findCertificates(
  settings: ServiceSettings,
  book: CertificateBook,
  report: Report
): Certificate[] | undefined {
  const { certificates, intermediateCerts } = settings;
  const known = (named: readonly Located<string>[]): string[] =>
    named.flatMap(({ value, place, path }) => {
      if (book.names.has(value)) return [value];
      const near = nearest(value, book.names);
      const cure = near === undefined ? 'list it under certificates' : `the nearest is ${near}`;
      report(place, path, `there is no certificate ${quote(value)}; ${cure}`);
      return [];
    });
  const intermediates =
    intermediateCerts === undefined ? undefined : known(intermediateCerts.value ?? []);
  for (const { value, place, path } of intermediateCerts?.value ?? []) {
    if (!book.names.has(value) || book.authorities.has(value)) continue;
    const message = `${quote(value)} has a key and is no intermediate certificate`;
    report(place, path, `${message}; name an entry without a key`);
  }
  for (const { value, place, path } of certificates?.value ?? []) {
    if (!book.authorities.has(value)) continue;
    const message = `${quote(value)} holds no private key; the key in the same file, or in key,`;
    report(place, path, `${message} would be right`);
  }
  const names = known(certificates?.value ?? []);
  if (certificates?.value === undefined || certificates.value.length === 0) return undefined;
  return names.flatMap((name) => book.get(name, intermediates) ?? []);
}

function chooseCiphers(settings: ServiceSettings, off: number, report: Report): readonly string[] {
  const { tls13CipherSet } = settings;
  const chosen = chooseOldCiphers(settings, report);
  if (tls13CipherSet?.value === undefined) return chosen;
  if (!protocolsOf(off).includes('TLSv1.3')) {
    const message = `tlsType ${off} switches TLS 1.3 off; remove this line`;
    report(tls13CipherSet.place, tls13CipherSet.path, message);
  }
  return [...tls13CipherSet.value, ...chosen.filter((name) => !isTls13(name))];
}

function isTls13(name: string): boolean {
  return name.toUpperCase().startsWith('TLS_');
}

/** Those of TLS 1.2 and older, among which a set or list may have some of TLS 1.3. */
function chooseOldCiphers(settings: ServiceSettings, report: Report): readonly string[] {
  const { ciphers, cipherSet } = settings;
  if (ciphers !== undefined) {
    const unknown = unknownCiphers(ciphers.value ?? []);
    if (unknown.length > 0) {
      const message = `OpenSSL does not know ${unknown.join(', ')}; use names as openssl ciphers`;
      report(ciphers.place, ciphers.path, `${message} prints them`);
    }
    return ciphers.value ?? [];
  }
  const found = findCipherSet(cipherSet?.value ?? 'BestPractices');
  if (found === undefined && cipherSet?.value !== undefined) {
    const message = `the cipher set ${cipherSet.value} cannot be had; use BestPractices`;
    report(cipherSet.place, cipherSet.path, message);
  }
  return found ?? [];
}

/** Up to TLS 1.2 a cipher works with one kind of key only. */
function judgeKinds(
  settings: ServiceSettings,
  off: number,
  ciphers: readonly string[],
  certificates: readonly Certificate[] | undefined,
  report: Report
): void {
  const at = settings.ciphers ?? settings.cipherSet;
  const old = ciphers.filter((name) => !isTls13(name));
  const protocols = protocolsOf(off);
  if (at?.value === undefined || protocols.every((name) => name === 'TLSv1.3')) return;
  if (old.length === 0) {
    if (protocols.includes('TLSv1.3')) return;
    report(at.place, at.path, `tlsType ${off} switches off all that they are for; use others`);
    return;
  }
  // One that could not be read is reported already, and may have any key.
  if (certificates?.length !== (settings.certificates?.value?.length || undefined)) return;
  const kinds = certificates?.map(({ keyPem }) => kindOfKey(keyPem)) ?? ['rsa'];
  const fits = old.some((name) => kinds.includes(/-ECDSA-/i.test(name) ? 'ecdsa' : 'rsa'));
  if (fits) return;
  const [have, want] = kinds.includes('rsa') ? ['an RSA', 'an ECDSA'] : ['an ECDSA', 'an RSA'];
  const message = `there is no cipher in it for ${have} key, which is all the certificates have`;
  report(at.place, at.path, `${message}; use another set, or a certificate with ${want} key`);
}

function judgeNames(
  { needHostName }: ServiceSettings,
  certificates: readonly Certificate[] | undefined,
  report: Report
): void {
  if (needHostName?.value !== true || certificates?.length === 0) return;
  if (certificates?.some(({ dnsNames }) => dnsNames.length > 0) === true) return;
  const message = 'no certificate has a DNS name, so nobody could connect; name one that has';
  report(needHostName.place, needHostName.path, message);
}

function warnUnstapled(
  service: string,
  certificates: readonly Certificate[] | undefined,
  warn: (text: string) => void
): void {
  const lacking = certificates?.filter(({ ocsp }) => ocsp === undefined).map(({ name }) => name);
  for (const name of lacking ?? [selfSignedName]) {
    warn(
      `${service}: no OCSP response is stapled to the certificate ${name}: it names no responder, ` +
        'or its issuer is not known; give ocspUrl, and the issuer in its file or as an entry'
    );
  }
}

async function readClientAuthorities(
  settings: ServiceSettings,
  folder: string,
  report: Report
): Promise<string | undefined> {
  const { clientCert, clientCAFile } = settings;
  const asks = (clientCert?.value ?? 0) > 0;
  if (asks && clientCAFile === undefined && clientCert !== undefined) {
    const message = 'whose certificates are good is not said; add clientCAFile';
    report(clientCert.place, clientCert.path, message);
  }
  if (!asks && clientCAFile !== undefined && (clientCert === undefined || clientCert.value === 0)) {
    const message = 'clients are asked for no certificate; add clientCert: 1';
    report(clientCAFile.place, clientCAFile.path, message);
  }
  const pem = await readAuthorities(clientCAFile, folder, report);
  return asks ? pem : undefined;
}

/** 1 plain, 2 with subdomains, 4 and 6 the same with preload. */
function transportSecurity(options: number): string {
  if (options === 0) return '';
  return (
    `max-age=${transportSecuritySeconds}` +
    ((options & 2) === 0 ? '' : '; includeSubDomains') +
    ((options & 4) === 0 ? '' : '; preload')
  );
}
