// The only door to the yaml package: text becomes a plain tree in which every key and value knows
// its place.

import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ErrorCode,
  type Node,
  type YAMLError
} from 'yaml';
import type { Place, Report } from './problem.ts';

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
  /** As written, without quotes; `007` stays `007`. */
  readonly source: string;
  readonly place: Place;
}

export interface YamlList {
  readonly kind: 'list';
  readonly items: readonly YamlNode[];
  readonly place: Place;
}

export interface YamlMap {
  readonly kind: 'map';
  readonly entries: readonly YamlEntry[];
  readonly place: Place;
}

export interface YamlEntry {
  readonly key: string;
  readonly place: Place;
  readonly value: YamlNode;
}

export type YamlNode = YamlScalar | YamlList | YamlMap;

const depthMax = 32;
// Against aliases that multiply ("billion laughs"), not against long files.
const nodesMax = 200_000;
const syntaxProblemsMax = 20;

const tooMany = `there are more than ${nodesMax} values; use fewer aliases`;
const star = 'a * begins an alias; put a value that begins with it in quotes';
const tooDeep = `lists and maps are nested too deeply; nest no more than ${depthMax} levels`;
/** In words for an administrator; the package's own words do for the rest. */
const explanations: ReadonlyMap<ErrorCode, string> = new Map([
  ['TAB_AS_INDENT', 'a tab indents this line; use spaces'],
  ['MULTIPLE_DOCS', 'a second document begins here; keep one in the file, without "---"'],
  ['RESOURCE_EXHAUSTION', tooDeep],
  ['BAD_ALIAS', star],
  ['BAD_SCALAR_START', 'a value cannot begin with this character; put the value in quotes'],
  [
    'TAG_RESOLVE_FAILED',
    'a tag ("!...") has no meaning here; remove it, or quote a value that begins with "!"'
  ]
]);

/** The tree, or undefined when something was reported. Never throws, whatever the text. */
export function parseYaml(text: string, file: string, report: Report): YamlNode | undefined {
  const lines = new LineCounter();
  // `uniqueKeys` is off because names that differ in case are the same key here; see section.ts.
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false });
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const wrong = [...document.errors, ...document.warnings]
    .filter((error) => !isPercentValue(error, text))
    .toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (wrong.length > 0) {
    reportSyntax(wrong, text, place, report);
    return undefined;
  }
  const converter = {
    document,
    place,
    open: new Set<unknown>(),
    targets: new Map<unknown, unknown>(),
    left: nodesMax,
    failed: false,
    report
  };
  const root = convert(document.contents, converter, 0, 0);
  return converter.failed ? undefined : root;
}

/** The same YAML, comments and all, without one top-level key. */
export function withoutTopLevelKey(text: string, key: string): string {
  const document = parseDocument(text);
  document.delete(key);
  // The blank lines around the key would now stand together.
  return document.toString({ lineWidth: 100, singleQuote: true }).replaceAll(/\n{3,}/g, '\n\n');
}

/**
 * The guide's encoded values begin with `%`, which YAML keeps for directives at the top of a file.
 * As the beginning of a value it can mean nothing else, and the package reads it as meant.
 */
function isPercentValue(error: YAMLError, text: string): boolean {
  return error.code === 'BAD_SCALAR_START' && text[error.pos[0]] === '%';
}

/** One problem a line of the file: what follows the first is mostly its echo. */
function reportSyntax(
  errors: readonly YAMLError[],
  text: string,
  place: (offset: number) => Place,
  report: Report
): void {
  const seen = new Set<number>();
  for (const error of errors) {
    const where = place(error.pos[0]);
    if (seen.has(where.line) || seen.size >= syntaxProblemsMax) continue;
    seen.add(where.line);
    report(where, 'YAML', explain(error, text));
  }
}

function explain(error: YAMLError, text: string): string {
  const known = explanations.get(error.code);
  if (known !== undefined) return known;
  // `*.a.example b.example`: what stands behind the first word is in the way of the package.
  if (/[:,[-][ \t]*\*\S*[ \t]+$/.test(text.slice(0, error.pos[0]).slice(-300))) return star;
  const [sentence = ''] = error.message.split(/ at line \d+|\n/, 1);
  return `${sentence.replaceAll(';', ',')}; correct the YAML syntax here`;
}

interface Converter {
  readonly document: Document;
  readonly place: (offset: number) => Place;
  readonly report: Report;
  /** What an alias stands for: the package searches the whole document for it. */
  readonly targets: Map<unknown, unknown>;
  /** Nodes that are being converted now: an alias to one of them would never end. */
  readonly open: Set<unknown>;
  left: number;
  failed: boolean;
}

function convert(
  node: unknown,
  converter: Converter,
  depth: number,
  fallbackOffset: number
): YamlNode {
  const offset = (node as Node | null)?.range?.[0] ?? fallbackOffset;
  const place = converter.place(offset);
  if (converter.failed) return toScalar(null, place);
  if (depth > depthMax) return refuse(place, tooDeep, converter);
  if (--converter.left < 0) return refuse(place, tooMany, converter);
  if (isAlias(node)) {
    const target = converter.targets.get(node) ?? node.resolve(converter.document);
    converter.targets.set(node, target);
    const name = node.source;
    if (target === undefined) {
      const message =
        `the alias *${name} has no anchor; put &${name} before the value it stands for, or quotes ` +
        `around "*${name}" if it is no alias`;
      return refuse(place, message, converter);
    }
    if (converter.open.has(target)) {
      const message = `the alias *${name} stands within its own value; write the value out`;
      return refuse(place, message, converter);
    }
    return convert(target, converter, depth + 1, offset);
  }
  if (!isMap(node) && !isSeq(node)) return toScalar(node, place);
  converter.open.add(node);
  const collection: YamlNode = isMap(node)
    ? { kind: 'map', place, entries: node.items.map((p) => toEntry(p, converter, depth, offset)) }
    : {
        kind: 'list',
        place,
        items: node.items.map((item) => convert(item, converter, depth + 1, offset))
      };
  converter.open.delete(node);
  return collection;
}

/** The tree is given up: after the first one the rest of a bomb is not worth a line each. */
function refuse(place: Place, message: string, converter: Converter): YamlScalar {
  if (!converter.failed) converter.report(place, 'YAML', message);
  converter.failed = true;
  return toScalar(null, place);
}

function toEntry(pair: unknown, converter: Converter, depth: number, offset: number): YamlEntry {
  const { key, value } = isPair(pair) ? pair : { key: pair, value: null };
  const name = convert(key, converter, depth + 1, offset);
  if (name.kind !== 'scalar') {
    refuse(name.place, 'a list or map stands as a key; use a plain name', converter);
  }
  const keyOffset = (key as Node | null)?.range?.[0] ?? offset;
  return {
    key: name.kind === 'scalar' ? name.source : '',
    place: name.place,
    value: convert(value, converter, depth + 1, keyOffset)
  };
}

function toScalar(node: unknown, place: Place): YamlScalar {
  if (!isScalar(node)) return { kind: 'scalar', value: null, source: '', place };
  const { value, source } = node;
  const text = source ?? (typeof value === 'string' ? value : '');
  const known = typeof value === 'number' || typeof value === 'boolean' || value === null;
  return { kind: 'scalar', value: known ? value : text, source: text, place };
}
