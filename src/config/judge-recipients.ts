// SMTP with ESP: mail for permitted domains alone (guide 4.9), and what has no place beside it.

import type { ServiceEntry } from './expand.ts';
import type { TcpSettings } from './model.ts';
import type { Report } from './problem.ts';
import type { Setting } from './section.ts';
import { espVocabulary } from './vocabulary/esp.ts';

/** In a service that relays bytes or mail. */
export function judgeRecipients(
  entry: ServiceEntry,
  tcp: TcpSettings,
  report: Report,
  warn: (text: string) => void
): void {
  const { espEnabled, smtpAllowedDomains, serverInit, startTLSMode } = entry.settings;
  const isUnclear = [serverInit, startTLSMode].some((one) => one !== undefined && !one.value);
  if (tcp.protocol !== 'smtp') {
    if (isUnclear) return;
    const message = 'ESP is for HTTP and SMTP; remove it, or say which is spoken';
    refuse(espEnabled, `${message}: serverInit: smtp, or vsType: http`, report);
    refuse(
      smtpAllowedDomains,
      'only SMTP has recipients; remove it, or add serverInit: smtp',
      report
    );
  }
  judgeForeign(entry, report);
  if (tcp.protocol !== 'smtp' || espEnabled?.value === undefined) {
    if (espEnabled === undefined && tcp.protocol === 'smtp') {
      const message = 'smtpAllowedDomains serves nothing without ESP; add espEnabled: true';
      refuse(smtpAllowedDomains, message, report);
    }
    return;
  }
  if (espEnabled.value) judgeFilter(entry, tcp, report, warn);
}

/** All but espEnabled and espLogs is about requests. */
function judgeForeign({ settings }: ServiceEntry, report: Report): void {
  for (const key of Object.keys(espVocabulary) as (keyof typeof espVocabulary)[]) {
    if (key === 'espEnabled' || key === 'espLogs' || key === 'displayPubPriv') continue;
    refuse(settings[key], `${key} is about requests, which mail has none of; remove it`, report);
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
    report(espLogs.place, espLogs.path, message);
  }
  if (port?.value === 465 && sslAcceleration?.value !== true && espEnabled !== undefined) {
    const message = 'recipients cannot be read in TLS that goes through; add sslAcceleration: true';
    report(espEnabled.place, espEnabled.path, message);
  }
  const allowed = recipients?.allowedDomains ?? [];
  if (smtpAllowedDomains !== undefined && smtpAllowedDomains.place.file !== entry.place.file) {
    const message = `the domain is still the example of the template (${allowed.join(' ')}); add`;
    report(entry.place, entry.path, `${message} smtpAllowedDomains with those you take mail for`);
  } else if (allowed.length === 0 && (smtpAllowedDomains?.value?.length ?? 0) === 0) {
    if (smtpAllowedDomains !== undefined && smtpAllowedDomains.value === undefined) return;
    warn(`${entry.name}: no mail is taken, for there are no smtpAllowedDomains`);
  } else if (allowed.includes('*')) {
    warn(`${entry.name}: mail is taken for everybody: smtpAllowedDomains has a *; name yours`);
  }
}

/** Whatever says no more than that a thing is off does no harm. */
function refuse(setting: Setting<unknown> | undefined, message: string, report: Report): void {
  const value = setting?.value;
  if (setting === undefined || value === undefined) return;
  if (value === false || value === 'delegate' || value === 'none') return;
  if (Array.isArray(value) && value.length === 0) return;
  report(setting.place, setting.path, message);
}
