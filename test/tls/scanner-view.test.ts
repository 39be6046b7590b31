// A scanner's view of every protocol version and cipher set, beside what the sets say and what
// config/README.md tells of it.

import { readFileSync } from 'node:fs';
import t from 'tap';
import { cipherSetNames, findCipherSet, tls13Ciphers } from '../../src/tls/cipher-sets.ts';
import { needsOpenssl } from './openssl.ts';
import { guideCiphers, readmeFile, scanAll, scannedVersions } from './scanner-view.ts';
import { scannerTables, withScannerTables } from './scanner-view.ts';

t.setTimeout(180_000);

t.test('every version and cipher set', needsOpenssl, async (t) => {
  const found = await scanAll();
  t.same([...found.keys()], cipherSetNames);
  for (const [name, set] of found) {
    const all = findCipherSet(name) ?? [];
    const modern = all.filter((cipher) => cipher.startsWith('TLS_'));
    const old = all.filter((cipher) => !cipher.startsWith('TLS_'));
    // TLS 1.0 and 1.1 have neither GCM nor SHA-2.
    const oldest = old.filter((cipher) => cipher.endsWith('-SHA'));
    t.same(set['TLS 1.3'], modern.length > 0 ? modern : tls13Ciphers.slice(0, 3), `${name}, 1.3`);
    t.same(set['TLS 1.2'], old, `${name}: TLS 1.2 has all of the set in its order`);
    for (const version of ['TLS 1.1', 'TLS 1.0'] as const) {
      t.same(set[version], oldest, `${name}: ${version}`);
    }
    for (const version of scannedVersions) {
      t.notMatch(set[version].join(' '), /RC4|DES|MD5|NULL|EXP|ADH|anon|PSK/i, 'nothing broken');
    }
  }

  const best = found.get('BestPractices');
  const [, dss = ''] = guideCiphers;
  t.same(
    best?.['TLS 1.2'].slice(0, 5),
    guideCiphers.filter((name) => name !== dss),
    "it begins with the guide's six, but for DSS"
  );
  t.same([best?.['TLS 1.0'], best?.['TLS 1.1']], [[], []], 'whatever tlsType leaves on');

  const readme = readFileSync(readmeFile, 'utf8');
  t.equal(
    withScannerTables(readme, scannerTables(found)),
    readme,
    'config/README.md has these tables; node test/tls/scanner-view.ts --write makes them'
  );
});
