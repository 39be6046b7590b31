// Kinds of values. A kind reads one node of the file; where it cannot, it reports what is wrong and
// what would be right, and gives undefined.

import { decodePercent } from './percent.ts';
import { quote, type Place, type Report } from './problem.ts';
import type { YamlNode, YamlScalar } from './yaml.ts';

/** Where a kind is reading. */
export interface At {
  readonly path: string;
  readonly report: Report;
  /** What a parameter belongs to that is known, but not in this place. */
  readonly belongsTo: (key: string) => string | undefined;
}

export interface Kind<T> {
  /** What would be right, e.g. `an integer from 1 to 65535`. */
  readonly says: string;
  readonly read: (node: YamlNode, at: At) => T | undefined;
  /** Why other values than those of `says` are refused, or all where there is no `says`. */
  readonly refusal?: Refusal;
  /** Words that are known and refused. */
  readonly refusedWords?: ReadonlyMap<string, Refusal>;
}

/** Why a parameter or a word is refused that a LoadMaster knows. */
export interface Refusal {
  readonly verdict: 'is not implemented yet' | 'cannot be had';
  readonly why: string;
}

/** For what a later version brings: `what` comes with it. */
export function later(what: string): Refusal {
  return { verdict: 'is not implemented yet', why: `${what} with a later version` };
}

export function never(why: string): Refusal {
  return { verdict: 'cannot be had', why };
}

const truths = new Map([
  ...['true', '1', 'yes', 'y', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'n', 'off'].map((word) => [word, false] as const)
]);

export const boolean: Kind<boolean> = word('true or false', (text) =>
  truths.get(text.toLowerCase())
);

export function integer(minimum: number, maximum: number, unit = ''): Kind<number> {
  const says = `an integer from ${minimum} to ${maximum}${unit === '' ? '' : ` (${unit})`}`;
  return word(says, (text) => {
    if (!/^(?:0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
    const value = Number(text);
    return value >= minimum && value <= maximum ? value : undefined;
  });
}

/** One of some words. `also` gives other spellings; `refused` the words that are known but not had. */
export function choice<const T extends string>(
  words: readonly T[],
  also: Readonly<Record<string, T>> = {},
  refused: Readonly<Record<string, Refusal>> = {}
): Kind<T> {
  const says = words.length > 1 ? `${words.slice(0, -1).join(', ')} or ${words.at(-1)}` : words[0];
  const meaning = new Map<string, T>([
    ...Object.entries(also),
    ...words.map((each) => [each, each] as const)
  ]);
  const kind = word(says ?? '', (text) => meaning.get(text.toLowerCase()));
  const refusals = new Map(Object.entries(refused));
  return {
    says: kind.says,
    refusedWords: refusals,
    read(node, at) {
      const refusal = node.kind === 'scalar' ? refusals.get(node.source.toLowerCase()) : undefined;
      if (refusal === undefined) return kind.read(node, at);
      at.report(node.place, at.path, `${refuse(node, refusal)}; use ${kind.says}`);
      return undefined;
    }
  };
}

/** A parameter of which only what Ballast does anyway can be accepted. */
export function only<T extends string | number | boolean>(
  kind: Kind<T>,
  accepted: readonly T[],
  refusal: Refusal
): Kind<T> {
  return {
    says: accepted.join(' or '),
    refusal,
    read(node, at) {
      const value = kind.read(node, at);
      if (value === undefined || accepted.includes(value)) return value;
      at.report(node.place, at.path, `${refuse(node, refusal)}; use ${accepted.join(' or ')}`);
      return undefined;
    }
  };
}

/** A parameter that no value of can be accepted. */
export function refused(refusal: Refusal): Kind<never> {
  return {
    says: '',
    refusal,
    read(node, at) {
      at.report(node.place, at.path, `${refuse(undefined, refusal)}; remove this line`);
      return undefined;
    }
  };
}

/** Text, percent-decoded where it came so. */
export function text(lengthMax: number, what = 'text', multiline = false): Kind<string> {
  return word(`${what} of 1 to ${lengthMax} characters`, (raw) => {
    const value = decodePercent(raw);
    return value.length >= 1 && value.length <= lengthMax && !controls(value, multiline)
      ? value
      : undefined;
  });
}

function controls(value: string, multiline: boolean): boolean {
  return /\p{Cc}/u.test(multiline ? value.replaceAll(/[\t\n]/g, '') : value);
}

/** Text of a certain form. */
export function form(says: string, lengthMax: number, pattern: RegExp): Kind<string> {
  return word(says, (raw) => {
    const value = decodePercent(raw);
    return value.length <= lengthMax && pattern.test(value) ? value : undefined;
  });
}

/** `parse` judges a single value by its text; numbers count as written. */
export function word<T>(says: string, parse: (text: string) => T | undefined): Kind<T> {
  return {
    says,
    read(node, at) {
      if (node.kind !== 'scalar') {
        at.report(node.place, at.path, `a ${node.kind} stands here; use ${says}`);
        return undefined;
      }
      if (node.value === null) {
        at.report(node.place, at.path, `there is no value; use ${says}`);
        return undefined;
      }
      const value = parse(node.source);
      if (value === undefined) {
        at.report(node.place, at.path, `${quote(node.source)} is not right; use ${says}`);
      }
      return value;
    }
  };
}

/** A value that keeps its place, for lists whose items are judged later. */
export interface Located<T> {
  readonly value: T;
  readonly place: Place;
  readonly path: string;
}

export function located<T>(kind: Kind<T>): Kind<Located<T>> {
  return {
    says: kind.says,
    read(node, at) {
      const value = kind.read(node, at);
      return value === undefined ? undefined : { value, place: node.place, path: at.path };
    }
  };
}

export function list<T>(item: Kind<T>, what: string): Kind<readonly T[]> {
  const says = `a list of ${what}`;
  return {
    says,
    read(node, at) {
      if (node.kind === 'list') {
        return node.items
          .map((each, index) => item.read(each, { ...at, path: `${at.path}[${index}]` }))
          .filter((value) => value !== undefined);
      }
      const written = node.kind === 'map' ? 'a map stands here' : isEmpty(node);
      at.report(node.place, at.path, `${written}; use ${says}`);
      return undefined;
    }
  };
}

function isEmpty(node: YamlScalar): string {
  return node.value === null ? 'there is no value' : `${quote(node.source)} is not a list`;
}

function refuse(node: YamlNode | undefined, refusal: Refusal): string {
  const shown = node?.kind === 'scalar' ? `${quote(node.source)} ` : '';
  return `${shown}${refusal.verdict} (${refusal.why})`;
}
