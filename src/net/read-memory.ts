// What a read leaves behind (views of buffers, requests to write) is small on V8's heap and holds
// memory outside of it, so V8 sees next to no garbage during a large transfer and lets it pile up.
// Asked in time, it frees it by a collection of the young generation alone: 200 MB each way through
// a worker made it grow by 55 to 64 MB; asked each 16 MiB it was 19 to 32, each 4 MiB 13, and bulk
// then up to a fifth dearer.

const readBytesMax = 8 * 1024 * 1024;

/** There under `--expose-gc` only, which the primary gives to its workers. */
const collect = globalThis.gc;
let readBytes = 0;

/** Notes bytes that were read from a socket. */
export function countRead(length: number): void {
  readBytes += length;
  if (readBytes < readBytesMax) return;
  readBytes = 0;
  collect?.({ type: 'minor' });
}
