// `certificates:` of the file: those with a key, for services, and those without one, which lead from
// them to a root that clients know.

import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { completeChain } from '../tls/chain.ts';
import { importAuthorities, importCertificate } from '../tls/certificate.ts';
import type { ImportedCertificate } from '../tls/certificate.ts';
import type { Certificate } from './model.ts';
import { quote, type Report } from './problem.ts';
import { readBytes, readText, withCure } from './read-file.ts';
import type { CertificateSection } from './vocabulary/file.ts';

export const selfSignedName = 'self-signed';

type CertificateSettings = CertificateSection['settings'];

/** What services may refer to. */
export class CertificateBook {
  /** Those that could not be read as well: they count as known. */
  readonly names = new Set<string>();
  /** Entries without a key, by name. */
  readonly authorities = new Map<string, readonly X509Certificate[]>();
  readonly #own = new Map<string, ImportedCertificate & { readonly ocspUrl: string | undefined }>();
  readonly #complete = new Map<string, Certificate>();

  add(name: string, imported: ImportedCertificate, ocspUrl: string | undefined): void {
    this.#own.set(name, { ...imported, ocspUrl });
  }

  /** A certificate with its chain, from these entries, or from all where none are named. */
  get(name: string, intermediates: readonly string[] | undefined): Certificate | undefined {
    const own = this.#own.get(name);
    if (own === undefined) return undefined;
    // No name in the file has a slash.
    const fullName = intermediates === undefined ? name : `${name}/${intermediates.join('+')}`;
    const known = this.#complete.get(fullName);
    if (known !== undefined) return known;
    const from = intermediates ?? [...this.authorities.keys()];
    const certificates = from.flatMap((each) => this.authorities.get(each) ?? []);
    const { ocspUrl, issuerPem, ...rest } = completeChain(own, certificates);
    const url = ocspUrl ?? ocspUrlOf(rest.chainPem);
    const ocsp = url === undefined || issuerPem === undefined ? undefined : { url, issuerPem };
    const made: Certificate = { ...rest, name: fullName, selfSigned: false, ocsp };
    this.#complete.set(fullName, made);
    return made;
  }

  /** Those of the file and those with a chain of a service's choice. */
  all(): Certificate[] {
    for (const name of this.#own.keys()) this.get(name, undefined);
    return [...this.#complete.values()];
  }
}

/** Authority Information Access (RFC 5280 4.2.2.1). */
function ocspUrlOf(chainPem: string): string | undefined {
  const { infoAccess = '' } = new X509Certificate(chainPem);
  return /^OCSP - URI:(http:\/\/[!-~]+)$/m.exec(infoAccess)?.[1];
}

export async function loadCertificates(
  sections: readonly CertificateSection[],
  folder: string,
  report: Report
): Promise<CertificateBook> {
  const book = new CertificateBook();
  for (const { settings, place, path } of sections) {
    const { name, file } = settings;
    if (name === undefined) report(place, path, 'the certificate has no name; add name');
    if (file === undefined) report(place, path, 'the certificate has no file; add file');
    if (name?.value === undefined) continue;
    if (name.value === selfSignedName) {
      report(name.place, name.path, `${quote(name.value)} is reserved; use another name`);
    } else if (book.names.has(name.value)) {
      const message = `there is a certificate ${quote(name.value)} already; use another name`;
      report(name.place, name.path, message);
    }
    book.names.add(name.value);
    await loadCertificate(name.value, settings, folder, book, report);
  }
  return book;
}

async function loadCertificate(
  name: string,
  settings: CertificateSettings,
  folder: string,
  book: CertificateBook,
  report: Report
): Promise<void> {
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
  if (data === undefined || incomplete || settings.file === undefined) return;
  try {
    const mayLackKey = key === undefined && passphrase === undefined;
    const authorities = mayLackKey ? importAuthorities(data) : undefined;
    if (authorities !== undefined) {
      book.authorities.set(name, authorities);
      return;
    }
    const imported = importCertificate({
      data,
      ...(key === undefined ? {} : { key }),
      // Editors end a file with a line break that is no part of the pass phrase.
      ...(passphrase === undefined ? {} : { passphrase: passphrase.replace(/\r?\n$/, '') })
    });
    book.add(name, imported, settings.ocspUrl?.value);
  } catch (error) {
    const { place, path } = settings.file;
    report(place, path, withCure(error, 'use PEM with chain and key, or PFX'));
  }
}
