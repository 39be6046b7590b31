// `rules:` (LoadMaster content rules) and `certificates:`.

import { boolean, choice, integer, later, only, refused, text, word } from '../kind.ts';
import { parameter } from '../section.ts';
import { filePath, referredName } from './names.ts';

const flags = later('rules with flags come');

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
        ? raw.toLowerCase()
        : undefined
    ),
    '-',
    'look at this field, at `method` or `src-ip`, not at the URL'
  ),
  mustFail: parameter(boolean, false, 'a match refuses the request'),

  type: parameter(only(integer(0, 5), [0], later('rules that change headers come')), 0, ''),
  replacement: parameter(refused(later('rules that change headers come')), '-', ''),
  setOnMatch: parameter(only(integer(0, 9), [0], flags), 0, '', ['setFlagOnMatch']),
  onlyOnFlag: parameter(only(integer(0, 9), [0], flags), 0, ''),
  onlyOnNoFlag: parameter(only(integer(0, 9), [0], flags), 0, '')
};

export const certificateVocabulary = {
  name: parameter(referredName, '-', 'guide 4.1.1; the name that services give'),
  file: parameter(filePath, '-', 'PEM (chain and key) or PFX'),
  key: parameter(filePath, '-', 'the private key in PEM, where it stands apart'),
  passphraseFile: parameter(filePath, '-', 'a file with the pass phrase of the key or PFX')
};
