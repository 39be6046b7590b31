// Several values as the LoadMaster has them: in one text with blanks between, or as a list.

import { list, word, type Kind } from '../kind.ts';
import { decodePercent } from '../percent.ts';

/** How a text is cut into its words, in words. */
const cuts = { 'blanks, not commas,': /\s+/, semicolons: /;/ };
export type Separator = keyof typeof cuts;

/**
 * The guide's values have stray line breaks (`%0A%2F%2A`) and quotation marks (`"Example.com"`): neither
 * is a part of a word. An empty text is an empty list. `one` says what a word is that is right.
 */
export function wordList<T>(
  what: string,
  one: string,
  parse: (word: string) => T | undefined,
  wordsMax = 250,
  separator: Separator = 'blanks, not commas,'
): Kind<readonly T[]> {
  const says = `up to ${wordsMax} ${what} with ${separator} between, or a list of them, each ${one}`;
  const cut = (raw: string): readonly T[] | undefined => {
    const words = decodePercent(raw)
      .replaceAll('"', ' ')
      .split(cuts[separator])
      .map((each) => each.trim())
      .filter((each) => each !== '');
    const read = words.map(parse);
    const good = read.filter((each) => each !== undefined);
    return good.length === read.length && good.length <= wordsMax ? good : undefined;
  };
  const inText = word(says, cut);
  const several = list(inText, what);
  return {
    says,
    read(node, at) {
      const read = node.kind === 'scalar' ? inText.read(node, at) : several.read(node, at)?.flat();
      if (read === undefined) return undefined;
      const words = [...new Set(read)];
      if (words.length <= wordsMax) return words;
      at.report(node.place, at.path, `there are ${words.length}; use ${says}`);
      return undefined;
    }
  };
}
