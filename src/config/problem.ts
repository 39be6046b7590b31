// What is wrong with a configuration, and where. All problems of a file are collected, never thrown.

/** Where a value stands, counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Place {
  /** Canonical names from the root, e.g. `virtualServices[0].subVSs[1].checkUrl`. */
  readonly path: string;
  /** What is wrong; what would be right. */
  readonly message: string;
}

export type Report = (place: Place, path: string, message: string) => void;

/** The line of the contract: `FILE:LINE:COLUMN path: what is wrong; what would be right`. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, path, message } = problem;
  return oneLine(`${file}:${line}:${column} ${path}: ${message}`);
}

/** A list to read and the function that fills it. The same thing is not said twice. */
export function collectProblems(): { problems: Problem[]; report: Report } {
  const problems: Problem[] = [];
  const said = new Set<string>();
  const report: Report = (place, path, message) => {
    const problem = {
      file: place.file,
      line: place.line,
      column: place.column,
      path: path || 'file',
      message
    };
    const key = `${place.file}:${place.line}:${place.column} ${message}`;
    if (said.has(key)) return;
    said.add(key);
    problems.push(problem);
  };
  return { problems, report };
}

/** In the order of the file; those of other files, which are templates, last. */
export function sortProblems(problems: readonly Problem[], file: string): Problem[] {
  return problems.toSorted(
    (a, b) =>
      Number(a.file !== file) - Number(b.file !== file) ||
      (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) ||
      a.line - b.line ||
      a.column - b.column
  );
}

/** As it stands in a message: quoted, short, and on one line. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${code}`;
  });
}
