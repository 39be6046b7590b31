// Tells an SMTP server who the client is, before the client says a word (Postfix, XCLIENT_README).
// The server then begins anew, as if that client had connected: its new greeting is the client's.

import { ProxyError } from '../error.ts';
import { readSmtpReply, type SmtpReply } from '../line/smtp-reply.ts';
import { plainAddress } from '../net/address.ts';
import type { Connection, Receiver } from '../net/connection.ts';
import type { Endpoint } from '../net/proxy-header.ts';
import type { RealServer } from '../service/real-server.ts';
import type { TcpSession } from './tcp-session.ts';

/** Of both answers together. */
const answersTimeMs = 10_000;

/** Servers that did not offer it to us: said once of each. */
const withoutXclient = new WeakSet<RealServer>();

/**
 * The connection holds the server's greeting, and afterwards the one for the client: the new one,
 * or that same one where the server does not offer XCLIENT.
 */
export async function introduceClient(
  session: TcpSession,
  server: RealServer,
  connection: Connection
): Promise<void> {
  const greeting = connection.takeHeld() ?? Buffer.alloc(0);
  const answers = new Answers(connection, greeting);
  try {
    await answers.next();
    connection.write(Buffer.from(`EHLO ${ownName(connection)}\r\n`, 'latin1'));
    const offer = attributesIn(await answers.next());
    if (offer?.has('ADDR') !== true) {
      warnOnce(session, server);
      connection.hold(greeting);
      return;
    }
    connection.write(Buffer.from(`${command(session.from, offer)}\r\n`, 'latin1'));
    const reply = await answers.next();
    if (reply.code !== 220) throw notWelcome(session, reply, answers.latest);
    connection.hold(answers.latest);
  } finally {
    answers.stop();
  }
}

/** RFC 5321 4.1.3 */
function ownName({ socket }: Connection): string {
  const address = plainAddress(socket.localAddress ?? '');
  return address.includes(':') ? `[IPv6:${address.split('%', 1)[0]}]` : `[${address}]`;
}

/** What of a client the server takes; undefined where it does not take any. */
function attributesIn({ code, lines }: SmtpReply): ReadonlySet<string> | undefined {
  if (code === 421) throw refused(`said ${quote(lines)} to EHLO`);
  const words = lines.slice(1).map((line) => line.trim().toUpperCase().split(/ +/));
  const offer = code === 250 ? words.find(([keyword]) => keyword === 'XCLIENT') : undefined;
  return offer === undefined ? undefined : new Set(offer.slice(1));
}

function command({ address, port }: Endpoint, offer: ReadonlySet<string>): string {
  const [plain = ''] = address.split('%', 1);
  const attributes = {
    ADDR: plain.includes(':') ? `IPV6:${plain}` : plain || '[UNAVAILABLE]',
    PORT: String(port),
    // Nobody has asked the DNS; without it the client would have our name.
    NAME: '[UNAVAILABLE]'
  };
  const known = Object.entries(attributes).filter(([name]) => offer.has(name));
  return `XCLIENT ${known.map(([name, value]) => `${name}=${value}`).join(' ')}`;
}

/**
 * The server does not want this client: no other one is asked, and its words are the client's. To
 * go on as ourselves would let in whom it keeps out. What it has against us or our command is
 * nothing for the client's eyes.
 */
function notWelcome(session: TcpSession, { code, lines }: SmtpReply, bytes: Buffer): ProxyError {
  const words = `said ${quote(lines)} to XCLIENT`;
  const isOurs = code < 400 || code === 421 || (code >= 500 && code <= 504);
  if (isOurs) return refused(words);
  session.lastWords = bytes.toString('latin1');
  return new ProxyError('greeting-refused', 'server', `the server ${words}`);
}

function refused(what: string): ProxyError {
  return new ProxyError('greeting-refused', 'server', `the server ${what}`, true);
}

function quote(lines: readonly string[]): string {
  return JSON.stringify(
    lines
      .join(' ')
      .slice(0, 200)
      .replace(/[^ -~]/g, '?')
  );
}

function warnOnce({ traffic, virtualService }: TcpSession, server: RealServer): void {
  if (withoutXclient.has(server)) return;
  withoutXclient.add(server);
  traffic.log.warn(
    { virtualService: virtualService.settings.name, server: server.settings.name },
    'the server does not offer XCLIENT ADDR to Ballast, so it sees our address for the client’s'
  );
}

/** The server's answers, one for each time that it is asked for one. */
class Answers implements Receiver {
  /** The bytes of the answer that came last. */
  latest: Buffer = Buffer.alloc(0);
  readonly #connection: Connection;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer;
  #next = Promise.withResolvers<SmtpReply>();
  #isAsked = false;
  #isStopped = false;

  constructor(connection: Connection, bytes: Buffer) {
    this.#connection = connection;
    this.#bytes = bytes;
    this.#next.promise.catch(() => {}); // nobody may be waiting
    this.#timer = setTimeout(
      () => this.#fail(`was silent for ${answersTimeMs / 1000} s`),
      answersTimeMs
    );
    connection.receive(this);
  }

  next(): Promise<SmtpReply> {
    this.#isAsked = true;
    const { promise } = this.#next;
    this.#read();
    return promise;
  }

  /** What comes from now on is kept for who receives next. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  onBytes(bytes: Buffer): void {
    if (this.#isStopped) {
      this.#connection.hold(bytes);
      return;
    }
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#read();
  }

  onEnd(): void {
    this.#fail('closed the connection before the session began');
  }

  onClose(): void {
    this.#fail('closed the connection before the session began');
  }

  onDrain(): void {}

  #read(): void {
    if (this.#bytes.length === 0) return;
    const reply = readSmtpReply(this.#bytes);
    if (reply === 'incomplete') return;
    // A second answer at once would be taken for that to the next question.
    if (reply === 'malformed' || reply.end < this.#bytes.length || !this.#isAsked) {
      this.#fail('gave an answer that cannot be understood');
      return;
    }
    this.latest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    this.#isAsked = false;
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers();
    this.#next.promise.catch(() => {});
    resolve(reply);
  }

  #fail(what: string): void {
    this.#next.reject(refused(what));
  }
}
