// `rules:` (LoadMaster content rules) and `certificates:`.

import type { Rule } from '../../content-rule/content-rule.ts';
import { boolean, choice, form, integer, never, text, word } from '../kind.ts';
import { parameter } from '../section.ts';
import { filePath, referredName } from './names.ts';

const ruleTypes = [
  'matchContent',
  'addHeader',
  'deleteHeader',
  'replaceHeader',
  'modifyUrl'
] as const satisfies Rule['type'][];

/** By the LoadMaster's number, and its name with and without Rule. */
const spellings: Readonly<Record<string, Rule['type']>> = Object.fromEntries(
  ruleTypes.flatMap((type, number) => [
    [String(number), type] as const,
    [type.toLowerCase(), type] as const,
    [`${type.toLowerCase()}rule`, type] as const
  ])
);
const bodies = never('bodies go through as they came');

export const ruleVocabulary = {
  name: parameter(referredName, '-', 'guide 5.1; unique, and not `default`'),
  matchType: parameter(choice(['regex', 'prefix', 'postfix']), 'regex', 'guide 5.1'),
  pattern: parameter(text(250, 'a pattern'), '-', 'guide 5.1; `/^\\/owa.*/` or a shell pattern', [
    'patterns'
  ]),
  noCase: parameter(boolean, false, 'guide 5.1; without regard to case', ['caseIndependent']),
  negate: parameter(boolean, false, 'match where the pattern does not'),
  incHost: parameter(boolean, false, 'put the host name before the path', ['addHost']),
  incQuery: parameter(boolean, false, 'put `?query` after the path', ['includeQuery']),
  header: parameter(
    word('the name of a header field, method or src-ip', (raw) =>
      /^[!#$%&'*+.^_`|~0-9a-z-]{0,127}$/i.test(raw) && raw.toLowerCase() !== 'body'
        ? raw
        : undefined
    ),
    '-',
    'look at this field, at `method` or `src-ip`, not at the URL; the field to be added or replaced'
  ),
  mustFail: parameter(boolean, false, 'a match refuses the request'),

  type: parameter(
    choice(ruleTypes, spellings, {
      5: bodies,
      replacebody: bodies,
      replacebodyrule: bodies
    }),
    'matchContent',
    '0 = matchContent, 1 = addHeader, 2 = deleteHeader, 3 = replaceHeader, 4 = modifyUrl'
  ),
  replacement: parameter(
    form('text of up to 255 characters on one line', 255, /^\P{Cc}*$/u),
    '-',
    'the new value or URL; `\\1` to `\\9` stand for what the pattern captured',
    ['headerValue']
  ),
  setOnMatch: parameter(
    integer(0, 9),
    0,
    'flag that the rule sets where it matches or changes something; 0 = none',
    ['setFlagOnMatch']
  ),
  onlyOnFlag: parameter(integer(0, 9), 0, 'the rule counts only while this flag is set'),
  onlyOnNoFlag: parameter(integer(0, 9), 0, 'the rule counts only while this flag is not set')
};

export const certificateVocabulary = {
  name: parameter(referredName, '-', 'guide 4.1.1; the name that services give'),
  file: parameter(
    filePath,
    '-',
    'PEM (chain and key) or PFX; without any key: intermediate certificates, which complete chains'
  ),
  key: parameter(filePath, '-', 'the private key in PEM, where it stands apart'),
  passphraseFile: parameter(filePath, '-', 'a file with the pass phrase of the key or PFX'),
  ocspUrl: parameter(
    form('an http:// URL of an OCSP responder', 250, /^http:\/\/[!-~]+$/i),
    "the certificate's",
    'whom ocspStapling asks'
  )
};
