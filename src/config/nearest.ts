// The known word nearest to an unknown one, for messages that cure.

/**
 * Undefined only when there are no candidates. Of names of several words those that share most of them
 * come first. The first of equals wins.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const asked = fold(word);
  const words = new Set(asked.split(' '));
  let best: string | undefined;
  let [bestShared, bestDistance] = [0, Infinity];
  for (const candidate of candidates) {
    const folded = fold(candidate);
    const shared = folded.split(' ').filter((each) => words.has(each)).length;
    const distance = editDistance(asked, folded);
    if (shared < bestShared || (shared === bestShared && distance >= bestDistance)) continue;
    best = candidate;
    [bestShared, bestDistance] = [shared, distance];
  }
  return best;
}

/** Whether a word is a known one but for a slip or two. */
export function isMisspelt(word: string, known: string): boolean {
  return editDistance(fold(word), fold(known)) <= Math.min(2, known.length / 4);
}

function fold(text: string): string {
  return text.slice(0, 100).toLowerCase();
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
