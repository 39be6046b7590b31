// Bytes that look random, are the same everywhere, and can be had from any offset, so that uploads,
// downloads and ranges can be compared without a file.

/** A prime, so that the repetition never falls in step with buffers or chunks. */
const period = 65_521;

const block = ((): Buffer => {
  const bytes = Buffer.alloc(period * 2);
  let state = 0x2545f491;
  for (let at = 0; at < period; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state >>> 24;
    bytes[at + period] = state >>> 24;
  }
  return bytes;
})();

/** The pattern from `start` on, in pieces of at most 64 KiB. */
export function* patternPieces(start: number, length: number): Generator<Buffer> {
  for (let done = 0; done < length;) {
    const at = (start + done) % period;
    const size = Math.min(period, length - done);
    yield block.subarray(at, at + size);
    done += size;
  }
}
