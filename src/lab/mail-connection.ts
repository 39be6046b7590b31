// One client of a mail service: lines and data to read, answers to write, TLS in between. It is as
// strict as can be: what a good client would not send is noted, and most of it ends the session,
// so that a proxy that mends or breaks something is found out.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';
import { writeAll } from './answer.ts';
import { ByteSource } from './byte-source.ts';

export type MailProtocol = 'imap' | 'pop3' | 'smtp';

/**
 * What one connection was and became; it grows while the session lasts. Many are kept, so nothing in
 * it holds on to its connection.
 */
export interface MailSession {
  readonly protocol: MailProtocol;
  readonly connection: number;
  readonly secure: boolean;
  /** `DOMAIN\user` after a log-on. */
  readonly user: string;
  /** The latest command lines, without their ends. */
  readonly commands: readonly string[];
  /** What a good client would not have done. */
  readonly violations: readonly string[];
}

/** The client broke the protocol so that nothing it says can be trusted any more. */
export class Violation extends Error {}

/** RFC 4954 4: of a line in the course of a log-on; all others are shorter. */
const lineBytesMax = 12_288;
const commandsMax = 1000;
const lineEnd = Buffer.from('\r\n');
const endOfMail = Buffer.from('\r\n.\r\n');

export class MailConnection {
  readonly protocol: MailProtocol;
  readonly #record: MailSession & { secure: boolean; user: string };
  readonly #commands: string[] = [];
  readonly #violations: string[] = [];
  readonly #context: SecureContext | undefined;
  #socket: Socket;
  #source: ByteSource;

  constructor(
    protocol: MailProtocol,
    connection: number,
    socket: Socket,
    context: SecureContext | undefined
  ) {
    this.protocol = protocol;
    this.#record = {
      protocol,
      connection,
      secure: socket instanceof TLSSocket,
      user: '',
      commands: this.#commands,
      violations: this.#violations
    };
    this.#context = context;
    this.#socket = socket;
    this.#source = new ByteSource(socket);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get record(): MailSession {
    return this.#record;
  }

  get secure(): boolean {
    return this.#record.secure;
  }

  get user(): string {
    return this.#record.user;
  }

  set user(name: string) {
    this.#record.user = name;
  }

  /** Whether TLS can begin. */
  get offersTls(): boolean {
    return this.#context !== undefined && !this.secure;
  }

  /** Whether the client has sent more than was read. */
  get saidMore(): boolean {
    return this.#source.held > 0;
  }

  /** Without its CRLF; undefined where the client is gone. */
  async readLine(): Promise<string | undefined> {
    const line = await this.#source.readLine();
    if (line === undefined) {
      if (this.saidMore) this.note('half a line at the end');
      return undefined;
    }
    const text = line.toString('latin1').replace(/\r?\n$/, '');
    this.#commands.push(text);
    if (this.#commands.length > commandsMax) this.#commands.shift();
    if (line.at(-2) !== 13) throw this.violation('bare LF');
    if (/[\0\r]/.test(text)) throw this.violation('CR or NUL in a line');
    if (line.length > lineBytesMax) throw this.violation('line too long');
    return text;
  }

  /**
   * Mail up to the line with a single dot (RFC 5321 4.5.2), doubled dots taken back; 'too long', or
   * undefined where the client is gone. Only CRLF, dot, CRLF ends it: whoever takes less for the
   * end lets mail be smuggled in.
   */
  async readMail(bytesMax: number): Promise<Buffer | 'too long' | undefined> {
    const mail = await this.#source.readThrough(endOfMail, lineEnd, bytesMax);
    if (mail === undefined) {
      this.note('half of the data at the end');
      return undefined;
    }
    if (mail.length > bytesMax) return 'too long';
    const text = mail.bytes.toString('latin1', 0, mail.length - 3).replaceAll('\r\n.', '\r\n');
    return Buffer.from(text.slice(2), 'latin1');
  }

  /** So many bytes; undefined where the client is gone before. */
  async readBytes(length: number): Promise<Buffer | undefined> {
    const pieces: Buffer[] = [];
    for (let left = length; left > 0;) {
      const piece = await this.#source.readSome(left);
      if (piece === undefined) {
        this.note('half of the data at the end');
        return undefined;
      }
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  async say(line: string): Promise<void> {
    await writeAll(this.#socket, Buffer.from(`${line}\r\n`, 'latin1'));
  }

  async send(bytes: Buffer): Promise<void> {
    await writeAll(this.#socket, bytes);
  }

  /** Says `line`, and TLS begins. Bytes behind the command are what CVE-2011-0411 is about. */
  async startTls(line: string): Promise<void> {
    if (this.saidMore) throw this.violation('bytes behind STARTTLS');
    const plain = this.#socket;
    this.#source.detach();
    plain.write(`${line}\r\n`);
    const socket = new TLSSocket(plain, { isServer: true, secureContext: this.#context });
    socket.on('error', () => {});
    await once(socket, 'secure');
    this.#socket = socket;
    this.#source = new ByteSource(socket);
    this.#record.secure = true;
  }

  note(what: string): void {
    this.#violations.push(what);
  }

  violation(what: string): Violation {
    this.note(what);
    return new Violation(what);
  }
}
