// What is said of HTTP and mail alike: of ESP that is not on, and of names that are nobody's.

import type { ServiceEntry } from './expand.ts';

/** Why a parameter is there in vain. */
export function withoutEsp(key: string, entry: ServiceEntry): string {
  return `${key} serves nothing without ESP; ${orTemplate(entry, 'add espEnabled: true')}, or remove it`;
}

/** A template with ESP has all that belongs to it, and goes before any other cure. */
export function orTemplate({ espTemplate }: ServiceEntry, cure: string): string {
  return espTemplate === undefined ? cure : `use the template ${espTemplate}, or ${cure}`;
}

/** As the templates have them; nobody has such names (RFC 2606). */
export function warnOfExamples(
  service: string,
  key: 'allowedHosts' | 'smtpAllowedDomains',
  names: readonly string[],
  warn: (text: string) => void
): void {
  if (names.length === 0 || !names.every((name) => /(?:^|\.)example\.com$/.test(name))) return;
  warn(`${service}: ${key} has only an example (${names.join(' ')}); name yours`);
}

export function warnOfOff(names: string, warn: (text: string) => void): void {
  warn(`${names}: pre-authentication is off (espEnabled: false)`);
}
