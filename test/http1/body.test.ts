// Where a body ends, wherever its bytes were cut.

import t from 'tap';
import { BodyReader } from '../../src/http1/body.ts';
import type { Framing } from '../../src/http1/head.ts';

interface Seen {
  /** Without the framing. */
  readonly data: string;
  /** Bytes that belong to the body, framing and all. */
  readonly length: number;
  readonly done: boolean;
}

/** Reads `text` in the pieces that `cuts` make of it. */
function read(framing: Framing, length: number, text: string, cuts: readonly number[] = []): Seen {
  const reader = new BodyReader('client');
  reader.begin(framing, length);
  let data = '';
  let used = 0;
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    const piece = Buffer.from(text.slice(from, cut), 'latin1');
    const end = reader.advance(piece, 0, (start, stop) => {
      data += piece.toString('latin1', start, stop);
    });
    used += end;
    from = cut;
    if (end < piece.length) break;
  }
  return { data, length: used, done: reader.done };
}

const chunked =
  '5;name="va;lue"\r\nhello\r\n0000000000000A\r\n0123456789\r\n1\r\n!\r\n' +
  '0\r\nX-Trailer: one\r\nY:\r\n\r\n';
const next = 'GET / HTTP/1.1\r\n';

t.test('every split point gives the same', async (t) => {
  const cases: readonly [Framing, number, string, string, string][] = [
    ['length', 10, '0123456789', next, '0123456789'],
    ['chunked', -1, chunked, next, 'hello0123456789!'],
    ['chunked', -1, '0\r\n\r\n', next, ''],
    ['none', -1, '', next, '']
  ];
  for (const [framing, length, body, behind, data] of cases) {
    const whole = { data, length: body.length, done: true };
    t.same(read(framing, length, body + behind), whole, `${framing}: whole`);
    for (let cut = 0; cut <= body.length; cut++) {
      t.same(read(framing, length, body + behind, [cut]), whole, `${framing}: cut at ${cut}`);
      t.equal(read(framing, length, body.slice(0, cut)).done, cut === body.length);
    }
    const all = Array.from({ length: body.length }, (_, i) => i);
    t.same(read(framing, length, body + behind, all), whole, `${framing}: byte by byte`);
  }
});

t.test('a body until the end of the connection', async (t) => {
  const reader = new BodyReader('server');
  reader.begin('close', -1);
  t.equal(reader.advance(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 0), 18);
  t.notOk(reader.done);
  t.ok(reader.endsWithConnection);
  reader.begin('length', 0);
  t.ok(reader.done, 'nothing announced, nothing awaited');
  t.notOk(reader.endsWithConnection);
});

t.test('counts what is larger than 2^32', async (t) => {
  const reader = new BodyReader('client');
  const mega = Buffer.alloc(1 << 20, 'x');
  reader.begin('length', 5 * 2 ** 30 + 1);
  for (let i = 0; i < 5 * 1024; i++) reader.advance(mega, 0);
  t.notOk(reader.done);
  t.equal(reader.advance(mega, 0), 1);
  t.ok(reader.done);
  reader.begin('chunked', -1);
  reader.advance(Buffer.from('140000001\r\n'), 0);
  for (let i = 0; i < 5 * 1024; i++) reader.advance(mega, 0);
  t.equal(reader.advance(Buffer.from('x\r\n0\r\n\r\nrest'), 0), 8);
  t.ok(reader.done);
});

t.test('the reader serves one body after the other', async (t) => {
  const reader = new BodyReader('client');
  for (let i = 0; i < 3; i++) {
    reader.begin('chunked', -1);
    t.equal(reader.advance(Buffer.from('2\r\nok\r\n0\r\nA: b\r\n\r\n'), 0), 18);
    t.ok(reader.done);
    t.equal(reader.advance(Buffer.from('more'), 0), 0, 'nothing behind the end is taken');
  }
});

t.test('what two programs could read in two ways is refused at once', async (t) => {
  // prettier-ignore
  const bad = [
    '\r\n', ' 5\r\n', '0x5\r\n', '+5\r\n', '-1\r\n', '5 \r\n', '5\n', '5\rx', '5;a\nb', '5;\0\r\n',
    '1000000000000000\r\n', 'ffffffffffffff\r\n', '5\r\nhello\n', '5\r\nhelloX', '5\r\nhello\rX',
    '0\r\nX\r\n', '0\r\n X: 1\r\n', '0\r\nX : 1\r\n', '0\r\nX: a\nb', '0\r\nX: \0',
    '0\r\n\rX', '0\r\nContent-Length: 5\r\n', '0\r\nTransfer-Encoding: chunked\r\n',
    '0\r\ntransfer_encoding: x\r\n', '0\r\nHost: a\r\n', `5;${'e'.repeat(300)}\r\n`,
    `0\r\nX: ${'t'.repeat(17_000)}`
  ];
  for (const text of bad) {
    const all = Array.from({ length: Math.min(text.length, 400) }, (_, i) => i);
    const name = JSON.stringify(text.slice(0, 40));
    t.throws(() => read('chunked', -1, text), { code: 'malformed-request' }, name);
    t.throws(() => read('chunked', -1, text, all), { code: 'malformed-request' }, `${name} cut`);
  }
  const server = new BodyReader('server');
  server.begin('chunked', -1);
  t.throws(() => server.advance(Buffer.from('x'), 0), { code: 'malformed-answer' });
});
