// An SMTP session line by line. Which answer belongs to which command is known by their order; what
// a client sends is looked at only when the answers before have decided what it is.

import { findLineFault } from '../line/line-end.ts';
import { parseSmtpReplyLine, type SmtpReplyLine } from '../line/smtp-reply.ts';
import { parseChunk, parseCommand, standsAlone, type Command } from '../line/verb.ts';
import type { ClientMode, ClientStep, Dialogue, DialogueOptions, ServerStep } from './dialect.ts';
import { followedOffers, SmtpFilter } from './smtp-filter.ts';
import { barred, logins, rewriteOffer, unfollowed } from './smtp-replies.ts';

/** What an answer will be to. */
type Asked =
  | 'greeting'
  | 'ehlo'
  | 'helo'
  | 'mail'
  | 'rcpt'
  | 'rset'
  | 'data'
  | 'message'
  | 'chunk'
  | 'last-chunk'
  | 'auth'
  | 'quit'
  | 'other';

/**
 * Behind these a client may go on before it has the answer (RFC 2920 3.1, RFC 3030 4.2). Behind any
 * other verb it must wait: the answer may say that something else than a command follows.
 */
const pipelined: ReadonlySet<Asked> = new Set([
  'mail',
  'rcpt',
  'rset',
  'message',
  'chunk',
  'last-chunk'
]);

const askedBy: Readonly<Record<string, Asked>> = {
  EHLO: 'ehlo',
  HELO: 'helo',
  MAIL: 'mail',
  RCPT: 'rcpt',
  RSET: 'rset',
  DATA: 'data',
  AUTH: 'auth',
  'X-EXPS': 'auth',
  QUIT: 'quit'
};

/** RFC 3207 4; STARTTLS is not judged by this. */
const freeBeforeTls: ReadonlySet<string> = new Set(['NOOP', 'EHLO', 'QUIT']);
/** RFC 5321 4.1.4: before EHLO or HELO. */
const freeBeforeEhlo: ReadonlySet<string> = new Set([
  'NOOP',
  'EHLO',
  'HELO',
  'QUIT',
  'RSET',
  'HELP'
]);

const owedMax = 1000;
const offerLinesMax = 128;

export class SmtpDialogue implements Dialogue {
  readonly #options: DialogueOptions;
  /** Undefined where mail is taken for everybody. */
  readonly #filter: SmtpFilter | undefined;
  readonly serverMode = { as: 'lines' } as const;
  #clientMode: ClientMode = { as: 'lines' };
  readonly #asked: Asked[] = ['greeting'];
  /** `answering`: the next line answers a challenge. `tls`: TLS is about to begin. */
  #phase: 'commands' | 'answering' | 'tls' | 'gone' = 'commands';
  /** TLS is up, or there is none to come. */
  #secure: boolean;
  /** TLS came and no EHLO or HELO since. */
  #forgot = false;
  #inMail = false;
  #signedIn = false;
  #mailTaken = false;
  #chunking = false;
  #finished = false;
  /** Lines of an answer whose last has not come; only those to EHLO are kept. */
  #code = 0;
  #offer: SmtpReplyLine[] = [];

  constructor(options: DialogueOptions) {
    this.#options = options;
    this.#secure = options.startTls === 'no';
    const { recipients } = options;
    if (recipients !== undefined) this.#filter = new SmtpFilter(recipients.allowedDomains);
  }

  get clientMode(): ClientMode {
    return this.#clientMode;
  }

  get owed(): number {
    return this.#asked.length;
  }

  get clientMaySpeak(): boolean {
    if (this.#phase === 'gone' || this.#phase === 'tls') return false;
    const latest = this.#asked.at(-1);
    return latest === undefined || (pipelined.has(latest) && this.#asked.length < owedMax);
  }

  get settled(): boolean {
    return this.#signedIn || this.#mailTaken || this.#hasMail;
  }

  /** A mail is on its way, which takes as long as it takes. */
  get #hasMail(): boolean {
    if (!this.#inMail) return false;
    const isSent = this.#asked.includes('message') || this.#asked.includes('last-chunk');
    return isSent || (this.#clientMode.as !== 'lines' && this.#clientMode.dropped !== true);
  }

  get finished(): boolean {
    return this.#finished;
  }

  tlsBegan(): void {
    if (this.#phase === 'tls') this.#phase = 'commands';
    this.#secure = true;
    // RFC 3207 4.2: whoever spoke before may have been somebody else.
    this.#forgot = true;
    this.#chunking = false;
  }

  fromClient(line: Buffer): ClientStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return { do: 'end', reason: 'violation', words: fault };
    if (this.#phase === 'answering') {
      this.#phase = 'commands';
      return this.#forward('auth');
    }
    const command = parseCommand(line);
    if (this.#filter?.mayFollow(command) === false) {
      return {
        do: 'end',
        reason: 'violation',
        words: 'a command must follow DATA that was refused'
      };
    }
    if (command === undefined) return answer('500 5.5.2 Syntax error, command unrecognized');
    const { verb } = command;
    if (verb === 'STARTTLS') return this.#startTls(command);
    const refusal = this.#refusal(verb);
    if (verb === 'BDAT') return this.#takeChunk(command, refusal);
    if (refusal !== undefined) return answer(refusal);
    const step = this.#filter?.judge(command, line.length, this.#asked.includes('rcpt'));
    if (step !== undefined) return step;
    return this.#forward(askedBy[verb] ?? 'other');
  }

  clientDataEnded(): void {
    if (this.#clientMode.as === 'dotted') this.#asked.push('message');
    this.#clientMode = { as: 'lines' };
  }

  /** Servers send lines only. */
  serverDataEnded(): void {}

  fromServer(line: Buffer): ServerStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return broken(`in an answer ${fault}`);
    const parsed = parseSmtpReplyLine(line);
    if (parsed === undefined) return broken('not an SMTP answer');
    if (this.#phase === 'gone') return broken('an answer behind the last one');
    if (this.#code !== 0 && this.#code !== parsed.code) return broken('two codes in an answer');
    const asked = this.#asked[0];
    // RFC 5321 3.8: a server that ends the session may say so at any time.
    // Not while TLS begins: what was said in the clear must not appear inside.
    if (asked === undefined && (parsed.code !== 421 || this.#phase === 'tls')) {
      return broken('an answer nobody asked for');
    }
    const { code } = parsed;
    if (asked !== undefined && !fits(asked, code)) return broken(`${code} in answer to ${asked}`);
    this.#code = parsed.more ? parsed.code : 0;
    if (asked === 'ehlo' && parsed.code === 250) return this.#takeOffer(parsed);
    return parsed.more ? { do: 'forward' } : this.#answered(asked, parsed.code);
  }

  #startTls(command: Command): ClientStep {
    const { startTls } = this.#options;
    if (startTls === 'no') return answer(unknown);
    if (!standsAlone(command)) return answer('501 5.5.4 STARTTLS takes no parameters');
    if (this.#secure) return answer('503 5.5.1 TLS is active already');
    if (this.#inMail || this.#asked.includes('mail')) {
      return answer('503 5.5.1 STARTTLS is not permitted during a mail transaction');
    }
    if (this.#signedIn) return answer('503 5.5.1 STARTTLS is not permitted after AUTH');
    this.#phase = 'tls';
    return { do: 'start-tls', text: '220 2.0.0 Ready to start TLS\r\n' };
  }

  /** Why Ballast itself refuses a command. */
  #refusal(verb: string): string | undefined {
    if (barred.has(verb) || unfollowed.has(verb)) return unknown;
    if (this.#filter?.hides(verb) === true) return unknown;
    if (!this.#secure) {
      if (this.#options.startTls === 'required' && !freeBeforeTls.has(verb)) {
        return '530 5.7.0 Must issue a STARTTLS command first';
      }
      if (!this.#options.clearLogin && logins.has(verb)) {
        return '538 5.7.11 Encryption required for authentication: use STARTTLS first';
      }
    }
    if (this.#forgot && !freeBeforeEhlo.has(verb)) return '503 5.5.1 Send EHLO first';
    // To a server that does not know BDAT its data would be commands.
    if (verb === 'BDAT' && !this.#chunking) return unknown;
    return undefined;
  }

  /** RFC 3030 2: the bytes follow at once, also behind a BDAT that is refused. */
  #takeChunk(command: Command, refusal: string | undefined): ClientStep {
    const chunk = parseChunk(command);
    if (chunk === undefined) {
      return { do: 'end', reason: 'violation', words: 'BDAT needs a length, and LAST at the end' };
    }
    const { length, last } = chunk;
    if (length > 0) this.#clientMode = { as: 'data', length, dropped: refusal !== undefined };
    return refusal === undefined ? this.#forward(last ? 'last-chunk' : 'chunk') : answer(refusal);
  }

  #forward(asked: Asked): ClientStep {
    this.#asked.push(asked);
    return { do: 'forward' };
  }

  /** Kept until its last line, since only then is known which one that will be. */
  #takeOffer(line: SmtpReplyLine): ServerStep {
    this.#offer.push(line);
    if (this.#offer.length > offerLinesMax) return broken('an endless answer to EHLO');
    if (line.more) return { do: 'replace', text: '' };
    const { startTls, clearLogin, xclient } = this.#options;
    const { text, chunking, finished } = rewriteOffer(this.#offer, {
      startTls: !this.#secure,
      logins: this.#secure || (clearLogin && startTls !== 'required'),
      mayFinish:
        this.#secure && startTls !== 'no' && xclient !== true && this.#filter === undefined,
      only: this.#filter && followedOffers
    });
    this.#offer = [];
    this.#chunking = chunking;
    this.#finished = finished;
    this.#answered('ehlo', 250);
    return { do: 'replace', text };
  }

  /** The last line of an answer came. */
  #answered(asked: Asked | undefined, code: number): ServerStep {
    this.#asked.shift();
    if (code === 421 || asked === 'quit') return this.#leave();
    if (asked === 'data' && code === 354) {
      this.#clientMode = { as: 'dotted', strict: this.#filter !== undefined };
    }
    if (asked === 'data' && code >= 400) this.#filter?.dataRefused();
    if (asked === 'auth' && code === 334) this.#phase = 'answering';
    const mailEnded = asked === 'message' || asked === 'last-chunk';
    if (mailEnded) this.#endMail();
    if (code >= 300) return { do: 'forward' };
    if (mailEnded) this.#mailTaken = true;
    if (asked === 'auth') this.#signedIn = true;
    if (asked === 'mail') this.#inMail = true;
    if (asked === 'rcpt') this.#filter?.recipientTaken();
    const hello = asked === 'ehlo' || asked === 'helo';
    if (hello) this.#forgot = false;
    // RFC 5321 4.1.4: EHLO is RSET too.
    if (hello || asked === 'rset') this.#endMail();
    return { do: 'forward' };
  }

  #endMail(): void {
    this.#inMail = false;
    this.#filter?.mailOver();
  }

  #leave(): ServerStep {
    this.#phase = 'gone';
    this.#asked.length = 0;
    return { do: 'forward' };
  }
}

/** Whether a code can be an answer: one that asks for more where nothing more can come is none. */
function fits(asked: Asked, code: number): boolean {
  if (code === 421 || asked === 'quit') return true;
  if (code >= 400) return asked !== 'greeting';
  if (asked === 'greeting') return code === 220;
  // Any other success would show its list as it is to who takes it for one.
  if (asked === 'ehlo') return code === 250;
  if (asked === 'data') return code === 354;
  if (asked === 'auth') return code === 334 || code === 235;
  return code < 300;
}

function answer(text: string): ClientStep {
  return { do: 'answer', text: `${text}\r\n` };
}

function broken(words: string): ServerStep {
  return { do: 'end', reason: 'server-violation', words };
}

/** As a server answers that has never heard of it. */
const unknown = '502 5.5.1 Command not implemented';
