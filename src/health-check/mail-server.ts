// What the checks of mail servers have in common: the connection, answers in lines, a failure that
// quotes them, and a goodbye, so that no server logs an aborted connection. Answers are read as
// strictly as by sessions: a server that these would pass over must not count as up.

import type { Socket } from 'node:net';
import { findLineFault, type Unread } from '../line/line-end.ts';
import { CheckFailure, type CheckOptions, type CheckTarget } from './health-check.ts';
import { quote } from './quote.ts';
import { beginsWithTls, startTls } from './start-tls.ts';
import { connectTcp, explainSocketError, formatTarget } from './tcp.ts';

/** Of one answer. */
const answerBytesMax = 16 * 1024;
/** For the goodbye and its answer; the verdict stands already. */
const goodbyeMs = 500;

export interface MailProtocol {
  readonly name: 'imap' | 'pop3' | 'smtp';
  /** All that a line of an answer can begin with: what begins otherwise need not be awaited. */
  readonly firstBytes: string;
  readonly goodbye: string;
  /** Whether its answer is complete. */
  endsGoodbye(bytes: Buffer): boolean;
}

/** Connects, lets `talk` find out whether the server is up, and takes leave. */
export async function talkTo(
  protocol: MailProtocol,
  target: CheckTarget,
  options: CheckOptions,
  signal: AbortSignal,
  talk: (server: MailServer) => Promise<void>
): Promise<void> {
  const plain = await connectTcp(target, signal);
  const socket = beginsWithTls(target, options)
    ? await startTls(plain, target, options.host, signal)
    : plain;
  const server = new MailServer(protocol, target, socket, signal);
  try {
    await talk(server);
    await server.takeLeave();
  } finally {
    socket.destroy();
  }
}

export class MailServer {
  readonly localAddress: string;
  readonly #protocol: MailProtocol;
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #url: string;
  /** What came for the present answer. */
  #answer = Buffer.alloc(0);
  #sent: string;

  constructor(protocol: MailProtocol, target: CheckTarget, socket: Socket, signal: AbortSignal) {
    this.localAddress = socket.localAddress ?? '';
    this.#protocol = protocol;
    this.#socket = socket;
    this.#signal = signal;
    this.#chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const secure = 'encrypted' in socket ? 's' : '';
    this.#url = `${protocol.name}${secure}://${formatTarget(target)}`;
    this.#sent = `connected to ${this.#url}`;
  }

  say(line: string): void {
    this.#sent = `sent "${line}" to ${this.#url}`;
    this.#socket.write(`${line}\r\n`, 'latin1');
  }

  /** The next answer as `read` understands it. Throws where what comes cannot become one. */
  async answer<T>(expected: string, read: (bytes: Buffer) => T | Unread): Promise<T> {
    // What came before we spoke answers nothing.
    this.#answer = Buffer.alloc(0);
    for (;;) {
      await this.#more(expected);
      const bytes = this.#answer;
      const first = String.fromCharCode(bytes[0] ?? 0);
      const answer = this.#protocol.firstBytes.includes(first) ? read(bytes) : 'malformed';
      if (answer === 'malformed') {
        throw this.#failure(`got "${quote(bytes)}", which is ${this.#explain()}`, expected, true);
      }
      if (answer !== 'incomplete') return answer;
      if (bytes.length > answerBytesMax) {
        throw this.#failure(`got "${quote(bytes)}" and no end of it in 16 KiB`, expected, true);
      }
    }
  }

  /** For an answer that means "down". */
  refused(expected: string): CheckFailure {
    return this.#failure(`got "${quote(this.#answer)}"`, expected, true);
  }

  /** Says goodbye, awaits the answer and the server's end: as an ordinary client goes. */
  async takeLeave(): Promise<void> {
    const timer = setTimeout(() => this.#socket.destroy(), goodbyeMs);
    try {
      this.say(this.#protocol.goodbye);
      await this.answer('', (bytes) => this.#protocol.endsGoodbye(bytes) || 'incomplete');
      this.#socket.end();
      while ((await this.#chunks.next()).done !== true);
    } catch {
      // Whatever becomes of the goodbye, what the server said before decides.
    } finally {
      clearTimeout(timer);
    }
  }

  async #more(expected: string): Promise<void> {
    let why = 'the server closed the connection';
    try {
      const { done, value } = await this.#chunks.next();
      if (done !== true) {
        this.#answer = Buffer.concat([this.#answer, value]);
        return;
      }
    } catch (error) {
      why = this.#signal.aborted ? 'no answer in time' : explainSocketError(error);
    }
    const nothing = this.#answer.length === 0;
    const got = nothing ? 'nothing' : `only "${quote(this.#answer)}"`;
    throw this.#failure(`got ${got}: ${why}`, expected, false);
  }

  /** What came instead of an answer of this protocol. */
  #explain(): string {
    const bytes = this.#answer;
    const name = this.#protocol.name.toUpperCase();
    const foreign = foreignProtocol(bytes);
    if (foreign !== undefined && foreign !== name) return foreign;
    const end = bytes.indexOf(10);
    const fault = end === -1 ? undefined : findLineFault(bytes.subarray(0, end + 1));
    return `not ${name}${fault === undefined ? '' : `: ${fault}`}`;
  }

  #failure(got: string, expected: string, answered: boolean): CheckFailure {
    return new CheckFailure(`${this.#sent}; expected ${expected}, ${got}`, answered);
  }
}

/** What else a server speaks that says something unasked. */
function foreignProtocol(bytes: Buffer): string | undefined {
  // An alert or a part of a handshake (RFC 8446 5.1).
  if ((bytes[0] === 0x15 || bytes[0] === 0x16) && bytes[1] === 3) return 'TLS';
  const text = bytes.toString('latin1', 0, 8);
  if (text.startsWith('HTTP/')) return 'HTTP';
  if (text.startsWith('SSH-')) return 'SSH';
  if (text.startsWith('* ')) return 'IMAP';
  if (/^\+OK|^-ERR/.test(text)) return 'POP3';
  if (/^[2-5][0-9]{2}[ -]/.test(text)) return 'SMTP';
  return /[^\t\r\n -~]/.test(text) ? 'binary' : undefined;
}
