// Content rules by name: those of the file, and those that a template brings.

import { compileRule } from '../content-rule/compile.ts';
import type { ContentRule } from '../content-rule/content-rule.ts';
import { nearest } from './nearest.ts';
import { quote, type Report } from './problem.ts';
import { withCure } from './read-file.ts';
import type { RuleSection, SubVSSettings } from './vocabulary/file.ts';

/** Rules by name; undefined where something is wrong with it, which is then reported. */
export type RuleBook = ReadonlyMap<string, ContentRule | undefined>;

/** The name that matches what no other rule matched. */
const catchAll = 'default';

export function readRules(sections: readonly RuleSection[], report: Report): RuleBook {
  const book = new Map<string, ContentRule | undefined>();
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

function readRule(section: RuleSection, name: string, report: Report): ContentRule | undefined {
  const { settings } = section;
  if (settings.pattern === undefined) {
    report(section.place, section.path, 'the rule has no pattern; add pattern');
  }
  if (settings.pattern?.value === undefined) return undefined;
  const rule: ContentRule = {
    name,
    matchType: settings.matchType?.value ?? 'regex',
    pattern: settings.pattern.value,
    noCase: settings.noCase?.value ?? false,
    negate: settings.negate?.value ?? false,
    incHost: settings.incHost?.value ?? false,
    incQuery: settings.incQuery?.value ?? false,
    header: settings.header?.value ?? '',
    mustFail: settings.mustFail?.value ?? false
  };
  try {
    compileRule(rule);
    return rule;
  } catch (error) {
    const { place, path } = settings.pattern;
    report(place, path, withCure(error, 'correct the pattern'));
    return undefined;
  }
}

/** The rules of a SubVS in their order. A rule of the file goes before a template's of that name. */
export function chooseRules(
  settings: SubVSSettings,
  own: RuleBook,
  templates: RuleBook,
  report: Report
): { rules: ContentRule[]; isDefault: boolean } {
  const rules: ContentRule[] = [];
  let isDefault = false;
  for (const { value: name, place, path } of settings.rules?.value ?? []) {
    if (name === catchAll) {
      isDefault = true;
      continue;
    }
    const rule = own.has(name) ? own.get(name) : templates.get(name);
    if (rule !== undefined) rules.push(rule);
    if (own.has(name) || templates.has(name)) continue;
    const known = nearest(name, [...own.keys(), ...templates.keys(), catchAll]);
    report(place, path, `there is no rule ${quote(name)}; the nearest is ${known}`);
  }
  return { rules, isDefault };
}
