// The filters that an entry is looked for with (RFC 4511 4.5.1.7): the kinds that ask about groups.

import { contentOf, elementsOf, MalformedBer, tags, textOf, type Element } from './ber.ts';
import type { Entry } from './ldap-accounts.ts';

export type Match = (entry: Entry) => boolean;

/** MS-ADTS 3.1.1.3.4.4.3: the value, or what leads to it over any number of groups. */
const transitive = '1.2.840.113556.1.4.1941';
const depthMax = 8;

const kinds = { and: 0xa0, or: 0xa1, not: 0xa2, equality: 0xa3, present: 0x87, extensible: 0xa9 };

/** A filter of a search over these entries. Throws for one of a kind that is not had here. */
export function readFilter(element: Element, entries: readonly Entry[], depth = 0): Match {
  if (depth > depthMax) throw new MalformedBer('filter too deep');
  const parts = (): Match[] =>
    elementsOf(element.bytes).map((one) => readFilter(one, entries, depth + 1));
  switch (element.tag) {
    case kinds.and: {
      const all = parts();
      return (entry) => all.every((match) => match(entry));
    }
    case kinds.or: {
      const any = parts();
      return (entry) => any.some((match) => match(entry));
    }
    case kinds.not: {
      const [one, ...more] = parts();
      if (one === undefined || more.length > 0) throw new MalformedBer('not of one filter');
      return (entry) => !one(entry);
    }
    case kinds.present: {
      const name = element.bytes.toString('latin1').toLowerCase();
      return (entry) => entry.attributes.has(name);
    }
    case kinds.equality: {
      const [name, value] = elementsOf(element.bytes);
      return equality(textOf(name), contentOf(value, tags.octets));
    }
    case kinds.extensible:
      return extensible(elementsOf(element.bytes), entries);
    default:
      throw new MalformedBer(`no filters of kind ${element.tag}`);
  }
}

function equality(name: string, value: Buffer): Match {
  const isBinary = name.toLowerCase() === 'objectsid';
  const same = isBinary ? (one: Buffer) => one.equals(value) : (one: Buffer) => isSame(one, value);
  return (entry) => valuesOf(entry, name).some(same);
}

function extensible(parts: readonly Element[], entries: readonly Entry[]): Match {
  const part = (tag: number): Element | undefined => parts.find((one) => one.tag === tag);
  const name = textOf(part(0x82), 0x82);
  const value = contentOf(part(0x83), 0x83);
  const rule = part(0x81);
  if (rule === undefined) return equality(name, value);
  if (textOf(rule, 0x81) !== transitive) throw new MalformedBer('unknown matching rule');
  return (entry) => leadsTo(entry, name, value, entries);
}

function leadsTo(from: Entry, name: string, value: Buffer, entries: readonly Entry[]): boolean {
  const seen = new Set<Entry>();
  for (let next: readonly Entry[] = [from]; next.length > 0;) {
    const links = next.flatMap((entry) => valuesOf(entry, name));
    if (links.some((link) => isSame(link, value))) return true;
    for (const entry of next) seen.add(entry);
    next = entries.filter(
      (entry) => !seen.has(entry) && links.some((link) => isSame(link, Buffer.from(entry.dn)))
    );
  }
  return false;
}

function valuesOf(entry: Entry, name: string): readonly Buffer[] {
  return entry.attributes.get(name.toLowerCase())?.values ?? [];
}

/** Names may differ in case. */
function isSame(one: Buffer, other: Buffer): boolean {
  return one.toString('utf8').toLowerCase() === other.toString('utf8').toLowerCase();
}
