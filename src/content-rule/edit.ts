// Rules that change a head, made ready (LoadMaster rule types 1 to 4): add, delete and replace
// header, modify URL. What frames a message or belongs to one connection is out of their reach.

import { isToken } from '../http1/bytes.ts';
import { HeadEdits } from '../http1/head-edits.ts';
import type { AnswerHead, RequestHead } from '../http1/head.ts';
import type { EditRule, Flags } from './content-rule.ts';
import { counts, masksOf } from './flags.ts';
import { asBytes, compilePattern, compileReplace } from './pattern.ts';

/** Makes the rule's changes; whether there was anything to change. */
export type Edit = (edits: HeadEdits, flags: Flags) => boolean;

/** The changes that rules make, in their order; each sees what those before it did. */
export function editHead(
  head: RequestHead | AnswerHead,
  rules: readonly Edit[],
  flags: Flags
): HeadEdits {
  const edits = new HeadEdits(head);
  for (const rule of rules) rule(edits, flags);
  return edits;
}

/** Throws an Error in the administrator's words when the rule cannot work. */
export function compileEdit(rule: EditRule): Edit {
  const edit = compileChange(rule);
  const masks = masksOf(rule);
  if (masks === undefined) return edit;
  return (edits, exchange) => {
    if (!counts(masks, exchange) || !edit(edits, exchange)) return false;
    exchange.flags |= masks.set;
    return true;
  };
}

function compileChange(rule: EditRule): Edit {
  switch (rule.type) {
    case 'addHeader': {
      const name = changeableField(rule.header, true);
      const value = asBytes(rule.replacement);
      return (edits) => {
        edits.add(name, value);
        return true;
      };
    }
    case 'deleteHeader': {
      const wanted = fieldNames(rule.pattern);
      return (edits) => edits.drop(wanted);
    }
    case 'replaceHeader': {
      const name = changeableField(rule.header, false).toLowerCase();
      const replace = compileReplace(rule.pattern, rule.noCase, rule.replacement);
      return (edits) => edits.replace(name, (value) => replace(value, edits));
    }
    case 'modifyUrl': {
      const { pattern, noCase, replacement } = rule;
      const replace = compileReplace(pattern, noCase, urlText(replacement));
      return (edits) => edits.changeUrl((url) => replace(url, edits));
    }
  }
}

/** Framing, hop-by-hop fields, and what the relay itself has acted on. */
const untouchable: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
]);

/** Host may have another value, and must stay one. */
function changeableField(header: string, isAdded: boolean): string {
  if (!isToken(header)) {
    throw new Error(`"${header}" is no name of a field; a name such as X-Forwarded-Proto is right`);
  }
  const name = folded(header);
  if (untouchable.has(name) && (isAdded || name !== 'host')) throw new Error(reason(header));
  return header;
}

/** Which names, in lower case, a rule deletes: one, or all that an expression finds. */
function fieldNames(pattern: string): (name: string) => boolean {
  if (!pattern.startsWith('/')) {
    if (!isToken(pattern) || pattern.includes('*')) {
      throw new Error(
        `"${pattern}" is no name of a field; a name, or an expression such as "/^X-/", would be right`
      );
    }
    if (untouchable.has(folded(pattern))) throw new Error(reason(pattern));
    const wanted = pattern.toLowerCase();
    return (name) => name === wanted;
  }
  const test = compilePattern(pattern, true);
  const hit = [...untouchable].find((name) => test(name));
  if (hit !== undefined) throw new Error(`pattern "${pattern}" finds ${hit} too; ${reason(hit)}`);
  return (name) => test(name) && !untouchable.has(folded(name));
}

/** A server that reads CGI names takes an underscore for a hyphen. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

function reason(name: string): string {
  return (
    `${name} belongs to the framing or to one connection, which rules must not touch; ` +
    'another field would be right'
  );
}

function urlText(replacement: string): string {
  if (!/^[/\\]/.test(replacement)) {
    throw new Error(
      `"${replacement}" is no URL of this host; one that begins with / would be right`
    );
  }
  if (/^[!-~]*$/.test(replacement) && !replacement.includes('#')) return replacement;
  throw new Error(
    'a URL is printable ASCII without blanks and without #; percent-encoding the rest would be right'
  );
}
