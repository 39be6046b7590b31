// The folder and the certificates that all programs of one run share.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../src/tls/certificate.ts';
import { ecdsaCertificate } from './ecdsa-certificate.ts';

export interface CertificateFiles {
  /** Chain and key in one file, as HAProxy wants it. */
  readonly pemFile: string;
  readonly chainFile: string;
  readonly keyFile: string;
}

/** The files of its own are those of the RSA certificate. */
export interface Place extends CertificateFiles {
  readonly folder: string;
  readonly certificates: Readonly<Record<'rsa' | 'ecdsa', CertificateFiles>>;
  pathOf(name: string): string;
  /** Writes a file of the folder and returns its path. */
  write(name: string, text: string): string;
  remove(): void;
}

export async function makePlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-bench-'));
  const pathOf = (name: string): string => join(folder, name);
  const write = (name: string, text: string): string => {
    writeFileSync(pathOf(name), text, { mode: 0o600 });
    return pathOf(name);
  };
  const files = (key: string, pem: { chainPem: string; keyPem: string }): CertificateFiles => ({
    pemFile: write(`${key}-both.pem`, `${pem.chainPem.trim()}\n${pem.keyPem}`),
    chainFile: write(`${key}-chain.pem`, pem.chainPem),
    keyFile: write(`${key}-key.pem`, pem.keyPem)
  });
  const host = 'mail.example.com';
  const rsa = files('rsa', await selfSignedCertificate(host, [host]));
  const ecdsa = files('ecdsa', ecdsaCertificate(host));
  return {
    folder,
    ...rsa,
    certificates: { rsa, ecdsa },
    pathOf,
    write,
    remove: () => rmSync(folder, { recursive: true, force: true })
  };
}
