// Rules in their order, of which a request is asked only those that may match its path. Asking one
// after the other is best for a few; of a thousand nearly all want a piece of text that is not there
// (`required-text.ts`), and one walk over the path finds those whose piece is (Aho and Corasick,
// 1975). The rules that are left are asked as ever, so this can make no rule match that does not.
//
// One automaton out of all expressions (RE2Set) was measured and is no answer: it makes its states
// while it runs. With 1,000 rules a path that was seen before took it 0.2 to 4 us, a new one 0.4 to 31
// ms, and 8,000 bytes of a client who knows the rules 1.4 s.

import type { RequestFacts } from './content-rule.ts';
import { textEnd, textStart, worth, type Pieces } from './required-text.ts';

export interface ListedRule {
  /** Grows along the list. */
  readonly order: number;
  /** Of each group one is in every path that the rule matches (`neededTexts`); none = unknown. */
  readonly needs: readonly Pieces[];
}

/** From so many rules on it pays. */
const searchedFrom = 24;
/** More different findings in one path than this are a client's game: all rules are asked. */
const findingsMax = 16;
/** Entries of two bytes: what one list may take. */
const tableSizeMax = 1024 * 1024;

export class RuleList<R extends ListedRule> {
  readonly all: readonly R[];
  readonly #search: RuleSearch<R> | undefined;

  constructor(rules: readonly R[]) {
    this.all = rules;
    if (rules.length >= searchedFrom) this.#search = new RuleSearch(rules);
  }

  /** In their order; all that match are among them. */
  mayMatch(facts: RequestFacts): readonly R[] {
    return this.#search === undefined ? this.all : this.#search.find(facts.path());
  }
}

class RuleSearch<R extends ListedRule> {
  readonly #all: readonly R[];
  /** Of unknown needs. */
  readonly #always: readonly R[];
  readonly #classes: Uint8Array;
  readonly #classCount: number;
  /** State and class of a character -> state; 0 = no piece begins here. */
  readonly #next: Uint16Array;
  /** State -> what is found there; many are of the same. */
  readonly #found: readonly (readonly (readonly R[])[])[];
  /** Every piece stands at the start of a path, so that a walk ends early. */
  readonly #onlyAtStart: boolean;

  constructor(rules: readonly R[]) {
    this.#all = rules;
    this.#always = rules.filter(({ needs }) => needs.length === 0);
    const sought = rarestPieces(rules);
    const pieces = [...sought.values()].flat();
    this.#onlyAtStart = pieces.every((piece) => piece.startsWith(textStart));
    this.#classes = classesOf(pieces);
    this.#classCount = Math.max(...this.#classes) + 1;
    const trie = new Trie(sought, lengthThatFits(pieces, tableSizeMax / this.#classCount));
    this.#next = new Uint16Array(trie.nodes.length * this.#classCount);
    this.#found = this.#link(trie);
  }

  /** Fills the table by growing distance from the root: what a node lacks, its suffix has. */
  #link({ nodes }: Trie<R>): readonly (readonly (readonly R[])[])[] {
    const next = this.#next;
    const count = this.#classCount;
    const suffixes = new Uint16Array(nodes.length);
    const found: (readonly (readonly R[])[])[] = nodes.map(() => none);
    const waiting = [0];
    for (const at of waiting) {
      const node = nodes[at];
      if (node === undefined) continue;
      const suffix = suffixes[at] ?? 0;
      const shorter = found[suffix] ?? none;
      found[at] = node.rules.length === 0 ? shorter : [node.rules, ...shorter];
      if (at !== 0) next.copyWithin(at * count, suffix * count, (suffix + 1) * count);
      for (const [char, child] of node.children) {
        const place = at * count + (this.#classes[char.charCodeAt(0)] ?? 0);
        suffixes[child] = next[place] ?? 0;
        next[place] = child;
        waiting.push(child);
      }
    }
    return found;
  }

  find(path: string): readonly R[] {
    let lists: (readonly R[])[] | undefined;
    let state = this.#step(0, startCode);
    for (let at = 0; at <= path.length; at++) {
      state = this.#step(state, at < path.length ? path.charCodeAt(at) : endCode);
      if (state === 0 && this.#onlyAtStart) break;
      for (const list of this.#found[state] ?? none) {
        lists ??= [];
        if (lists.includes(list)) continue;
        if (lists.push(list) > findingsMax) return this.#all;
      }
    }
    return lists === undefined ? this.#always : lists.reduce(merge, this.#always);
  }

  #step(state: number, code: number): number {
    if (code > 127) return 0;
    return this.#next[state * this.#classCount + (this.#classes[code] ?? 0)] ?? 0;
  }
}

const startCode = textStart.charCodeAt(0);
const endCode = textEnd.charCodeAt(0);
const none: readonly never[] = [];

/** For each rule with needs that group which tells it best from the others. */
function rarestPieces<R extends ListedRule>(rules: readonly R[]): ReadonlyMap<R, Pieces> {
  const uses = new Map<string, number>();
  for (const piece of rules.flatMap(({ needs }) => needs.flat())) {
    uses.set(piece, (uses.get(piece) ?? 0) + 1);
  }
  const usesOf = (pieces: Pieces): number =>
    pieces.reduce((sum, piece) => sum + (uses.get(piece) ?? 0), 0);
  const sought = new Map<R, Pieces>();
  for (const rule of rules) {
    const [rarest] = rule.needs.toSorted(
      (one, other) => usesOf(one) - usesOf(other) || worth(other) - worth(one)
    );
    if (rarest !== undefined) sought.set(rule, rarest);
  }
  return sought;
}

/** By the code of a character: one number for both cases of a letter, 0 for what no piece has. */
function classesOf(pieces: readonly string[]): Uint8Array {
  const classes = new Uint8Array(128);
  const chars = [...new Set(pieces.join(''))].toSorted();
  for (const [n, char] of chars.entries()) {
    classes[char.charCodeAt(0)] = n + 1;
    classes[char.toUpperCase().charCodeAt(0)] = n + 1;
  }
  return classes;
}

/** How much of the beginning of each piece may be used, for no more than `nodesMax` nodes. */
function lengthThatFits(pieces: readonly string[], nodesMax: number): number {
  const longest = Math.max(0, ...pieces.map(({ length }) => length));
  let nodes = 1;
  for (let length = 1; length <= longest; length++) {
    const longEnough = pieces.filter((piece) => piece.length >= length);
    nodes += new Set(longEnough.map((piece) => piece.slice(0, length))).size;
    if (nodes > Math.min(nodesMax, 65_536)) return length - 1;
  }
  return longest;
}

interface TrieNode<R> {
  readonly children: Map<string, number>;
  /** Those of which one piece ends here, by their order. */
  readonly rules: R[];
}

class Trie<R extends ListedRule> {
  readonly nodes: TrieNode<R>[] = [{ children: new Map(), rules: [] }];

  constructor(sought: ReadonlyMap<R, Pieces>, pieceLengthMax: number) {
    for (const [rule, pieces] of sought) {
      for (const piece of pieces) this.#add(piece.slice(0, pieceLengthMax), rule);
    }
  }

  #add(piece: string, rule: R): void {
    let node = this.nodes[0];
    for (const char of piece) {
      let at = node?.children.get(char);
      if (at === undefined) {
        at = this.nodes.push({ children: new Map(), rules: [] }) - 1;
        node?.children.set(char, at);
      }
      node = this.nodes[at];
    }
    if (node?.rules.at(-1) !== rule) node?.rules.push(rule);
  }
}

/** Of two lists by growing order one, each rule once. */
function merge<R extends ListedRule>(one: readonly R[], other: readonly R[]): readonly R[] {
  if (one.length === 0) return other;
  const merged: R[] = [];
  let next = 0;
  for (const rule of one) {
    for (let found = other[next]; found !== undefined; found = other[++next]) {
      if (found.order > rule.order) break;
      if (found.order < rule.order) merged.push(found);
    }
    merged.push(rule);
  }
  return [...merged, ...other.slice(next)];
}
