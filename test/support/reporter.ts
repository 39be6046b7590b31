// tap reporter: a line for each test file, failures in full, and last of all the plain sentence
// "N passed, N failed" (", N skipped" follows where there are any) that CI reads.

import { Transform, type TransformCallback } from 'node:stream';
import { inspect } from 'node:util';
import { Parser, type Result } from 'tap-parser';

export default class Reporter extends Transform {
  readonly #root = new Parser();
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  constructor() {
    super({ decodeStrings: false });
    this.#watch(this.#root, []);
    this.#root.on('bailout', (reason: string) => {
      this.#failed++;
      this.push(`Bail out! ${reason}\n`);
    });
  }

  #watch(parser: Parser, path: readonly string[]): void {
    let failedBefore = this.#failed;
    parser.on('child', (child: Parser) => {
      failedBefore = this.#failed;
      this.#watch(child, [...path, child.name]);
    });
    parser.on('assert', (result: Result) => {
      this.#count(result, path, failedBefore);
      if (path.length === 0) {
        this.push(
          `${result.ok ? 'ok' : 'not ok'} ${result.name} (${Math.round(result.time ?? 0)} ms)\n`
        );
      }
    });
  }

  #count(result: Result, path: readonly string[], failedBefore: number): void {
    // The line that closes a subtest repeats it: it counts only when it failed and nothing below
    // it did (a time-out, a crash, a wrong plan).
    const own = !result.closingTestPoint || (!result.ok && this.#failed === failedBefore);
    if (!own) return;
    if (result.skip !== false || result.todo !== false) {
      this.#skipped++;
      this.push(`skipped ${[...path, result.name].join(' > ')}\n`);
    } else if (result.ok) {
      this.#passed++;
    } else {
      this.#failed++;
      this.push(`not ok ${[...path, result.name].join(' > ')}\n${explain(result.diag)}`);
    }
  }

  override _transform(chunk: Buffer | string, _encoding: string, done: TransformCallback): void {
    this.#root.write(chunk.toString());
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#root.end();
    const skipped = this.#skipped > 0 ? `, ${this.#skipped} skipped` : '';
    this.push(`${this.#passed} passed, ${this.#failed} failed${skipped}\n`);
    done();
  }
}

function explain(diag: unknown): string {
  if (typeof diag !== 'object' || diag === null) return '';
  return Object.entries(diag)
    .filter(([key]) => key !== 'at' && key !== 'args')
    .map(([key, value]) =>
      typeof value === 'string' && value.includes('\n')
        ? `  ${key}:\n${value.trimEnd().replace(/^/gm, '    ')}\n`
        : // Not as JSON: a diagnosis may hold itself.
          `  ${key}: ${inspect(value, { depth: 4, breakLength: Infinity })}\n`
    )
    .join('');
}
