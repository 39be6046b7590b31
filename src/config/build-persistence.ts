// Persistence of one service: whatever a mode needs must be there.

import { usualCookieName } from '../persistence/own-cookie.ts';
import { persistences } from '../persistence/registry.ts';
import type { ServiceEntry } from './expand.ts';
import type { PersistenceSettings, SubVirtualService } from './model.ts';
import { quote, type Report } from './problem.ts';
import type { ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

/** `fullName` as in ids: `service/SubVS`. */
export function buildPersistence(
  settings: ServiceSettings | SubVSSettings,
  fullName: string,
  report: Report
): PersistenceSettings | undefined {
  const { persist, persistTimeout, cookie, queryTag } = settings;
  if (persist?.value === undefined || persist.value === 'none') return undefined;
  const mode = persist.value;
  const { needs, cookie: kindOfCookie } = persistences[mode];
  const minutes = Math.floor((persistTimeout?.value ?? 0) / 60);
  if (persistTimeout === undefined) {
    const message = `${quote(mode)} needs a time; add persistTimeout, for example 1800`;
    report(persist.place, persist.path, message);
  } else if (persistTimeout.value !== undefined && minutes === 0) {
    const message = `${persistTimeout.value} s is no whole minute; use 60 or more`;
    report(persistTimeout.place, persistTimeout.path, message);
  }
  if (needs !== undefined && settings[needs] === undefined) {
    const what = needs === 'queryTag' ? 'query item' : mode === 'header' ? 'field' : 'cookie';
    report(persist.place, persist.path, `${quote(mode)} needs the name of a ${what}; add ${needs}`);
  }
  const name = (needs === 'queryTag' ? queryTag?.value : cookie?.value) ?? '';
  return {
    mode,
    timeoutMs: minutes * 60_000,
    refresh: settings.refreshPersist?.value ?? false,
    name:
      mode === 'header'
        ? name.toLowerCase()
        : kindOfCookie === 'own'
          ? name || usualCookieName(fullName)
          : name,
    maskBits: settings.persistMask?.value ?? 32,
    maskBits6: settings.persistMask6?.value ?? 128
  };
}

/** A cookie that names a server of one SubVS is worth nothing in another one with other servers. */
export function judgeOwnCookies(
  entry: ServiceEntry,
  built: readonly SubVirtualService[],
  report: Report
): void {
  const first = new Map<string, SubVirtualService>();
  for (const [index, sub] of built.entries()) {
    const { persistence } = sub;
    if (persistence === undefined || persistences[persistence.mode].cookie !== 'own') continue;
    const other = first.get(persistence.name);
    if (other === undefined) {
      first.set(persistence.name, sub);
      continue;
    }
    if (endpoints(other) === endpoints(sub)) continue;
    const at = entry.subVSs[index]?.settings.cookie ?? entry;
    const shared = `the cookie ${quote(persistence.name)} is that of "${other.name}" too`;
    report(at.place, at.path, `${shared}, which has other servers; use another name`);
  }
}

function endpoints({ realServers }: SubVirtualService): string {
  return realServers
    .map(({ address, port }) => `${address} ${port}`)
    .toSorted()
    .join();
}
