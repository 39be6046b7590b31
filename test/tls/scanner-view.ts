// What a TLS scanner sees of each cipher set, found out as scanners do it: openssl offers all that it
// has, notes what is chosen, takes that out and asks again, until nothing is left. Run this file to
// print the tables; `--write` puts them into config/README.md.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { cipherSetNames } from '../../src/tls/cipher-sets.ts';
import { freePorts, startBallast } from '../fixture/ballast.ts';
import { run } from '../fixture/programs.ts';

export const scannedVersions = ['TLS 1.0', 'TLS 1.1', 'TLS 1.2', 'TLS 1.3'] as const;
export type ScannedVersion = (typeof scannedVersions)[number];
/** Accepted ciphers in the server's order of preference. */
export type ScannedSet = Readonly<Record<ScannedVersion, readonly string[]>>;

/** What the deployment guide prints of BestPractices (4.1.1, 4.8), in its order. */
export const guideCiphers: readonly string[] = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'DHE-DSS-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES256-SHA384'
];

const tls13Suites = ['AES_256_GCM_SHA384', 'CHACHA20_POLY1305_SHA256', 'AES_128_GCM_SHA256']
  .concat(['AES_128_CCM_SHA256', 'AES_128_CCM_8_SHA256'])
  .map((name) => `TLS_${name}`);

const flags: Readonly<Record<ScannedVersion, string>> = {
  'TLS 1.0': '-tls1',
  'TLS 1.1': '-tls1_1',
  'TLS 1.2': '-tls1_2',
  'TLS 1.3': '-tls1_3'
};

/** Scans a service of each cipher set, with `tlsType: 1` and a certificate of each kind of key. */
export async function scanAll(): Promise<ReadonlyMap<string, ScannedSet>> {
  const folder = mkdtempSync(join(tmpdir(), 'ballast-scan-'));
  const { chainPem, keyPem } = await selfSignedCertificate('localhost', ['localhost']);
  writeFileSync(join(folder, 'rsa.pem'), chainPem + keyPem);
  const ec = ['ec.pem', 'ec.key'].map((name) => join(folder, name));
  const words =
    'req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -x509 -days 2 -subj /CN=localhost ' +
    `-addext subjectAltName=DNS:localhost -out ${ec[0]} -keyout ${ec[1]}`;
  await run('openssl', ...words.split(' '));
  const [admin = 0, ...ports] = await freePorts(1 + cipherSetNames.length);
  const services = cipherSetNames.map(
    (name, n) =>
      `  - { name: ${name}, address: 127.0.0.1, port: ${ports[n]}, sslAcceleration: true,
      certificates: [rsa, ec], tlsType: 1, cipherSet: ${name}, errorCode: 200, errorUrl: x }\n`
  );
  const ballast = await startBallast(`
global: { workers: 1 }
admin: { port: ${admin} }
certificates:
  - { name: rsa, file: ${join(folder, 'rsa.pem')} }
  - { name: ec, file: ${ec[0]}, key: ${ec[1]} }
virtualServices:\n${services.join('')}`);
  try {
    const found = new Map<string, ScannedSet>();
    for (const [n, name] of cipherSetNames.entries()) found.set(name, await scanSet(ports[n] ?? 0));
    return found;
  } finally {
    await ballast.stop();
    rmSync(folder, { recursive: true });
  }
}

async function scanSet(port: number): Promise<ScannedSet> {
  const [tls10, tls11, tls12, tls13] = await Promise.all([
    scan(port, 'TLS 1.0'),
    scan(port, 'TLS 1.1'),
    scan(port, 'TLS 1.2'),
    scan(port, 'TLS 1.3')
  ]);
  return { 'TLS 1.0': tls10, 'TLS 1.1': tls11, 'TLS 1.2': tls12, 'TLS 1.3': tls13 };
}

async function scan(port: number, version: ScannedVersion): Promise<string[]> {
  const accepted: string[] = [];
  for (;;) {
    const chosen = await handshake(port, version, accepted);
    if (chosen === undefined) return accepted;
    accepted.push(chosen);
  }
}

/** The cipher that the server chooses of all but these; undefined where it refuses. */
async function handshake(
  port: number,
  version: ScannedVersion,
  without: readonly string[]
): Promise<string | undefined> {
  const left = tls13Suites.filter((name) => !without.includes(name));
  if (version === 'TLS 1.3' && left.length === 0) return undefined;
  // ChaCha20 last: first in a client's list, it is chosen whatever the server prefers.
  const old = ['ALL', '+CHACHA20', ...without.map((name) => `!${name}`), '@SECLEVEL=0'].join(':');
  const offer = version === 'TLS 1.3' ? `-ciphersuites ${left.join(':')}` : `-cipher ${old}`;
  const to = `-connect 127.0.0.1:${port} -servername localhost ${flags[version]}`;
  const said = await run('sh', '-c', `openssl s_client ${to} ${offer} 2>&1 </dev/null; true`);
  const chosen = /^New, [^,]+, Cipher is (\S+)$/m.exec(said)?.[1];
  return chosen === '(NONE)' ? undefined : chosen;
}

/** The tables of config/README.md. */
export function scannerTables(found: ReadonlyMap<string, ScannedSet>): string {
  const best = found.get('BestPractices');
  const listed = [...(best?.['TLS 1.3'] ?? []), ...(best?.['TLS 1.2'] ?? [])];
  const missing = guideCiphers.filter((name) => !listed.includes(name));
  const lines = [
    '| BestPractices, in the order of preference | version | guide 4.1.1 prints it as number |',
    '| --- | --- | --- |',
    ...listed.map((name) => {
      const version = name.startsWith('TLS_') ? 'TLS 1.3' : 'TLS 1.2';
      return `| ${name} | ${version} | ${printedAs(name)} |`;
    }),
    ...missing.map(
      (name) => `| ${name} | none: OpenSSL has no DSS any more | ${printedAs(name)} |`
    ),
    '',
    '| cipher sets | version | accepted, in the order of preference |',
    '| --- | --- | --- |'
  ];
  const alike = Map.groupBy(found, ([, set]) => JSON.stringify(set));
  for (const group of alike.values()) {
    const names = group.map(([name]) => name).join(', ');
    const [, set] = group[0] ?? ['', undefined];
    const rows = Map.groupBy(scannedVersions, (version) => set?.[version].join(' ') ?? '');
    for (const [ciphers, versions] of rows) {
      const shown = ciphers === '' ? 'refused' : ciphers;
      lines.push(`| ${names} | ${versions.join(', ')} | ${shown} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function printedAs(name: string): string {
  const place = guideCiphers.indexOf(name);
  return place === -1 ? '-' : String(place + 1);
}

export const readmeFile = new URL('../../config/README.md', import.meta.url);
const begin = '<!-- scanner: begin; made by node test/tls/scanner-view.ts --write -->\n';
const end = '<!-- scanner: end -->\n';

/** The README with these tables in place of its own. */
export function withScannerTables(readme: string, tables: string): string {
  const before = readme.slice(0, readme.indexOf(begin) + begin.length);
  return `${before}\n${tables}\n${readme.slice(readme.indexOf(end))}`;
}

if (import.meta.main) {
  const tables = scannerTables(await scanAll());
  console.log(tables);
  if (process.argv.includes('--write')) {
    writeFileSync(readmeFile, withScannerTables(readFileSync(readmeFile, 'utf8'), tables));
  }
}
