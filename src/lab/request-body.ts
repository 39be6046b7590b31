// The body of one request, read piece by piece and hashed on the way, so that a test can prove that
// every byte arrived.

import { createHash, type Hash } from 'node:crypto';
import { BrokenRequest, type ByteSource } from './byte-source.ts';
import { fieldOf, hasToken, type LabRequest } from './request.ts';

const pieceBytesMax = 64 * 1024;

/** What came of a body; grows while it is read, and holds nothing of its connection. */
export class BodyFigures {
  bytes = 0;
  finished = false;
  #hash: Hash | undefined;

  add(piece: Buffer): void {
    this.bytes += piece.length;
    this.#hash ??= createHash('sha256');
    this.#hash.update(piece);
  }

  /** Hash of what has been read so far. */
  get sha256(): string {
    return (this.#hash?.copy() ?? createHash('sha256')).digest('hex');
  }
}

export class RequestBody {
  readonly figures = new BodyFigures();

  /** As the head declares it; undefined where it comes in chunks. */
  readonly declaredBytes: number | undefined;
  readonly #source: ByteSource;
  /** Called once, before the first byte is awaited: the moment for `100 Continue`. */
  readonly #onWanted: () => void;
  #wanted = false;
  /** What is left of the body, or of the present chunk. */
  #left: number;

  constructor(source: ByteSource, request: LabRequest, onWanted: () => void) {
    this.#source = source;
    this.#onWanted = onWanted;
    const chunked = hasToken(request, 'transfer-encoding', 'chunked');
    this.declaredBytes = chunked ? undefined : Number(fieldOf(request, 'content-length') ?? 0);
    this.#left = this.declaredBytes ?? 0;
    this.figures.finished = this.declaredBytes === 0;
  }

  get finished(): boolean {
    return this.figures.finished;
  }

  /** Bytes that the client still owes; infinite where it has not said. */
  get owed(): number {
    if (this.finished) return 0;
    return this.declaredBytes === undefined ? Number.POSITIVE_INFINITY : this.#left;
  }

  /** The next piece; undefined at the body's end. Throws where the client ends within it. */
  async read(): Promise<Buffer | undefined> {
    if (this.finished) return undefined;
    if (!this.#wanted) {
      this.#wanted = true;
      this.#onWanted();
    }
    if (this.declaredBytes === undefined && this.#left === 0 && !(await this.#nextChunk())) {
      return undefined;
    }
    const piece = await this.#source.readSome(Math.min(this.#left, pieceBytesMax));
    if (piece === undefined) throw new BrokenRequest('the client ended within a body');
    await this.#count(piece);
    return piece;
  }

  /** Reads the rest and keeps nothing of it. */
  async drain(): Promise<void> {
    while ((await this.read()) !== undefined);
  }

  async text(): Promise<string> {
    const pieces: Buffer[] = [];
    for (let piece = await this.read(); piece !== undefined; piece = await this.read()) {
      if (this.figures.bytes < 1024 * 1024) pieces.push(piece);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  async #count(piece: Buffer): Promise<void> {
    this.figures.add(piece);
    this.#left -= piece.length;
    if (this.#left > 0) return;
    if (this.declaredBytes === undefined) await this.#line();
    else this.figures.finished = true;
  }

  /** Reads the next chunk's size; false after the last chunk and its trailers. */
  async #nextChunk(): Promise<boolean> {
    const size = Number.parseInt(await this.#line(), 16);
    if (Number.isNaN(size)) throw new BrokenRequest('a chunk without a size');
    this.#left = size;
    if (size > 0) return true;
    while ((await this.#line()) !== '');
    this.figures.finished = true;
    return false;
  }

  async #line(): Promise<string> {
    const line = await this.#source.readLine();
    if (line === undefined) throw new BrokenRequest('the client ended within a body');
    return line.toString('latin1').trim();
  }
}
