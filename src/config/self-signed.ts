// The self-signed certificate of services that are given none, kept beside the configuration file.

import { X509Certificate } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { importCertificate, selfSignedCertificate } from '../tls/certificate.ts';
import type { ImportedCertificate } from '../tls/certificate.ts';
import { selfSignedName } from './certificates.ts';
import type { Certificate } from './model.ts';
import { readBytes } from './read-file.ts';
import { isHostName } from './vocabulary/names.ts';

const selfSignedFile = 'ballast-self-signed.pem';

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
  return selfSigned(made);
}

function stillValid(data: Buffer): Certificate | undefined {
  try {
    const imported = importCertificate({ data });
    const certificate = new X509Certificate(imported.chainPem);
    const now = Date.now();
    const begun = certificate.validFromDate.getTime() <= now;
    const over = certificate.validToDate.getTime() <= now;
    return begun && !over ? selfSigned(imported) : undefined;
  } catch {
    // Damaged, or a certificate that Node refuses by now: a new one takes its place.
    return undefined;
  }
}

function selfSigned({ chainPem, keyPem, dnsNames }: ImportedCertificate): Certificate {
  return {
    name: selfSignedName,
    chainPem,
    keyPem,
    dnsNames,
    selfSigned: true,
    ocsp: undefined
  };
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
