// TLS of one virtual service towards its servers.

import { X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import type { ReencryptSettings } from './model.ts';
import type { Report } from './problem.ts';
import { readText, withCure } from './read-file.ts';
import type { Setting } from './section.ts';
import type { ServiceSettings } from './vocabulary/file.ts';

export async function buildReencrypt(
  settings: ServiceSettings,
  folder: string,
  report: Report
): Promise<ReencryptSettings | undefined> {
  const { sslReencrypt, sslAcceleration, reverseSNIHostname, passSni } = settings;
  const { sslForceServerVerify, serverCAFile } = settings;
  if (sslReencrypt?.value !== true) {
    for (const setting of [reverseSNIHostname, passSni, serverCAFile, sslForceServerVerify]) {
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
    passServerName: passSni?.value ?? false,
    verify: sslForceServerVerify?.value ?? false,
    caPem: await readAuthorities(serverCAFile, folder, report)
  };
}

/** PEM of the authorities in a file, from its first certificate on. */
export async function readAuthorities(
  setting: Setting<string> | undefined,
  folder: string,
  report: Report
): Promise<string | undefined> {
  if (setting?.value === undefined) return undefined;
  try {
    const pem = await readText(resolve(folder, setting.value));
    if (holdsCertificate(pem)) return pem;
    throw new Error(`${setting.value} does not begin with a certificate; use a PEM file`);
  } catch (error) {
    report(setting.place, setting.path, withCure(error, 'use a PEM file'));
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
