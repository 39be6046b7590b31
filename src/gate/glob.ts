// Directories as an administrator writes them: `/owa*`, `/ews/exchange.asmx`, `/*`.

import { foldCase } from './canonical-path.ts';

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
  const parts = pattern.split(/\*+/);
  const [head = '', ...rest] = parts;
  const tail = rest.pop();
  if (tail === undefined) return compileDirectory(pattern);
  if (rest.length === 0 && tail === '') return (path) => path.startsWith(head);
  return (path) => hasParts(path, head, rest, tail);
}

function compileDirectory(pattern: string): PathTest {
  const itself = pattern.endsWith('/') ? pattern.slice(0, -1) : pattern;
  const beneath = `${itself}/`;
  return (path) => path === itself || path.startsWith(beneath);
}

/**
 * The ends where they must be, and the parts between in their order, each as early as possible: an
 * earlier place never leaves less room for the next, so there is no way back and time is linear.
 */
function hasParts(path: string, head: string, middle: readonly string[], tail: string): boolean {
  if (!path.startsWith(head) || !path.endsWith(tail)) return false;
  let at = head.length;
  for (const part of middle) {
    const found = path.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= path.length - tail.length;
}
