// Directories as an administrator writes them: `/owa*`, `/ews/exchange.asmx`, `/*`.

import { foldCase } from './canonical-path.ts';
import { compileWildcard } from './wildcard.ts';

type PathTest = (path: string) => boolean;

/** Whether a canonical path is in one of these. None at all: never. */
export function compileGlobs(globs: readonly string[]): PathTest {
  const tests = globs.map(compileGlob);
  const [first, second] = tests;
  if (first === undefined) return () => false;
  if (second === undefined) return first;
  return (path) => {
    for (const test of tests) if (test(path)) return true;
    return false;
  };
}

/**
 * `*` stands for anything, slashes too: `/owa*` must cover `/owa/auth`. Without one a value means
 * itself and what is beneath it. A value that begins otherwise than a path matches nothing.
 */
function compileGlob(glob: string): PathTest {
  const pattern = foldCase(glob);
  if (!/^[/*]/.test(pattern)) return () => false;
  return pattern.includes('*') ? compileWildcard(pattern) : compileDirectory(pattern);
}

function compileDirectory(pattern: string): PathTest {
  const itself = pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
  const beneath = `${itself}/`;
  return (path) => path === itself || path.startsWith(beneath);
}
