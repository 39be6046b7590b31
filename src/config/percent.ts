// Values as the guide's chapter 5 prints them: percent-encoded as a whole.

/**
 * Decodes `%2F%5E%5C%2Fowa.%2A%2F` and leaves `/owa/a%20b` alone: a value counts as encoded only
 * when nothing stands in it that encoding would have changed, but for the colon, the blank and the
 * `@` that the guide leaves bare. `%h` and `%s` are the tokens of a redirect, not an encoding.
 */
export function decodePercent(value: string): string {
  if (!/%[0-9a-f]{2}/i.test(value)) return value;
  if (!/^(?:[\w\-.!~*'(): @]|%[0-9a-f]{2}|%[hs])*$/i.test(value)) return value;
  try {
    return value.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => decodeURIComponent(run));
  } catch {
    // Not UTF-8, so it was not an encoded text.
    return value;
  }
}

/** `https:\/\/%h%s`, the guide's escaped form of a redirect, without its backslashes. */
export function unescapeSlashes(value: string): string {
  return value.replaceAll('\\/', '/');
}
