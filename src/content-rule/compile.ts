// Makes a content rule ready: one function that answers yes or no about a request.

import type { ContentRule, Matcher, RequestFacts } from './content-rule.ts';
import { counts, masksOf } from './flags.ts';
import {
  asBytes,
  compilePattern,
  compilePostfix,
  compilePrefix,
  patternLengthMax,
  sourceOf,
  type TextTest
} from './pattern.ts';
import { lowerAscii, requiredTexts, textEnd, textStart, type Pieces } from './required-text.ts';

/** Throws an Error in the administrator's words when the rule cannot work. */
export function compileRule(rule: ContentRule): Matcher {
  const matches = compileMatch(rule);
  const masks = masksOf(rule);
  if (masks === undefined) return matches;
  return (facts) => {
    if (!counts(masks, facts) || !matches(facts)) return false;
    facts.flags |= masks.set;
    return true;
  };
}

/**
 * Of each group one piece is in every path that the rule matches, between `textStart` and `textEnd`
 * and whatever the case. None = unknown: it looks at something else, or for what is not there.
 */
export function neededTexts(rule: ContentRule): readonly Pieces[] {
  const { pattern, matchType, negate, incHost, incQuery, header } = rule;
  if (negate || incHost || incQuery || header !== '') return [];
  if (matchType === 'regex') return requiredTexts(sourceOf(pattern));
  const text = asBytes(pattern);
  const [plain] = (matchType === 'prefix' ? /^[ -~]+/ : /[ -~]+$/).exec(text) ?? [];
  if (plain === undefined) return [];
  const lower = lowerAscii(plain);
  return [[matchType === 'prefix' ? textStart + lower : lower + textEnd]];
}

function compileMatch(rule: ContentRule): Matcher {
  const test = compileText(rule);
  if (rule.header !== '') return matchField(subjectOf(rule.header), test, rule.negate);
  if (rule.incHost || rule.incQuery) return matchUrl(rule, test);
  // The usual rule, and the one that is asked up to nine times for each request.
  if (rule.negate) return (facts) => !test(facts.path());
  return (facts) => test(facts.path());
}

function compileText(rule: ContentRule): TextTest {
  const { pattern, noCase } = rule;
  if (pattern === '') throw new Error('the pattern is empty; text to look for would be right');
  if (pattern.length > patternLengthMax) {
    throw new Error(
      `the pattern has ${pattern.length} characters; at most ${patternLengthMax} would be right`
    );
  }
  switch (rule.matchType) {
    case 'regex':
      return compilePattern(pattern, noCase);
    case 'prefix':
      return compilePrefix(pattern, noCase);
    case 'postfix':
      return compilePostfix(pattern, noCase);
  }
}

function matchUrl(rule: ContentRule, test: TextTest): Matcher {
  const { incHost, incQuery, negate } = rule;
  return (facts) => {
    const url = (incHost ? facts.host() : '') + facts.path() + (incQuery ? facts.query() : '');
    return test(url) !== negate;
  };
}

/** What is not there does not match, so that a negated rule does. */
function matchField(
  subject: (facts: RequestFacts) => string | undefined,
  test: TextTest,
  negate: boolean
): Matcher {
  return (facts) => {
    const text = subject(facts);
    return (text !== undefined && test(text)) !== negate;
  };
}

function subjectOf(header: string): (facts: RequestFacts) => string | undefined {
  const name = header.toLowerCase();
  switch (name) {
    case 'method':
      return (facts) => facts.method();
    case 'src-ip':
      return (facts) => facts.sourceAddress();
    case 'body':
      throw new Error(
        'a rule cannot look into the request body yet; the URL, a header field, method or ' +
          'src-ip would be right'
      );
    default:
      return (facts) => facts.header(name);
  }
}
