// The tables of parameters in config/README.md, made from the vocabulary. Run this file to write
// them anew; a test compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { vocabularies } from '../../src/config/vocabulary/file.ts';
import type { Vocabulary } from '../../src/config/section.ts';
import type { Refusal } from '../../src/config/kind.ts';

export const readmeFile = new URL('../../config/README.md', import.meta.url);
const begin = '<!-- parameters: begin; made by node test/config/parameter-tables.ts -->\n';
const end = '<!-- parameters: end -->\n';

/** The README with its tables made anew. */
export function withTables(readme: string): string {
  const before = readme.slice(0, readme.indexOf(begin) + begin.length);
  const after = readme.slice(readme.indexOf(end));
  return `${before}\n${vocabularies.map(tablesOf).join('\n')}\n${after}`;
}

function tablesOf([place, vocabulary]: readonly [string, Vocabulary]): string {
  const own = Object.entries(vocabulary).filter(([key, each]) => !isShared(place, key, each));
  const shared = Object.entries(vocabulary).filter(([key, each]) => isShared(place, key, each));
  const had = own.filter(([, { kind, note }]) => kind.refusal === undefined || note !== '');
  const lines = [
    `### Parameters of ${place}`,
    '',
    '| parameter | value | default | guide, meaning |',
    '| --- | --- | --- | --- |',
    ...had.map(
      ([key, { kind, default: fallback, note, aliases }]) =>
        `| ${spellings(key, aliases)} | ${kind.says} | ${fallback} | ${note || '-'} |`
    ),
    ''
  ];
  if (shared.length > 0) {
    const names = shared.filter(([, { kind }]) => kind.refusal === undefined).map(([key]) => key);
    lines.push(`As in a virtual service: ${names.map(code).join(', ')}.`, '');
    lines.push('Refused as in a virtual service is what is refused there, and also:', '');
  }
  const refused = refusals(own);
  if (refused.size > 0 && shared.length === 0) lines.push('Refused:', '');
  if (refused.size > 0)
    lines.push('| parameter | accepted | why nothing else is |', '| --- | --- | --- |');
  for (const [rest, names] of refused) lines.push(`| ${names.join(', ')} | ${rest} |`);
  if (refused.size > 0) lines.push('');
  return lines.join('\n');
}

/** A SubVS has most parameters from a virtual service; they are explained there. */
function isShared(place: string, key: string, parameter: unknown): boolean {
  const services = vocabularies.find(([other]) => other === 'a virtual service')?.[1];
  return place === 'a SubVS' && services?.[key] === parameter;
}

/** Parameters and words by what is accepted and why: those with one reason share a row. */
function refusals(rows: readonly [string, Vocabulary[string]][]): Map<string, string[]> {
  const all = rows.flatMap(([key, { kind, aliases }]) => {
    const accepted = kind.says === '' ? 'nothing' : kind.says;
    const words = [...(kind.refusedWords ?? [])].map(
      ([word, refusal]) => [`${accepted} | ${reason(refusal)}`, `\`${key}: ${word}\``] as const
    );
    if (kind.refusal === undefined) return words;
    const rest = `${accepted} | ${reason(kind.refusal)}`;
    return [[rest, spellings(key, aliases)] as const, ...words];
  });
  const grouped = Map.groupBy(all, ([rest]) => rest);
  return new Map([...grouped].map(([rest, group]) => [rest, group.map(([, name]) => name)]));
}

function spellings(key: string, aliases: readonly string[]): string {
  const others = aliases.length === 0 ? '' : ` (${aliases.map(code).join(', ')})`;
  return `${code(key)}${others}`;
}

function reason(refusal: Refusal): string {
  return `${refusal.verdict}: ${refusal.why}`;
}

function code(key: string): string {
  return `\`${key}\``;
}

if (import.meta.main) writeFileSync(readmeFile, withTables(readFileSync(readmeFile, 'utf8')));
