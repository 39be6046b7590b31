// Text in which `*` stands for anything.

/**
 * Whether a text is like this one. The ends are where they must be, and the parts between in their order,
 * each as early as possible: an earlier place never leaves less room for the next, so there is no way
 * back and time is linear.
 */
export function compileWildcard(pattern: string): (text: string) => boolean {
  const [head = '', ...middle] = pattern.split(/\*+/);
  const tail = middle.pop();
  if (tail === undefined) return (text) => text === pattern;
  if (middle.length === 0 && tail === '') return (text) => text.startsWith(head);
  return (text) => {
    if (!text.startsWith(head) || !text.endsWith(tail)) return false;
    let at = head.length;
    for (const part of middle) {
      const found = text.indexOf(part, at);
      if (found === -1) return false;
      at = found + part.length;
    }
    return at <= text.length - tail.length;
  };
}
