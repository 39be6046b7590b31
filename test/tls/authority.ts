// A small certificate authority: a root, an intermediate, and what that one issues. Each certificate
// is `<name>.pem` with its key in `<name>.key`, and both in `<name>-all.pem`.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Workshop } from './openssl.ts';

const newKey = {
  rsa: '-newkey rsa:2048',
  ec: '-newkey ec -pkeyopt ec_paramgen_curve:P-256'
} as const;

export interface Issued {
  readonly kind?: keyof typeof newKey;
  readonly issuer?: 'root' | 'between' | undefined;
  readonly subject?: string;
  readonly extensions?: readonly string[];
}

/** Makes `root` and `between`, which `root` issued. */
export function openAuthority(workshop: Workshop): void {
  const authority = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  issue(workshop, 'root', { extensions: authority });
  issue(workshop, 'between', { issuer: 'root', extensions: authority });
}

export function issue(workshop: Workshop, name: string, issued: Issued): void {
  const { kind = 'ec', issuer, extensions = [], subject = `/O=Test/CN=${name}` } = issued;
  workshop.run(
    `req -utf8 ${newKey[kind]} -nodes -keyout ${name}.key -x509 -days 30 -out ${name}.pem`,
    '-subj',
    subject,
    ...(issuer === undefined ? [] : ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`]),
    ...extensions.flatMap((extension) => ['-addext', extension])
  );
  const both = Buffer.concat([workshop.read(`${name}.pem`), workshop.read(`${name}.key`)]);
  writeFileSync(join(workshop.folder, `${name}-all.pem`), both);
}

/** For a server of these DNS names. */
export function serverExtensions(...names: string[]): string[] {
  return [
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`,
    'basicConstraints=critical,CA:FALSE'
  ];
}
