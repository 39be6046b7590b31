// The folder and the certificate that all programs of one run share.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../src/tls/certificate.ts';

export interface Place {
  readonly folder: string;
  /** Chain and key in one file, as HAProxy wants it. */
  readonly pemFile: string;
  readonly chainFile: string;
  readonly keyFile: string;
  /** Writes a file of the folder and returns its path. */
  write(name: string, text: string): string;
  remove(): void;
}

export async function makePlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-bench-'));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const { chainPem, keyPem } = await selfSignedCertificate('mail.example.com', [
    'mail.example.com'
  ]);
  return {
    folder,
    pemFile: write('both.pem', `${chainPem.trim()}\n${keyPem}`),
    chainFile: write('chain.pem', chainPem),
    keyFile: write('key.pem', keyPem),
    write,
    remove: () => rmSync(folder, { recursive: true, force: true })
  };
}
