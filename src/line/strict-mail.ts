// Mail data of which every program must see the same lines: CR and LF stand together or not at all,
// and there is no NUL (RFC 2045 2.7, 2.8). Where a bare one ends a line for one program and not for
// another, `\n.\n` is the end of a mail to one of them and what follows is another mail, of whoever
// wrote the first (CVE-2023-51764 to 51766). Stricter than `DotWatch`, which looks at dots only.

import type { DotVerdict } from './dotted.ts';
import { CR, LF } from './line-end.ts';

const dot = 0x2e;

export class StrictMailWatch {
  /** What the line that has not ended holds so far. */
  #line: 'nothing' | 'a dot' | 'text' = 'nothing';

  /**
   * A CR whose LF may be still to come is not among the bytes to take: begin with it next time, so
   * that nobody has heard it if it turns out to be a bare one.
   */
  take(bytes: Buffer): DotVerdict {
    const nul = bytes.indexOf(0);
    const end = nul === -1 ? bytes.length : nul;
    for (let from = 0; ;) {
      const lf = bytes.indexOf(LF, from);
      const cr = bytes.subarray(from, lf === -1 ? undefined : lf).indexOf(CR);
      const at = cr === -1 ? (lf === -1 ? end : lf) : from + cr;
      if (at >= end) {
        this.#note(bytes, from, end);
        return { length: end, is: nul === -1 ? 'open' : 'false-end' };
      }
      this.#note(bytes, from, at);
      if (cr !== -1 && at + 1 === bytes.length) return { length: at, is: 'open' };
      if (cr === -1 || lf !== at + 1) return { length: at, is: 'false-end' };
      if (this.#line === 'a dot') return { length: lf + 1, is: 'ended' };
      this.#line = 'nothing';
      from = lf + 1;
    }
  }

  #note(bytes: Buffer, from: number, to: number): void {
    if (from === to) return;
    const isDot = this.#line === 'nothing' && to === from + 1 && bytes[from] === dot;
    this.#line = isDot ? 'a dot' : 'text';
  }
}
