// What virtual services must not do to each other.

import { addressFamily, formatEndpoint, isWildcard } from '../net/address.ts';
import type { ServiceEntry } from './expand.ts';
import type { VirtualService } from './model.ts';
import { quote, type Report } from './problem.ts';
import type { Setting } from './section.ts';

export interface Built {
  readonly entry: ServiceEntry;
  readonly service: VirtualService;
}

interface Listener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

type Blamed = Pick<Setting<unknown>, 'place' | 'path'>;

export function judgeTogether(
  built: readonly Built[],
  admin: { readonly address: string; readonly port: number },
  report: Report
): void {
  const names = new Set<string>();
  const listeners: Listener[] = [{ name: 'admin', ...admin }];
  for (const { entry, service } of built) {
    const { port, address, name } = entry.settings;
    // One without a name is called by its address and port, which are judged below.
    const unnamed = name === undefined && entry.template === undefined;
    if (names.has(service.name) && !unnamed) {
      const named = blame(name, entry);
      const message = `there is a virtual service ${quote(service.name)} already; use another name`;
      report(named.place, named.path, message);
    }
    names.add(service.name);
    // Without them there is nothing to compare, and that is reported already.
    if (port?.value === undefined || (address !== undefined && address.value === undefined))
      continue;
    const taken = listeners.find((other) => overlap(other, service));
    if (taken !== undefined) {
      const mine = formatEndpoint(service.address, service.port);
      const theirs = formatEndpoint(taken.address, taken.port);
      const message = `${mine} is taken by ${quote(taken.name)} on ${theirs}; use another`;
      const at = blame(port, entry);
      report(at.place, at.path, `${message} address or port`);
    }
    listeners.push(service);
  }
}

/** What a template brought is not the administrator's doing; the entry that uses it is. */
function blame(setting: Setting<unknown> | undefined, entry: ServiceEntry): Blamed {
  return setting?.place.file === entry.place.file ? setting : entry;
}

/** `0.0.0.0` is every IPv4 address of the machine and `::` every IPv6 address; neither is both. */
function overlap(a: Listener, b: Listener): boolean {
  if (a.port !== b.port || addressFamily(a.address) !== addressFamily(b.address)) return false;
  return a.address === b.address || isWildcard(a.address) || isWildcard(b.address);
}
