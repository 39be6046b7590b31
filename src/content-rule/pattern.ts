// A rule's pattern becomes a test of one string. The only door to re2js: its engine takes time
// linear in the input, so that no path a client sends can make a rule run wild.
//
// A request's bytes arrive as one latin1 character each; the pattern is brought into that form too.

import { RE2JS, RE2JSSyntaxException } from 're2js';

export type TextTest = (text: string) => boolean;

/** The text that takes the place of another, or undefined where that stays as it is. */
export type Replace = (text: string, from: { tooLarge(): Error }) => string | undefined;

/** LoadMaster's limit for a pattern. */
export const patternLengthMax = 250;

/** Counted repetitions multiply; beyond this each byte of input would become dear. */
const programSizeMax = 300;

/** `matchType: regex`: Perl syntax between slashes, else shell syntax; finds it anywhere. */
export function compilePattern(pattern: string, noCase: boolean): TextTest {
  const source = sourceOf(pattern);
  const prefix = anchoredLiteral(source);
  if (prefix !== undefined) return testPrefix(prefix, noCase);
  return testExpression(pattern, source, noCase);
}

/**
 * Where the pattern is found the whole text gives way to `replacement`, in which `\1` to `\9` stand
 * for what was captured (kemp-traffic 2.3).
 */
export function compileReplace(pattern: string, noCase: boolean, replacement: string): Replace {
  const source = sourceOf(pattern);
  const expression = compileChecked(pattern, source, noCase);
  const parts = replacementParts(replacement, expression.groupCount());
  const [literal = ''] = parts;
  const captures = parts.some((part) => typeof part === 'number');
  return (text, from) => {
    // Without captures, or without a match, the fast automaton is all that it takes.
    if (!expression.test(text)) return undefined;
    if (!captures) return String(literal);
    if (text.length > capturedBytesMax) throw from.tooLarge();
    const matcher = expression.matcher(text);
    if (!matcher.find()) return undefined;
    return parts
      .map((part) => (typeof part === 'number' ? (matcher.group(part) ?? '') : part))
      .join('');
  };
}

/** Longest text out of which captures are taken: that costs the engine up to 6 us a byte. */
const capturedBytesMax = 8192;

/** Literal text and numbers of groups; two literals never stand side by side. */
function replacementParts(replacement: string, groups: number): (string | number)[] {
  const parts: (string | number)[] = [''];
  const addText = (text: string): void => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + asBytes(text);
    else parts.push(asBytes(text));
  };
  for (const [, escaped, plain = ''] of replacement.matchAll(/\\(.?)|([^\\]+)/gsu)) {
    if (escaped === undefined) addText(plain);
    else if (escaped === '\\' || escaped === '/') addText(escaped);
    else if (/^[1-9]$/.test(escaped)) parts.push(checkedGroup(Number(escaped), groups));
    else {
      throw new Error(
        `\\${escaped} stands for nothing; \\1 to \\9 for what the pattern captured, ` +
          'or \\\\ for a backslash, would be right'
      );
    }
  }
  return parts;
}

function checkedGroup(group: number, groups: number): number {
  if (group <= groups) return group;
  const has = groups === 0 ? 'captures nothing' : `captures ${groups}`;
  throw new Error(
    `\\${group} stands for nothing: the pattern ${has}; ` +
      'a pattern between slashes with that many ( ) would be right'
  );
}

/** `matchType: prefix`: the text begins with exactly this. */
export function compilePrefix(pattern: string, noCase: boolean): TextTest {
  return testPrefix(asBytes(pattern), noCase);
}

/** `matchType: postfix`: the text ends with exactly this. */
export function compilePostfix(pattern: string, noCase: boolean): TextTest {
  const literal = asBytes(pattern);
  if (!noCase) return (text) => text.endsWith(literal);
  const codes = lowerCodes(literal);
  return (text) => holdsAt(text, text.length - codes.length, codes);
}

/** Perl syntax between slashes, else shell syntax, as the engine reads it. */
export function sourceOf(pattern: string): string {
  return asBytes(pattern.startsWith('/') ? perlSource(pattern) : shellSource(pattern));
}

/** What stands between the slashes; `\/` is left, the engine reads it as a slash. */
function perlSource(pattern: string): string {
  const end = lastUnescapedSlash(pattern);
  if (end === 0) {
    throw new Error(
      `pattern "${pattern}" has no closing slash; a Perl expression between slashes ` +
        `("/^\\/owa.*/") or shell syntax that does not begin with a slash ("^/owa*") would be right`
    );
  }
  if (end !== pattern.length - 1) {
    throw new Error(
      `pattern "${pattern}" goes on after its closing slash; "\\/" for a slash within the ` +
        'expression and noCase in place of flags would be right'
    );
  }
  if (end === 1)
    throw new Error(`pattern "${pattern}" is empty; text between the slashes is needed`);
  return pattern.slice(1, end);
}

function lastUnescapedSlash(pattern: string): number {
  let last = 0;
  for (let at = 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === '/') last = at;
  }
  return last;
}

/** Shell syntax in the engine's words: `?`, `*`, `^` first, `$` last, `[ ]`, `[^ ]` and `\`. */
function shellSource(pattern: string): string {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === '?') source += '.';
    else if (char === '*') source += '.*';
    else if (char === '^' && at === 0) source += '^';
    else if (char === '$' && at === pattern.length - 1) source += '$';
    else if (char === '[') {
      const end = endOfSet(pattern, at);
      source += setSource(pattern.slice(at + 1, end));
      at = end;
    } else if (char === '\\') {
      at++;
      if (at === pattern.length) {
        throw new Error(`pattern "${pattern}" ends in a single backslash; "\\\\" would be right`);
      }
      source += literalSource(pattern.charAt(at));
    } else source += literalSource(char);
  }
  return source;
}

function endOfSet(pattern: string, start: number): number {
  for (let at = start + 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === ']') return at;
  }
  throw new Error(
    `pattern "${pattern}" opens a set with [ and does not close it; ] after the set, ` +
      'or "\\[" for the character itself, would be right'
  );
}

function setSource(members: string): string {
  const negated = members.startsWith('^');
  // A backslash already escapes what follows it; a bare [ would begin a class name.
  const escaped = members
    .slice(negated ? 1 : 0)
    .replace(/\\(.)|\[/gs, (found, char?: string) =>
      char === undefined ? `\\${found}` : literalSource(char)
    );
  return `[${negated ? '^' : ''}${escaped}]`;
}

function literalSource(char: string): string {
  return /[\\.+*?()|[\]{}^$-]/.test(char) ? `\\${char}` : char;
}

/**
 * The literal of `^literal` and `^literal.*`, which is what nearly every rule says (`^\/owa.*`):
 * such a rule needs no engine. Undefined when there is more to the expression.
 */
function anchoredLiteral(source: string): string | undefined {
  const found = /^\^((?:[^\\.+*?()|[\]{}^$]|\\[!-/:-@[-`{-~])+)(?:\.\*\$?)?$/s.exec(source);
  return found?.[1]?.replace(/\\(.)/gs, '$1');
}

function testPrefix(literal: string, noCase: boolean): TextTest {
  if (!noCase) return (text) => text.startsWith(literal);
  const codes = lowerCodes(literal);
  return (text) => holdsAt(text, 0, codes);
}

function lowerCodes(literal: string): readonly number[] {
  return Array.from(literal, (char) => lowerCode(char.charCodeAt(0)));
}

/** Compares in place: no rule makes a lower-case copy, and nearly all end at the first letter. */
function holdsAt(text: string, start: number, codes: readonly number[]): boolean {
  if (start < 0 || text.length - start < codes.length) return false;
  for (let at = 0; at < codes.length; at++) {
    if (lowerCode(text.charCodeAt(start + at)) !== codes[at]) return false;
  }
  return true;
}

/** ASCII only, as host names and paths are compared. */
function lowerCode(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
}

/** As text stands in a head: one latin1 character a byte of its UTF-8. */
export function asBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function testExpression(pattern: string, source: string, noCase: boolean): TextTest {
  const expression = compileChecked(pattern, source, noCase);
  return (text) => expression.test(text);
}

function compileChecked(pattern: string, source: string, noCase: boolean): RE2JS {
  const expression = compileExpression(pattern, source, noCase);
  if (expression.programSize() > programSizeMax) {
    throw new Error(
      `pattern "${pattern}" is too large once its counted repetitions are written out; ` +
        'smaller counts, or * and +, would be right'
    );
  }
  return expression;
}

function compileExpression(pattern: string, source: string, noCase: boolean): RE2JS {
  try {
    // DOTALL: nothing in a path or a header ends what a dot matches.
    return RE2JS.compile(source, RE2JS.DOTALL | (noCase ? RE2JS.CASE_INSENSITIVE : 0));
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    const place = error.getPattern() ?? '';
    throw new Error(`pattern "${pattern}" is not a valid expression: ${reasonFor(error, place)}`, {
      cause: error
    });
  }
}

function reasonFor(error: RE2JSSyntaxException, place: string): string {
  const look = /^\(\?<?[=!]/.exec(place)?.[0];
  if (look !== undefined) {
    return (
      `${look} looks ahead or behind, which is not supported; negate, or a rule of its own ` +
      'placed before this one, would be right'
    );
  }
  if (/^\\[1-9gk]/.test(place)) {
    return `${place} is a back reference, which is not supported; the text itself would be right`;
  }
  if (/^[*+?}]*\+$/.test(place) && place.length > 1) {
    return (
      `${place} is a possessive quantifier, which is not supported; ` +
      'a plain * or + would be right'
    );
  }
  const description = error.getDescription();
  const cure = cures[description] ?? 'RE2 syntax would be right';
  // The engine cites the whole expression, flags and all, where it found only that the end came.
  return description.includes('closing') || description.startsWith('unexpected') || place === ''
    ? `${description}; ${cure}`
    : `${description} ${place}; ${cure}`;
}

const cures: Readonly<Record<string, string>> = {
  'missing closing )': 'a ) for every (, or "\\(" for the character itself, would be right',
  'unexpected )': 'a ( for every ), or "\\)" for the character itself, would be right',
  'missing closing ]': 'a ] after the set, or "\\[" for the character itself, would be right',
  'missing argument to repetition operator':
    'something to repeat, or a backslash before it for the character itself, would be right',
  'invalid nested repetition operator':
    'one repetition, or brackets around the first, would be right',
  'invalid repeat count': 'at most 1000 repetitions in all would be right',
  'invalid character class range': 'the lower character first would be right',
  'trailing backslash at end of expression': '"\\\\" for the character itself would be right'
};
