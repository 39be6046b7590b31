// Content rules by name: those of the file, and those that a template brings.

import type { ContentRule, Rule } from '../content-rule/content-rule.ts';
import type { Located } from './kind.ts';
import type { Service } from './model.ts';
import { nearest } from './nearest.ts';
import { quote, type Report } from './problem.ts';
import { readRule } from './read-rule.ts';
import type { Setting } from './section.ts';
import type { RuleSection, ServiceSettings, SubVSSettings } from './vocabulary/file.ts';

/** Rules by name; undefined where something is wrong with it, which is then reported. */
export type RuleBook = ReadonlyMap<string, Rule | undefined>;

/** The name that matches what no other rule matched. */
const catchAll = 'default';

export function readRules(sections: readonly RuleSection[], report: Report): RuleBook {
  const book = new Map<string, Rule | undefined>();
  for (const section of sections) {
    const { name } = section.settings;
    if (name === undefined) report(section.place, section.path, 'the rule has no name; add name');
    if (name?.value === undefined) continue;
    if (name.value.toLowerCase() === catchAll) {
      report(name.place, name.path, `${quote(name.value)} is reserved; use another name`);
    } else if (book.has(name.value)) {
      const message = `there is a rule ${quote(name.value)} already; use another name`;
      report(name.place, name.path, message);
    } else {
      book.set(name.value, readRule(section, name.value, report));
    }
  }
  return book;
}

/** Where rules are looked up. One of the file goes before a template's of that name. */
export interface RuleBooks {
  readonly rules: RuleBook;
  readonly templateRules: RuleBook;
  readonly report: Report;
}

/** The rules of a SubVS in their order. */
export function chooseRules(
  { rules: names }: SubVSSettings,
  books: RuleBooks
): { rules: ContentRule[]; isDefault: boolean } {
  const named = names?.value ?? [];
  const own = named.filter(({ value }) => value !== catchAll);
  return {
    rules: own.flatMap((name) => find(name, matching, 'rules', books)),
    isDefault: own.length < named.length
  };
}

/** The rules before content switching, and those that change requests and answers. */
export function chooseRuleLists(
  settings: ServiceSettings | SubVSSettings,
  books: RuleBooks
): Pick<Service, 'preProcessRules' | 'requestRules' | 'responseRules'> {
  const { preProcessRules, requestRules, responseRules } = settings;
  const choose = <T extends Rule['type']>(
    list: Setting<readonly Located<string>[]> | undefined,
    types: readonly T[],
    where: string
  ) => (list?.value ?? []).flatMap((name) => find(name, types, where, books));
  return {
    preProcessRules: choose(preProcessRules, matching, 'preProcessRules'),
    requestRules: choose(requestRules, [...changing, 'modifyUrl'], 'requestRules'),
    // An answer has no URL; what redirects is its Location field.
    responseRules: choose(responseRules, changing, 'responseRules')
  };
}

const matching = ['matchContent'] as const;
const changing = ['addHeader', 'deleteHeader', 'replaceHeader'] as const;

/** The rule of this name, or nothing where that is reported. */
function find<T extends Rule['type']>(
  { value: name, place, path }: Located<string>,
  types: readonly T[],
  where: string,
  { rules: own, templateRules, report }: RuleBooks
): Extract<Rule, { type: T }>[] {
  const book = own.has(name) ? own : templateRules;
  if (!book.has(name)) {
    const all = [...own.keys(), ...templateRules.keys()];
    const known = nearest(name, where === 'rules' ? [...all, catchAll] : all) ?? 'none';
    report(place, path, `there is no rule ${quote(name)}; the nearest is ${known}`);
    return [];
  }
  const rule = book.get(name);
  if (rule === undefined) return [];
  if (isOf(rule, types)) return [rule];
  const message = `the rule ${quote(name)} is of type ${rule.type}; ${where} takes`;
  report(place, path, `${message} ${types.join(', ')}`);
  return [];
}

function isOf<T extends Rule['type']>(
  rule: Rule,
  types: readonly T[]
): rule is Extract<Rule, { type: T }> {
  return types.some((type) => type === rule.type);
}
