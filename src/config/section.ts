// A section is a map whose keys are parameters: matched without regard to case, each at most once,
// each with its aliases, and every value with the place where it stands.

import type { At, Kind } from './kind.ts';
import { isMisspelt, nearest } from './nearest.ts';
import { quote, type Place } from './problem.ts';
import type { YamlEntry } from './yaml.ts';

export interface Parameter<T> {
  readonly kind: Kind<T>;
  /** Other spellings, without regard to case and blanks. */
  readonly aliases: readonly string[];
  /** For the reader of config/README.md; `-` where there is none. */
  readonly default: string;
  /** Section of the deployment guide, or what else the reader should know. */
  readonly note: string;
}

export type Vocabulary = Readonly<Record<string, Parameter<unknown>>>;

export interface Setting<T> {
  /** Undefined where something was wrong with it or its key, which is then reported. */
  readonly value: T | undefined;
  readonly place: Place;
  readonly path: string;
}

export type Settings<V> = {
  readonly [K in keyof V]?: Setting<V[K] extends Parameter<infer T> ? T : never>;
};

export interface Section<V> {
  readonly place: Place;
  readonly path: string;
  readonly settings: Settings<V>;
}

export function parameter<T>(
  kind: Kind<T>,
  fallback: string | number | boolean,
  note: string,
  aliases: readonly string[] = []
): Parameter<T> {
  return { kind, aliases, default: String(fallback), note };
}

/** `title` with its article, e.g. `a virtual service`. */
export function section<V extends Vocabulary>(title: string, vocabulary: V): Kind<Section<V>> {
  const canonical = canonicalKeys(vocabulary);
  return {
    says: `a map with the parameters of ${title}`,
    read(node, at) {
      // A section whose lines are all commented out is an empty one.
      const empty = node.kind === 'scalar' && node.value === null;
      if (node.kind !== 'map' && !empty) {
        const found =
          node.kind === 'list' ? 'a list stands here' : `${quote(node.source)} is no map`;
        at.report(node.place, at.path, `${found}; use a map with the parameters of ${title}`);
        return undefined;
      }
      const settings = new Map<string, { setting: Setting<unknown>; keyPlace: Place }>();
      const misspelt = new Map<string, Setting<unknown>>();
      for (const entry of node.kind === 'map' ? node.entries : []) {
        const key = canonical.get(fold(entry.key));
        if (key === undefined) {
          const meant = reportUnknown(entry, title, vocabulary, canonical, at);
          const path = join(at.path, entry.key);
          if (meant !== undefined)
            misspelt.set(meant, { value: undefined, place: entry.place, path });
          continue;
        }
        const path = join(at.path, key);
        const earlier = settings.get(key);
        if (earlier !== undefined) {
          const line = earlier.keyPlace.line;
          const message = `${quote(entry.key)} was given in line ${line} already; keep one of them`;
          at.report(entry.place, path, message);
          continue;
        }
        const value = vocabulary[key]?.kind.read(entry.value, { ...at, path });
        settings.set(key, {
          setting: { value, place: entry.value.place, path },
          keyPlace: entry.place
        });
      }
      const read = Object.fromEntries([
        ...misspelt,
        ...[...settings].map(([key, { setting }]) => [key, setting] as const)
      ]);
      // The keys and values were made from the vocabulary just above.
      return { place: node.place, path: at.path, settings: read as Settings<V> };
    }
  };
}

/** Every spelling of every parameter, folded, with the parameter's own name. */
export function canonicalKeys(vocabulary: Vocabulary): Map<string, string> {
  const canonical = new Map<string, string>();
  for (const [key, { aliases }] of Object.entries(vocabulary)) {
    for (const spelling of [key, ...aliases]) canonical.set(fold(spelling), key);
  }
  return canonical;
}

/** The guide writes `Allowed Directories` as well as `AllowedDirectories`. */
export function fold(key: string): string {
  return key.replaceAll(' ', '').toLowerCase();
}

/** Gives the parameter that is meant, where that is beyond doubt. */
function reportUnknown(
  entry: YamlEntry,
  title: string,
  vocabulary: Vocabulary,
  canonical: ReadonlyMap<string, string>,
  at: At
): string | undefined {
  const path = join(at.path, entry.key);
  const owner = at.belongsTo(fold(entry.key));
  if (owner !== undefined) {
    const message = `${quote(entry.key)} is not a parameter of ${title}; it belongs to ${owner}`;
    at.report(entry.place, path, message);
    return undefined;
  }
  const written = fold(entry.key);
  const slip = nearest(written, canonical.keys()) ?? '';
  const meant = isMisspelt(written, slip) ? canonical.get(slip) : undefined;
  // What is refused cures nothing, unless it was meant.
  const had = new Map(
    [...canonical].filter(([, key]) => vocabulary[key]?.kind.refusal === undefined)
  );
  const known = meant ?? had.get(nearest(written, had.keys()) ?? '') ?? '';
  const message = `${quote(entry.key)} is not known here; the nearest known key is ${known}`;
  at.report(entry.place, path, message);
  return meant;
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
