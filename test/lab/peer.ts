// A client that says literal bytes and waits for literal bytes, and the NTLM messages it needs.

import type { Socket } from 'node:net';

/** A connection that says literal bytes and waits for literal bytes. */
export class Peer {
  readonly socket: Socket;
  received = '';
  readonly #end: Promise<unknown>;
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1').on('data', (text: string) => (this.received += text));
    // A reset shows as an end; what came before it is what tests look at.
    socket.on('error', () => {});
    this.#end = new Promise<void>((resolve) => {
      socket.on('end', resolve).on('close', () => resolve());
    }).then(() => (this.#ended = true));
  }

  say(text: string): void {
    this.socket.write(Buffer.from(text, 'latin1'));
  }

  /** Everything up to and with `mark`, and forgets it. */
  async until(mark: string): Promise<string> {
    while (!this.received.includes(mark)) {
      if (this.#ended) throw new Error(`no "${mark}" in "${this.received}"`);
      await this.#more();
    }
    const end = this.received.indexOf(mark) + mark.length;
    const text = this.received.slice(0, end);
    this.received = this.received.slice(end);
    return text;
  }

  /** A head and the body that its Content-Length tells. */
  async answer(): Promise<{ head: string; body: string }> {
    const head = await this.until('\r\n\r\n');
    const length = Number(/Content-Length: (\d+)/.exec(head)?.[1] ?? 0);
    await this.atLeast(length);
    const body = this.received.slice(0, length);
    this.received = this.received.slice(length);
    return { head, body };
  }

  async atLeast(length: number): Promise<void> {
    while (this.received.length < length) {
      if (this.#ended) throw new Error(`only ${this.received.length} of ${length} bytes came`);
      await this.#more();
    }
  }

  /** What was left when the other side ended. */
  async ended(): Promise<string> {
    await this.#end;
    return this.received;
  }

  async #more(): Promise<void> {
    const more = new Promise<void>((resolve) => this.socket.once('data', () => resolve()));
    await Promise.race([more, this.#end]);
  }
}

/** The first message of NTLM, as any client sends it. */
export const type1 = Buffer.concat([
  Buffer.from('NTLMSSP\0\x01\0\0\0', 'latin1'),
  Buffer.from('0582088800000000000000000000000000000000', 'hex')
]).toString('base64');

/** A proof without the proof: only the names, which is all that the stand-in reads. */
export function type3(domain: string, user: string): string {
  const texts = [domain, user].map((text) => Buffer.from(text, 'utf16le'));
  const head = Buffer.alloc(64);
  head.write('NTLMSSP\0', 'latin1');
  head.writeUInt32LE(3, 8);
  head.writeUInt32LE(1, 60);
  let offset = 64;
  for (const [at, text] of texts.entries()) {
    head.writeUInt16LE(text.length, 28 + at * 8);
    head.writeUInt32LE(offset, 32 + at * 8);
    offset += text.length;
  }
  return Buffer.concat([head, ...texts]).toString('base64');
}
