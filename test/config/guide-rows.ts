// Rows of the deployment guide's chapter 5, as the tests of the templates write them down.

/** `key value | key value` as lines of a YAML map. */
export function rowLines(rows: string, indent: string): string {
  return rows
    .split(/[|\n]/)
    .map((row) => row.trim())
    .filter((row) => row !== '')
    .map((row) => `${indent}${row.replace(' ', ': ')}\n`)
    .join('');
}
