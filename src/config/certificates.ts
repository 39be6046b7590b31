// Certificates of the file, and the self-signed one for services that are given none.

import { X509Certificate } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { importCertificate, selfSignedCertificate } from '../tls/certificate.ts';
import type { Certificate } from './model.ts';
import { quote, type Report } from './problem.ts';
import { readBytes, readText, withCure } from './read-file.ts';
import { isHostName } from './vocabulary/names.ts';
import type { CertificateSection } from './vocabulary/file.ts';

export const selfSignedName = 'self-signed';
const selfSignedFile = 'ballast-self-signed.pem';

type CertificateSettings = CertificateSection['settings'];

/** Those that could be read; `names` has the others as well, so that they count as known. */
export async function loadCertificates(
  sections: readonly CertificateSection[],
  folder: string,
  report: Report
): Promise<{ certificates: Certificate[]; names: Set<string> }> {
  const names = new Set<string>();
  const certificates: Certificate[] = [];
  for (const { settings, place, path } of sections) {
    const { name, file } = settings;
    if (name === undefined) report(place, path, 'the certificate has no name; add name');
    if (file === undefined) report(place, path, 'the certificate has no file; add file');
    if (name?.value === undefined) continue;
    if (name.value === selfSignedName) {
      report(name.place, name.path, `${quote(name.value)} is reserved; use another name`);
    } else if (names.has(name.value)) {
      const message = `there is a certificate ${quote(name.value)} already; use another name`;
      report(name.place, name.path, message);
    }
    names.add(name.value);
    const loaded = await loadCertificate(name.value, settings, folder, report);
    if (loaded !== undefined) certificates.push(loaded);
  }
  return { certificates, names };
}

async function loadCertificate(
  name: string,
  settings: CertificateSettings,
  folder: string,
  report: Report
): Promise<Certificate | undefined> {
  const read = async <T>(
    setting: CertificateSettings['file'],
    how: (path: string) => Promise<T>
  ): Promise<T | undefined> => {
    if (setting?.value === undefined) return undefined;
    return how(resolve(folder, setting.value)).catch((error: unknown) => {
      report(setting.place, setting.path, withCure(error, 'name a readable file'));
      return undefined;
    });
  };
  const data = await read(settings.file, readBytes);
  const key = await read(settings.key, readBytes);
  const passphrase = await read(settings.passphraseFile, readText);
  const incomplete =
    (settings.key !== undefined && key === undefined) ||
    (settings.passphraseFile !== undefined && passphrase === undefined);
  if (data === undefined || incomplete || settings.file === undefined) return undefined;
  try {
    const imported = importCertificate({
      data,
      ...(key === undefined ? {} : { key }),
      // Editors end a file with a line break that is no part of the pass phrase.
      ...(passphrase === undefined ? {} : { passphrase: passphrase.replace(/\r?\n$/, '') })
    });
    return { name, ...imported, selfSigned: false };
  } catch (error) {
    const { place, path } = settings.file;
    report(place, path, withCure(error, 'use PEM with chain and key, or PFX'));
    return undefined;
  }
}

/**
 * The same certificate over restarts: clients that were told to trust it go on doing so. It is
 * written beside the configuration file unless `writable` is false, as for `check`.
 */
export async function keepSelfSigned(
  folder: string,
  writable: boolean,
  warn: (text: string) => void
): Promise<Certificate> {
  const path = join(folder, selfSignedFile);
  const kept = await readBytes(path).catch(() => undefined);
  const valid = kept === undefined ? undefined : stillValid(kept);
  if (valid !== undefined) return valid;
  const host = hostname().toLowerCase();
  const names = isHostName(host) && host !== 'localhost' ? [host, 'localhost'] : ['localhost'];
  const made = await selfSignedCertificate(names[0] ?? 'localhost', names);
  if (writable) {
    await store(path, made.chainPem, made.keyPem).catch((error: unknown) => {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      warn(`the self-signed certificate lasts until the next restart: ${path}: ${reason}`);
    });
  }
  return { name: selfSignedName, ...made, selfSigned: true };
}

function stillValid(data: Buffer): Certificate | undefined {
  try {
    const imported = importCertificate({ data });
    const certificate = new X509Certificate(imported.chainPem);
    const now = Date.now();
    const begun = certificate.validFromDate.getTime() <= now;
    const over = certificate.validToDate.getTime() <= now;
    return begun && !over ? { name: selfSignedName, ...imported, selfSigned: true } : undefined;
  } catch {
    // Damaged, or a certificate that Node refuses by now: a new one takes its place.
    return undefined;
  }
}

/** All or nothing, and never readable by others, not even for a moment. */
async function store(path: string, chainPem: string, keyPem: string): Promise<void> {
  const draft = join(dirname(path), `.${selfSignedFile}.${process.pid}`);
  await rm(draft, { force: true });
  try {
    // `wx`: an existing file would keep its mode.
    const text = `${chainPem.trimEnd()}\n${keyPem.trimEnd()}\n`;
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
