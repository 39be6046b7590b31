// Lines, counted data and dotted data from bytes in whatever pieces.

import t, { type Test } from 'tap';
import { LineGatherer, type Mode } from '../../src/line/gatherer.ts';

/** How the bytes are to be taken, one after the other; the last holds on. */
type Modes = readonly Mode[];

const lines: Mode = { as: 'lines' };
const dotted: Mode = { as: 'dotted' };
const data = (length: number): Mode => ({ as: 'data', length });

/**
 * What comes out: `L(...)` for lines, `D(...)` for data that ended, `d(...)` for data that go on, and
 * why nothing more comes. Data are put together, since their pieces are as the network's.
 */
function gather(chunks: readonly Buffer[], modes: Modes, lineBytesMax = 64): string {
  const gatherer = new LineGatherer(lineBytesMax);
  let out = '';
  let open = '';
  let at = 0;
  let reason = '';
  for (const chunk of chunks) {
    gatherer.add(chunk);
    for (;;) {
      const piece = gatherer.next(modes[Math.min(at, modes.length - 1)] ?? lines);
      if (piece === undefined) break;
      if (piece.is === 'broken') {
        reason = ` ${piece.reason}`;
        break;
      }
      const text = piece.bytes.toString('latin1');
      if (piece.is === 'line') out += `L(${text})`;
      else if (piece.ended) {
        out += `D(${open}${text})`;
        open = '';
      } else open += text;
      if (piece.is === 'line' || piece.ended) at++;
    }
  }
  const rest = reason === '' ? gatherer.takeAll().toString('latin1') : '';
  return out + (open === '' ? '' : `d(${open})`) + (rest === '' ? '' : `+${rest}`) + reason;
}

/** Whole, byte by byte, cut in two at every point, and in pieces of each small size. */
function cuts(bytes: Buffer): Buffer[][] {
  const all = [[bytes]];
  for (let at = 1; at < bytes.length; at++) all.push([bytes.subarray(0, at), bytes.subarray(at)]);
  for (let size = 1; size < 8; size++) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    all.push(chunks);
  }
  return all;
}

function holds(t: Test, text: string, modes: Modes, want: string): void {
  const name = JSON.stringify(text).slice(0, 80);
  const bytes = Buffer.from(text, 'latin1');
  const wrong = cuts(bytes).find((chunks) => gather(chunks, modes) !== want);
  t.equal(gather(wrong ?? [bytes], modes), want, name);
}

t.test('lines', async (t) => {
  holds(t, 'a\r\nbc\r\n', [lines], 'L(a\r\n)L(bc\r\n)');
  holds(t, 'a\nb\r\r\n\nc', [lines], 'L(a\n)L(b\r\r\n)L(\n)+c');
  holds(t, '', [lines], '');
  const longest = `${'x'.repeat(63)}\n`;
  holds(t, longest + longest, [lines], `L(${longest})L(${longest})`);
  holds(t, `a\n${'x'.repeat(64)}\n`, [lines], 'L(a\n) line-too-long');
  holds(t, 'x'.repeat(64), [lines], ' line-too-long');
  holds(t, 'x'.repeat(63), [lines], `+${'x'.repeat(63)}`);
});

t.test('counted data', async (t) => {
  holds(t, 'a\nb\ncde\n', [lines, data(3), lines], 'L(a\n)D(b\nc)L(de\n)');
  holds(t, 'a\nb\n', [lines, data(0), lines], 'L(a\n)D()L(b\n)');
  holds(t, 'a\nbc', [lines, data(3), lines], 'L(a\n)d(bc)');
  holds(t, 'abcd', [data(2), data(2), lines], 'D(ab)D(cd)');
  const long = '\r\n.'.repeat(100);
  holds(t, `${long}a\n`, [data(300), lines], `D(${long})L(a\n)`);
});

t.test('dotted data', async (t) => {
  const ends: readonly string[] = [
    '.\r\n',
    'a\r\n.\r\n',
    '\r\n.\r\n',
    '..\r\n.\r\n',
    'a.\r\n.\r\n',
    '.a\r\n.\r\n',
    'a\n\r\n.\r\n',
    '\r\r\n.\r\n',
    'a\rb\nc\0\r\n.\r\n',
    '\n..\n\r\r..\r\n.\r\n',
    'x\0.\0\r\n.\r\n',
    'x\0.\r\n.\r\n',
    '\r\n. \r\n.\r\n',
    '\r\n.\0\r\n.\r\n'
  ];
  for (const mail of ends) {
    holds(t, `${mail}NOOP\r\n`, [dotted, lines], `D(${mail})L(NOOP\r\n)`);
    holds(t, mail + mail, [dotted, dotted], `D(${mail})D(${mail})`);
  }
  for (const mail of ['a', 'a\r\n', 'a\r\n.', 'a\r\n.\r', '.', '.\r', '\r\n.a\r\n', 'a.\r\n']) {
    holds(t, mail, [dotted], `d(${mail})`);
  }
  const body = `${'a line of text.\r\n'.repeat(40)}.\r\n`;
  holds(t, `${body}QUIT\r\n`, [dotted, lines], `D(${body})L(QUIT\r\n)`);
});

t.test('dots that one program may take for the end and another not', async (t) => {
  const falseEnds: readonly (readonly [mail: string, taken: string])[] = [
    ['a\n.\n', 'a\n.'],
    ['a\n.\r\n', 'a\n.'],
    ['a\r\n.\n', 'a\r\n.'],
    ['a\r.\r', 'a\r.'],
    ['a\r.\r\n', 'a\r.'],
    ['a\r.\n', 'a\r.'],
    ['a\n.\r', 'a\n.'],
    ['a\r\n.\rx', 'a\r\n.\r'],
    ['a\r\n.\r\r\n', 'a\r\n.\r'],
    ['a\r\n\0.\r\n', 'a\r\n\0.'],
    ['a\n\0.\n', 'a\n\0.'],
    ['.\n', '.'],
    ['.\rx', '.\r'],
    ['\n.\r\n', '\n.'],
    ['\r\n\n.\r\n', '\r\n\n.'],
    ['\r\n\r.\r\n', '\r\n\r.']
  ];
  for (const [mail, taken] of falseEnds) {
    const want = `d(${taken}) violation`;
    holds(t, mail, [dotted], want);
    holds(t, `${mail}MAIL FROM:<a@b>\r\n.\r\n`, [dotted], want);
    const before = 'b\r\n'.repeat(9);
    holds(t, `${before}${mail}\r\n.\r\n`, [dotted], `d(${before}${taken}) violation`);
  }
});

t.test('strict mail: every line ends alike for every program', async (t) => {
  const strict: Mode = { as: 'dotted', strict: true };
  for (const mail of ['.\r\n', 'a\r\n.\r\n', '\r\n..\r\n.a\r\n. \r\n\r\n.\r\n', '\xff.\r\n.\r\n']) {
    holds(t, `${mail}NOOP\r\n`, [strict, lines], `D(${mail})L(NOOP\r\n)`);
    holds(t, mail + mail, [strict, strict], `D(${mail})D(${mail})`);
    holds(t, `${mail}a\nb\0`, [strict, data(4), lines], `D(${mail})D(a\nb\0)`);
  }
  // A CR waits until it is known not to be a bare one.
  for (const [mail, taken, rest] of [
    ['a\r\n', 'a\r\n', ''],
    ['a\r\n.', 'a\r\n.', ''],
    ['a\r\n.\r', 'a\r\n.', '+\r'],
    ['a\r', 'a', '+\r']
  ] as const) {
    holds(t, mail, [strict], `d(${taken})${rest}`);
  }
  for (const [mail, taken] of [
    ['a\n.\n', 'a'],
    ['a\r\n.\n', 'a\r\n.'],
    ['a\r\n.\rx', 'a\r\n.'],
    ['a\r\n.\r\r\n', 'a\r\n.'],
    ['a\r\r\n.\r\n', 'a'],
    ['a\r\nb\nc\r\n.\r\n', 'a\r\nb'],
    ['a\r\nb\0c\r\n.\r\n', 'a\r\nb'],
    ['a\r\n\0\r\n.\r\n', 'a\r\n']
  ] as const) {
    holds(t, mail, [strict], `d(${taken}) unclear-mail`);
    const before = 'b.\r\n'.repeat(9);
    holds(t, `${before}${mail}\r\n.\r\n`, [strict], `d(${before}${taken}) unclear-mail`);
  }
});

t.test('what is known of the bytes that wait', async (t) => {
  const gatherer = new LineGatherer(64);
  t.same([gatherer.waiting, gatherer.inLine], [0, false]);
  gatherer.add(Buffer.from('ab\ncd'));
  t.same([gatherer.waiting, gatherer.inLine], [5, false]);
  gatherer.next(lines);
  t.same([gatherer.waiting, gatherer.inLine], [2, false]);
  gatherer.next(lines);
  t.same([gatherer.waiting, gatherer.inLine], [2, true]);
  gatherer.add(Buffer.from('ef'));
  t.same([gatherer.waiting, gatherer.inLine], [4, true]);
  t.equal(gatherer.takeAll().toString(), 'cdef');
  t.same([gatherer.waiting, gatherer.inLine], [0, false]);
  gatherer.add(Buffer.from('a\nb'));
  gatherer.next(lines);
  t.equal(gatherer.takeAll().toString(), 'b');
  t.same([gatherer.waiting, gatherer.inLine], [0, false]);
});

t.test('a line that was begun becomes data', async (t) => {
  const gatherer = new LineGatherer(64);
  gatherer.add(Buffer.from('ab'));
  t.equal(gatherer.next(lines), undefined);
  gatherer.add(Buffer.from('cd'));
  t.same(gatherer.next(data(3)), { is: 'data', bytes: Buffer.from('abc'), ended: true });
  gatherer.add(Buffer.from('\n'));
  t.same(gatherer.next(lines), { is: 'line', bytes: Buffer.from('d\n') });
});

t.test('what is broken stays broken', async (t) => {
  const gatherer = new LineGatherer(4);
  gatherer.add(Buffer.from('abcd'));
  t.match(gatherer.next(lines), { is: 'broken', reason: 'line-too-long' });
  gatherer.add(Buffer.from('\n\n'));
  t.match(gatherer.next(lines), { is: 'broken', reason: 'line-too-long' });
});
