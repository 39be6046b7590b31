// One entry under `rules:` becomes a rule of its type, and is compiled once to see that it works.

import { compileRule } from '../content-rule/compile.ts';
import type { EditRule, Rule, RuleFlags } from '../content-rule/content-rule.ts';
import { compileEdit } from '../content-rule/edit.ts';
import { compilePattern } from '../content-rule/pattern.ts';
import type { Report } from './problem.ts';
import { withCure } from './read-file.ts';
import type { RuleSection } from './vocabulary/file.ts';

type Settings = RuleSection['settings'];

/** Parameters of all types: `needs` must be there, `takes` may. */
const parametersOf = {
  matchContent: {
    needs: ['pattern'],
    takes: ['matchType', 'noCase', 'negate', 'incHost', 'incQuery', 'header', 'mustFail']
  },
  addHeader: { needs: ['header', 'replacement'], takes: [] },
  deleteHeader: { needs: ['pattern'], takes: [] },
  replaceHeader: { needs: ['header', 'pattern', 'replacement'], takes: ['noCase'] },
  modifyUrl: { needs: ['pattern', 'replacement'], takes: ['noCase'] }
} as const satisfies Record<Rule['type'], { needs: Key[]; takes: Key[] }>;

type Key = keyof Settings;

const ofEveryType: readonly string[] = [
  'name',
  'type',
  'setOnMatch',
  'onlyOnFlag',
  'onlyOnNoFlag'
] satisfies Key[];

/** Undefined where something is wrong with the rule, which is then reported. */
export function readRule(section: RuleSection, name: string, report: Report): Rule | undefined {
  const { settings } = section;
  if (settings.type !== undefined && settings.type.value === undefined) return undefined;
  const type = settings.type?.value ?? 'matchContent';
  if (!judgeParameters(section, type, report)) return undefined;
  const flags = readFlags(settings, name, report);
  return type === 'matchContent'
    ? readMatch(settings, flags, report)
    : readEdit(settings, type, flags, report);
}

/** Whether all that the type needs is there, and readable. */
function judgeParameters(section: RuleSection, type: Rule['type'], report: Report): boolean {
  const { settings, place, path } = section;
  const { needs, takes } = parametersOf[type];
  const known: readonly string[] = [...ofEveryType, ...needs, ...takes];
  for (const [key, setting] of Object.entries(settings)) {
    if (known.includes(key)) continue;
    const message = `${key} means nothing to a rule of type ${type}; remove this line`;
    report(setting.place, setting.path, message);
  }
  for (const key of needs) {
    if (settings[key] === undefined) report(place, path, `the rule has no ${key}; add ${key}`);
  }
  return needs.every((key) => settings[key]?.value !== undefined);
}

function readFlags(settings: Settings, name: string, report: Report): RuleFlags {
  const onlyOnFlag = settings.onlyOnFlag?.value ?? 0;
  const onlyOnNoFlag = settings.onlyOnNoFlag?.value ?? 0;
  if (settings.onlyOnNoFlag !== undefined && onlyOnNoFlag !== 0 && onlyOnNoFlag === onlyOnFlag) {
    const { place, path } = settings.onlyOnNoFlag;
    report(place, path, `onlyOnFlag wants flag ${onlyOnFlag} to be set; use one of the two`);
  }
  return { name, setOnMatch: settings.setOnMatch?.value ?? 0, onlyOnFlag, onlyOnNoFlag };
}

function readMatch(settings: Settings, flags: RuleFlags, report: Report): Rule | undefined {
  const rule: Rule = {
    ...flags,
    type: 'matchContent',
    matchType: settings.matchType?.value ?? 'regex',
    pattern: settings.pattern?.value ?? '',
    noCase: settings.noCase?.value ?? false,
    negate: settings.negate?.value ?? false,
    incHost: settings.incHost?.value ?? false,
    incQuery: settings.incQuery?.value ?? false,
    header: settings.header?.value?.toLowerCase() ?? '',
    mustFail: settings.mustFail?.value ?? false
  };
  return works(() => compileRule(rule), settings.pattern, report) ? rule : undefined;
}

function readEdit(
  settings: Settings,
  type: EditRule['type'],
  flags: RuleFlags,
  report: Report
): Rule | undefined {
  const header = settings.header?.value ?? '';
  const pattern = settings.pattern?.value ?? '';
  const noCase = settings.noCase?.value ?? false;
  const replacement = settings.replacement?.value ?? '';
  const rule: EditRule = {
    addHeader: { ...flags, type: 'addHeader' as const, header, replacement },
    deleteHeader: { ...flags, type: 'deleteHeader' as const, pattern },
    replaceHeader: {
      ...flags,
      type: 'replaceHeader' as const,
      header,
      pattern,
      noCase,
      replacement
    },
    modifyUrl: { ...flags, type: 'modifyUrl' as const, pattern, noCase, replacement }
  }[type];
  // A pattern that cannot be read is told of at the pattern, all else at what the type is about.
  const hasPattern = type === 'replaceHeader' || type === 'modifyUrl';
  if (hasPattern && !works(() => compilePattern(pattern, noCase), settings.pattern, report)) {
    return undefined;
  }
  // With a replacement that is right in any case only the field can be wrong.
  const blank: EditRule = rule.type === 'replaceHeader' ? { ...rule, replacement: '' } : rule;
  if (type === 'replaceHeader' && !works(() => compileEdit(blank), settings.header, report)) {
    return undefined;
  }
  return works(() => compileEdit(rule), settings[blamed[type]], report) ? rule : undefined;
}

const blamed = {
  addHeader: 'header',
  deleteHeader: 'pattern',
  replaceHeader: 'replacement',
  modifyUrl: 'replacement'
} as const satisfies Record<EditRule['type'], Key>;

function works(compile: () => unknown, setting: Settings[Key], report: Report): boolean {
  try {
    compile();
    return true;
  } catch (error) {
    if (setting !== undefined) {
      report(setting.place, setting.path, withCure(error, 'correct the rule'));
    }
    return false;
  }
}
