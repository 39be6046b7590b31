// TLS of one virtual service: towards the clients, and towards the servers.

import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { findCipherSet, unknownCiphers } from '../tls/cipher-sets.ts';
import { selfSignedName } from './certificates.ts';
import type { ReencryptSettings, VirtualService } from './model.ts';
import { nearest } from './nearest.ts';
import { quote, type Report } from './problem.ts';
import { readText, withCure } from './read-file.ts';
import type { ServiceSettings } from './vocabulary/file.ts';

export function buildTls(
  settings: ServiceSettings,
  known: ReadonlySet<string>,
  report: Report
): VirtualService['tls'] {
  const { sslAcceleration, certificates, tlsType } = settings;
  if (sslAcceleration?.value !== true) {
    if (
      certificates !== undefined &&
      (sslAcceleration === undefined || sslAcceleration.value === false)
    ) {
      const message = 'certificates serve nothing without TLS; add sslAcceleration: true';
      report(certificates.place, certificates.path, message);
    }
    return undefined;
  }
  for (const { value, place, path } of certificates?.value ?? []) {
    if (known.has(value)) continue;
    const near = nearest(value, known);
    const cure = near === undefined ? 'list it under certificates' : `the nearest is ${near}`;
    report(place, path, `there is no certificate ${quote(value)}; ${cure}`);
  }
  const off = tlsType?.value ?? 3;
  if (tlsType !== undefined && (off | 1) === 31) {
    const message = `${off} leaves no protocol that Node has; use 3 for TLS 1.1 and newer`;
    report(tlsType.place, tlsType.path, message);
  }
  const names = (certificates?.value ?? []).map(({ value }) => value);
  return {
    tlsType: off,
    ciphers: chooseCiphers(settings, report),
    certificates: names.length === 0 ? [selfSignedName] : names
  };
}

function chooseCiphers(settings: ServiceSettings, report: Report): readonly string[] {
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

export async function buildReencrypt(
  settings: ServiceSettings,
  folder: string,
  report: Report
): Promise<ReencryptSettings | undefined> {
  const { sslReencrypt, sslAcceleration, reverseSNIHostname, sslForceServerVerify, serverCAFile } =
    settings;
  if (sslReencrypt?.value !== true) {
    for (const setting of [reverseSNIHostname, serverCAFile, sslForceServerVerify]) {
      if (setting === undefined || !setting.value) continue;
      const message = 'the servers are not spoken to over TLS; add sslReencrypt: true';
      report(setting.place, setting.path, message);
    }
    return undefined;
  }
  if (sslAcceleration === undefined || sslAcceleration.value === false) {
    const message = 'TLS to the servers needs TLS from the clients; add sslAcceleration: true';
    report(sslReencrypt.place, sslReencrypt.path, message);
  }
  return {
    serverName: reverseSNIHostname?.value,
    verify: sslForceServerVerify?.value ?? false,
    caPem: serverCAFile === undefined ? undefined : await readAuthorities(settings, folder, report)
  };
}

async function readAuthorities(
  { serverCAFile }: ServiceSettings,
  folder: string,
  report: Report
): Promise<string | undefined> {
  if (serverCAFile?.value === undefined) return undefined;
  try {
    const pem = await readText(resolve(folder, serverCAFile.value));
    if (holdsCertificate(pem)) return pem;
    throw new Error(`${serverCAFile.value} does not begin with a certificate; use a PEM file`);
  } catch (error) {
    report(serverCAFile.place, serverCAFile.path, withCure(error, 'use a PEM file'));
    return undefined;
  }
}

function holdsCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // Node tells by throwing, and not why.
    return false;
  }
}
