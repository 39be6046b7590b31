// SMTP with ESP: mail for permitted domains alone (guide 4.9), and what has no place beside it.

import { warnOfExamples, warnOfOff, withoutEsp } from './esp-words.ts';
import type { ServiceEntry } from './expand.ts';
import type { TcpSettings } from './model.ts';
import type { Report } from './problem.ts';
import type { Setting } from './section.ts';
import { blame, blameFirst, isForeign } from './validate.ts';
import { espVocabulary } from './vocabulary/esp.ts';

/** In a service that relays bytes or mail. */
export function judgeRecipients(
  entry: ServiceEntry,
  tcp: TcpSettings,
  report: Report,
  warn: (text: string) => void
): void {
  const { espEnabled, smtpAllowedDomains, serverInit, startTLSMode } = entry.settings;
  const speaks = [serverInit, startTLSMode];
  const isUnclear = speaks.some((one) => one !== undefined && !one.value);
  if (tcp.protocol !== 'smtp') {
    if (isUnclear) return;
    if (espEnabled?.value === true) {
      const at = blameFirst([espEnabled, ...speaks], entry);
      const message = 'ESP is for HTTP and SMTP; set espEnabled: false, or say which is spoken';
      report(at.place, at.path, `${message}: serverInit: smtp, or vsType: http`);
    }
    const message = 'smtpAllowedDomains is for SMTP alone; add serverInit: smtp, or remove it';
    refuse(smtpAllowedDomains, message, entry, report);
  }
  judgeForeign(entry, report);
  if (tcp.protocol !== 'smtp') return;
  if (espEnabled === undefined) {
    refuse(smtpAllowedDomains, withoutEsp('smtpAllowedDomains', entry), entry, report);
  } else if (espEnabled.value === true) {
    judgeFilter(entry, tcp, report, warn);
  } else if (espEnabled.value === false && hasDomains(entry)) {
    warnOfOff(entry.name, warn);
  }
}

/** All but espEnabled and espLogs is about requests. */
function judgeForeign(entry: ServiceEntry, report: Report): void {
  for (const key of Object.keys(espVocabulary) as (keyof typeof espVocabulary)[]) {
    if (key === 'espEnabled' || key === 'espLogs' || key === 'displayPubPriv') continue;
    const message = `${key} is about requests, which mail has none of; remove it`;
    refuse(entry.settings[key], message, entry, report);
  }
}

function judgeFilter(
  entry: ServiceEntry,
  { recipients }: TcpSettings,
  report: Report,
  warn: (text: string) => void
): void {
  const { smtpAllowedDomains, espLogs, sslAcceleration, port, espEnabled } = entry.settings;
  if (espLogs?.value !== undefined && espLogs.value !== 0 && espLogs.value !== 4) {
    const message = 'nobody signs in here, and refusals are always logged; use 4, or 0';
    const at = blame(espLogs, entry);
    report(at.place, at.path, message);
  }
  if (port?.value === 465 && sslAcceleration?.value !== true) {
    const message = 'recipients cannot be read in TLS that goes through; add sslAcceleration: true';
    const at = blameFirst([espEnabled, port], entry);
    report(at.place, at.path, message);
  }
  const allowed = recipients?.allowedDomains ?? [];
  if (smtpAllowedDomains !== undefined && isForeign(smtpAllowedDomains, entry)) {
    const message = `the domain is still the example of the template (${allowed.join(' ')}); add`;
    report(entry.place, entry.path, `${message} smtpAllowedDomains with those you take mail for`);
  } else if (allowed.length === 0 && !hasDomains(entry)) {
    if (smtpAllowedDomains !== undefined && smtpAllowedDomains.value === undefined) return;
    warn(`${entry.name}: no mail is taken, for there are no smtpAllowedDomains`);
  } else if (allowed.includes('*')) {
    warn(`${entry.name}: mail is taken for everybody: smtpAllowedDomains has a *; name yours`);
  }
  warnOfExamples(entry.name, 'smtpAllowedDomains', allowed, warn);
}

function hasDomains({ settings: { smtpAllowedDomains } }: ServiceEntry): boolean {
  return (smtpAllowedDomains?.value?.length ?? 0) > 0;
}

/** Whatever says no more than that a thing is off does no harm. */
function refuse(
  setting: Setting<unknown> | undefined,
  message: string,
  entry: ServiceEntry,
  report: Report
): void {
  const value = setting?.value;
  if (value === undefined || value === false || value === 'delegate' || value === 'none') return;
  if (Array.isArray(value) && value.length === 0) return;
  const at = blame(setting, entry);
  report(at.place, at.path, message);
}
