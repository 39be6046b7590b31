// One answer, framed as IIS does it: the status line is always HTTP/1.1, chunks go only to HTTP/1.1,
// and a body of unknown length to HTTP/1.0 ends with the connection.

import { once } from 'node:events';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { hasToken, type LabRequest } from './request.ts';

export type Field = readonly [name: string, value: string | number];

export class Answer {
  /** Set before the head goes out to end the connection after this answer. */
  closeAfter: boolean;
  /** Told of the status. */
  readonly #record: { status: number };
  readonly #socket: Socket;
  readonly #request: LabRequest;
  /** Asked for when the head is written: the user may be known only then. */
  readonly #commonFields: () => readonly Field[];
  #chunked = false;
  #bodyless = false;
  #owed: number | undefined;

  constructor(
    socket: Socket,
    request: LabRequest,
    record: { status: number },
    commonFields: () => readonly Field[]
  ) {
    this.#record = record;
    this.#socket = socket;
    this.#request = request;
    this.#commonFields = commonFields;
    this.closeAfter = request.http10
      ? !hasToken(request, 'connection', 'keep-alive')
      : hasToken(request, 'connection', 'close');
  }

  /** A whole answer at once. */
  async send(status: number, fields: readonly Field[], body: string | Buffer = ''): Promise<void> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.#socket.cork();
    const headed = this.begin(status, fields, bytes.length);
    const written = this.write(bytes);
    this.#socket.uncork();
    await Promise.all([headed, written]);
    await this.end();
  }

  /** Sends the head. Without a length the body goes in chunks, or until close to HTTP/1.0. */
  async begin(status: number, fields: readonly Field[], length?: number): Promise<void> {
    this.#record.status = status;
    this.#owed = length;
    this.#bodyless = this.#request.method === 'HEAD' || status === 204 || status === 304;
    this.#chunked = length === undefined && !this.#request.http10;
    if (length === undefined && this.#request.http10) this.closeAfter = true;
    const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`];
    for (const [name, value] of [...fields, ...this.#commonFields()]) {
      lines.push(`${name}: ${value}`);
    }
    if (this.#chunked) lines.push('Transfer-Encoding: chunked');
    else if (length !== undefined && status !== 204) lines.push(`Content-Length: ${length}`);
    if (this.closeAfter) lines.push('Connection: close');
    else if (this.#request.http10) lines.push('Connection: keep-alive');
    await this.#put(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
  }

  /** One piece of the body; in a chunked answer exactly one chunk. */
  async write(piece: string | Buffer): Promise<void> {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (this.#owed !== undefined) this.#owed -= bytes.length;
    if (this.#bodyless || bytes.length === 0) return;
    if (!this.#chunked) return this.#put(bytes);
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`);
    this.#socket.write(bytes);
    const written = this.#put(Buffer.from('\r\n'));
    this.#socket.uncork();
    await written;
  }

  async end(): Promise<void> {
    if (this.#chunked && !this.#bodyless) await this.#put(Buffer.from('0\r\n\r\n'));
    // A short body must never look like a whole one.
    if (this.#owed !== undefined && this.#owed !== 0 && !this.#bodyless) this.#socket.destroy();
  }

  /** Sends `101` and its fields; what follows belongs to the other protocol. */
  async switchProtocol(fields: readonly Field[]): Promise<void> {
    this.#record.status = 101;
    this.closeAfter = true;
    const lines = [...fields, ...this.#commonFields()].map(([name, value]) => `${name}: ${value}`);
    const head = ['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n');
    await this.#put(Buffer.from(head, 'latin1'));
  }

  /** Writes and waits until the client has taken enough of it. */
  async #put(bytes: Buffer): Promise<void> {
    await writeAll(this.#socket, bytes);
  }
}

export async function writeAll(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.destroyed) throw new Error('the client is gone');
  if (socket.write(bytes)) return;
  // Under a cork nothing drains before the uncork, which comes in the same turn.
  const abort = new AbortController();
  const gone = once(socket, 'close', { signal: abort.signal });
  const drained = once(socket, 'drain', { signal: abort.signal });
  gone.catch(() => {});
  drained.catch(() => {});
  await Promise.race([gone, drained]).finally(() => abort.abort());
}
