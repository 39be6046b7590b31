// What a text must contain for an expression to match it, as far as that is plain to see: pieces of
// literal text, of which each group has one in it. Whoever has many expressions need not ask those whose pieces are missing
// (`rule-list.ts`). Where anything is unclear the answer is "unknown", never a guess.

/** Stand before and behind every text, so that a piece can say where it must be. */
export const textStart = '\x02';
export const textEnd = '\x03';

/** Pieces in one group; more would not narrow anything down. */
const piecesMax = 16;

/** One of these, ASCII in lower case, is in every text that matches, whatever the case. */
export type Pieces = readonly string[];

/** For the source of an expression, flags apart. Each group is required; none = unknown. */
export function requiredTexts(source: string): readonly Pieces[] {
  const reader = new ExpressionReader(source);
  const { required } = reader.readChoice();
  return reader.understood ? required : [];
}

export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Of an expression or a part of it. */
interface Reading {
  /** All texts that it matches, if these are few. */
  readonly exact: Pieces | undefined;
  readonly required: readonly Pieces[];
}

/** Matches what nobody knows beforehand, perhaps nothing at all. */
const anything: Reading = { exact: undefined, required: [] };

function literal(text: string): Reading {
  return { exact: [text], required: [] };
}

type Times = 'once' | 'at least once' | 'perhaps';

/** RE2 takes braces with anything else between them, a leading zero too, for themselves. */
const times = /^(?:[?*+]|\{(0|[1-9]\d*)(?:,(?:0|[1-9]\d*)?)?\})\??/;

class ExpressionReader {
  readonly #source: string;
  #at = 0;
  #understood = true;

  constructor(source: string) {
    this.#source = source;
  }

  /** Whether it was read to its end and nothing of it was unclear. */
  get understood(): boolean {
    return this.#understood && this.#at === this.#source.length;
  }

  /** `a|b`, up to the bracket that ends it. */
  readChoice(): Reading {
    const first = this.#readBranch();
    if (!this.#isNext('|')) return first;
    const branches = [first];
    while (this.#takeIf('|')) branches.push(this.#readBranch());
    const required = unionOf(branches.map((branch) => branch.required.toSorted(byWorth)[0]));
    return {
      exact: unionOf(branches.map(({ exact }) => exact)),
      required: required === undefined ? [] : [required]
    };
  }

  #readBranch(): Reading {
    const required: Pieces[] = [];
    /** What stands just before this place, in all its forms. */
    let run: Pieces = [''];
    let whole = true;
    const endRun = (next: Pieces = ['']): void => {
      if (worth(run) > 0) required.push(run);
      run = next;
      whole = false;
    };
    while (this.#at < this.#source.length && !this.#isNext('|') && !this.#isNext(')')) {
      const atom = this.#readAtom();
      const times = this.#readTimes();
      if (times === 'perhaps' || atom.exact === undefined) {
        endRun();
        if (times !== 'perhaps') required.push(...atom.required);
      } else {
        const { exact } = atom;
        if (run.length * exact.length > piecesMax) endRun(exact);
        else run = run.flatMap((before) => exact.map((text) => this.#join(before, text)));
        if (times === 'at least once') endRun();
      }
    }
    const exact = whole ? run : undefined;
    endRun();
    return { exact, required };
  }

  #readAtom(): Reading {
    const char = this.#source.charAt(this.#at++);
    switch (char) {
      case '^':
        return literal(textStart);
      case '$':
        return literal(textEnd);
      case '.':
        return anything;
      case '[':
        return this.#skipSet();
      case '(':
        return this.#readGroup();
      case '\\': {
        const escaped = this.#source.charAt(this.#at++);
        if (/[dDwWsSbB]/.test(escaped)) return anything;
        return /[!-/:-@[-`{-~]/.test(escaped) ? literal(escaped) : this.#giveUp();
      }
      default:
        // Beyond ASCII the engine knows pairs of letters that a table of ASCII does not.
        if (char > '~') return anything;
        return char >= ' ' ? literal(lowerAscii(char)) : this.#giveUp();
    }
  }

  #readGroup(): Reading {
    // What else begins so may change flags, or look around.
    if (this.#takeIf('?') && !this.#takeIf(':')) return this.#giveUp();
    const inner = this.readChoice();
    return this.#takeIf(')') ? inner : this.#giveUp();
  }

  #skipSet(): Reading {
    // Not one whose first member is a bracket: that one does not end it.
    const set = /^(?:\^(?!\])|(?!\^))(?:[^\][\\]|\\.)+\]/s.exec(this.#source.slice(this.#at));
    if (set === null) return this.#giveUp();
    this.#at += set[0].length;
    return anything;
  }

  #readTimes(): Times {
    const found = times.exec(this.#source.slice(this.#at));
    if (found === null) return 'once';
    this.#at += found[0].length;
    const isSure = found[1] === undefined ? found[0].startsWith('+') : Number(found[1]) > 0;
    return isSure ? 'at least once' : 'perhaps';
  }

  /** Nothing stands before the start or behind the end; expressions that say so are left alone. */
  #join(before: string, text: string): string {
    if (before === '' || text === '') return before + text;
    if (before === textStart && text.startsWith(textStart)) return text;
    if (before.endsWith(textEnd) || text.startsWith(textStart)) this.#giveUp();
    return before + text;
  }

  #isNext(char: string): boolean {
    return this.#source.charAt(this.#at) === char;
  }

  #takeIf(char: string): boolean {
    if (!this.#isNext(char)) return false;
    this.#at++;
    return true;
  }

  #giveUp(): Reading {
    this.#understood = false;
    return anything;
  }
}

/** Undefined where one of them is unknown, or where they are too many. */
function unionOf(all: readonly (Pieces | undefined)[]): Pieces | undefined {
  const union: string[] = [];
  for (const pieces of all) {
    if (pieces === undefined) return undefined;
    union.push(...pieces);
  }
  return union.length > piecesMax ? undefined : union;
}

function byWorth(one: Pieces, other: Pieces): number {
  return worth(other) - worth(one);
}

/** The length of the shortest; start and end alone are worth nothing. */
export function worth(pieces: Pieces): number {
  const plain = (text: string): string => text.replace(textStart, '').replace(textEnd, '');
  return Math.min(...pieces.map((text) => (plain(text) === '' ? 0 : text.length)));
}
