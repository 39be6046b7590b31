// Full records wait for those behind them, within one turn of the event loop; what a taker gets may
// go on as it stands, and then nobody else may fill that buffer before it is written.

import type { Socket } from 'node:net';
import { setImmediate as turnEnds } from 'node:timers/promises';
import t from 'tap';
import { writeCopy, type BytesTaker } from '../../src/net/carrier.ts';
import { dropGathered, gatherRecord, giveGathered } from '../../src/net/gathered-records.ts';

const full = 16_384;

/** Notes what it is given. */
class Taker implements BytesTaker {
  readonly got: Buffer[] = [];
  take(bytes: Buffer): void {
    this.got.push(Buffer.from(bytes));
  }
  get lengths(): number[] {
    return this.got.map(({ length }) => length);
  }
}

/** A socket whose writes are done when the test says so. */
class SlowSocket {
  readonly pending: { readonly bytes: Buffer; readonly written: (() => void) | undefined }[] = [];
  write(bytes: Buffer, written?: () => void): boolean {
    this.pending.push({ bytes, written });
    return true;
  }
  finish(): void {
    for (const { written } of this.pending.splice(0)) written?.();
  }
}

function record(fill: number, length = full): Buffer {
  return Buffer.alloc(length, fill);
}

t.test('up to the one that is not full', (t) => {
  const taker = new Taker();
  for (const n of [1, 2, 3]) t.ok(gatherRecord(taker, record(n)));
  t.same(taker.lengths, []);
  t.ok(gatherRecord(taker, record(4, 100)));
  t.same(taker.got, [Buffer.concat([record(1), record(2), record(3), record(4, 100)])]);
  t.notOk(gatherRecord(taker, record(5, 100)), 'what is alone goes on by itself');
  t.end();
});

t.test('as many as the buffer holds', (t) => {
  const taker = new Taker();
  for (let n = 0; n < 16; n++) gatherRecord(taker, record(n));
  t.same(taker.lengths, [262_144]);
  t.end();
});

t.test('up to the end of the turn', async (t) => {
  const taker = new Taker();
  gatherRecord(taker, record(1));
  await turnEnds();
  t.same(taker.lengths, [full]);
  gatherRecord(taker, record(2));
  gatherRecord(taker, record(3));
  await turnEnds();
  t.same(taker.lengths, [full, 2 * full]);
});

t.test('until another one begins to gather, each to its own', (t) => {
  const [one, other] = [new Taker(), new Taker()];
  gatherRecord(one, record(1));
  t.notOk(gatherRecord(other, record(2, 10)), 'a small piece of another one disturbs nothing');
  t.same(one.lengths, []);
  gatherRecord(other, record(3));
  t.same(one.got, [record(1)]);
  giveGathered(one);
  t.same(other.lengths, []);
  giveGathered(other);
  t.same(other.got, [record(3)]);
  t.end();
});

t.test('what is dropped is given to nobody', async (t) => {
  const [one, other] = [new Taker(), new Taker()];
  gatherRecord(one, record(1));
  dropGathered(other);
  dropGathered(one);
  giveGathered(one);
  gatherRecord(other, record(2, full));
  await turnEnds();
  t.same(one.lengths, []);
  t.same(other.got, [record(2)]);
});

t.test('bytes that wait to be written stay as they are', (t) => {
  const socket = new SlowSocket();
  const pass = { take: (bytes: Buffer) => void writeCopy(socket as unknown as Socket, bytes) };
  const lengths = [2, 5, 16, 5, 16];
  for (const [n, records] of lengths.entries()) {
    for (let i = 0; i < records; i++) gatherRecord(pass, record(n));
    giveGathered(pass);
  }
  const expected = lengths.map((records, n) => record(n, records * full));
  t.same(
    socket.pending.map(({ bytes }) => bytes),
    expected
  );
  const used = new Set(socket.pending.map(({ bytes }) => bytes.buffer));
  t.equal(used.size, lengths.length);
  socket.finish();
  for (let i = 0; i < 5; i++) gatherRecord(pass, record(9));
  giveGathered(pass);
  t.ok(used.has(socket.pending[0]?.bytes.buffer ?? new ArrayBuffer()), 'and then it is used again');
  t.end();
});

t.test('a taker that passes its bytes in two parts', (t) => {
  const socket = new SlowSocket();
  const pass = {
    take: (bytes: Buffer) => {
      writeCopy(socket as unknown as Socket, bytes.subarray(0, 70_000));
      writeCopy(socket as unknown as Socket, bytes.subarray(70_000));
    }
  };
  for (let n = 0; n < 5; n++) gatherRecord(pass, record(7));
  giveGathered(pass);
  t.equal(Buffer.concat(socket.pending.map(({ bytes }) => bytes)).compare(record(7, 5 * full)), 0);
  const [first, second] = socket.pending;
  t.not(first?.bytes.buffer, second?.bytes.buffer, 'the second part is a copy');
  t.end();
});
