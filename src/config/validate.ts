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
  const listeners = new Map<number, Listener[]>();
  listen(listeners, { name: 'admin', ...admin });
  for (const { entry, service } of built) {
    const { port, address, name, extraPorts } = entry.settings;
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
    const takenFirst = whyTaken(listeners, service);
    if (takenFirst !== undefined) {
      const at = blame(port, entry);
      report(at.place, at.path, `${takenFirst}; use another address or port`);
    }
    // One of a range tells enough.
    const extra = service.extraPorts.map((one) => ({ ...service, port: one }));
    const taken = extra.map((one) => whyTaken(listeners, one)).find((why) => why !== undefined);
    if (taken !== undefined) {
      const at = blame(extraPorts, entry);
      report(at.place, at.path, `${taken}; use other ports`);
    }
    for (const one of [service, ...extra]) listen(listeners, one);
  }
}

function listen(listeners: Map<number, Listener[]>, listener: Listener): void {
  const there = listeners.get(listener.port) ?? [];
  listeners.set(listener.port, [...there, listener]);
}

function whyTaken(
  listeners: ReadonlyMap<number, readonly Listener[]>,
  wanted: Listener
): string | undefined {
  const taken = listeners.get(wanted.port)?.find((other) => overlap(other, wanted));
  if (taken === undefined) return undefined;
  const mine = formatEndpoint(wanted.address, wanted.port);
  const theirs = formatEndpoint(taken.address, taken.port);
  return `${mine} is taken by ${quote(taken.name)} on ${theirs}`;
}

/** What a template brought is not the administrator's doing; the entry that uses it is. */
export function blame(setting: Blamed | undefined, entry: ServiceEntry): Blamed {
  return blameFirst([setting], entry);
}

/** The first that is his own. */
export function blameFirst(settings: readonly (Blamed | undefined)[], entry: ServiceEntry): Blamed {
  return settings.find((one) => one !== undefined && !isForeign(one, entry)) ?? entry;
}

/** A template's, which the administrator did not write. */
export function isForeign({ place }: Blamed, entry: ServiceEntry): boolean {
  return place.file !== entry.place.file;
}

/** `0.0.0.0` is every IPv4 address of the machine and `::` every IPv6 address; neither is both. */
function overlap(a: Listener, b: Listener): boolean {
  if (addressFamily(a.address) !== addressFamily(b.address)) return false;
  return a.address === b.address || isWildcard(a.address) || isWildcard(b.address);
}
