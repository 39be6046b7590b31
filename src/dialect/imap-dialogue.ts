// An IMAP session line by line, until the client has signed in. Answers are known by their tags;
// what a client sends is looked at only when it is known to be a command.

import {
  findLiteral,
  parseImapCommand,
  type ImapCommand,
  type Literal
} from '../line/imap-command.ts';
import { parseImapResponse, type ImapResponse } from '../line/imap-response.ts';
import { findLineFault, lineText } from '../line/line-end.ts';
import type { Mode } from '../line/gatherer.ts';
import type { ClientMode, ClientStep, Dialogue, DialogueOptions, ServerStep } from './dialect.ts';
import {
  capabilitiesIn,
  readLiterals,
  rewriteStatus,
  showCapabilities,
  type Literals,
  type Shown
} from './imap-server-lines.ts';

/** RFC 9051 6.1, 6.2: what the server gets of a client that has not signed in. */
const known: ReadonlySet<string> = new Set([
  'CAPABILITY',
  'NOOP',
  'LOGOUT',
  'ID',
  'LANGUAGE',
  'LOGIN',
  'AUTHENTICATE'
]);
const logins: ReadonlySet<string> = new Set(['LOGIN', 'AUTHENTICATE']);
/** Untagged responses to these, beside the statuses. */
const untagged: ReadonlySet<string> = new Set(['CAPABILITY', 'ID', 'LANGUAGE']);

const owedMax = 100;
/** RFC 7888 5 */
const shortLiteralBytesMax = 4096;

/** A command whose last line has not come. */
interface Begun {
  readonly tag: string;
  readonly verb: string;
  /** The answer to a command that is not forwarded. */
  readonly refusal: string | undefined;
}

export class ImapDialogue implements Dialogue {
  readonly #options: DialogueOptions;
  #clientMode: ClientMode = lines;
  #serverMode: Mode = lines;
  /** Commands without their answers, with those that are incomplete. */
  readonly #asked: Begun[] = [];
  #begun: Begun | undefined;
  /**
   * Who must speak next: in `commands` the client may; in `login` and `logout` the server must
   * answer first; in `challenge` the server, within AUTHENTICATE, and in `answering` the client;
   * in `literal` the server must want the data. `tls`: TLS is about to begin.
   */
  #phase:
    | 'greeting'
    | 'commands'
    | 'literal'
    | 'login'
    | 'challenge'
    | 'answering'
    | 'logout'
    | 'tls'
    | 'signed-in'
    | 'gone' = 'greeting';
  #literalLength = 0;
  /** Within an untagged response, behind a literal. */
  #inResponse = false;
  #secure: boolean;
  #literals: Literals = { any: false, short: false };

  constructor(options: DialogueOptions) {
    this.#options = options;
    this.#secure = options.startTls === 'no';
  }

  get clientMode(): ClientMode {
    return this.#clientMode;
  }

  get serverMode(): Mode {
    return this.#serverMode;
  }

  get owed(): number {
    // The rest of a response: nothing may be said in the middle of it.
    const begun = this.#phase === 'greeting' || this.#inResponse;
    return this.#asked.length + (begun ? 1 : 0);
  }

  get clientMaySpeak(): boolean {
    if (this.#phase === 'commands')
      return this.#asked.length < owedMax || this.#begun !== undefined;
    return this.#phase === 'answering';
  }

  get settled(): boolean {
    return this.finished;
  }

  get finished(): boolean {
    return this.#phase === 'signed-in';
  }

  /** RFC 9051 6.2.1. Nothing that a server would keep was let through before. */
  tlsBegan(): void {
    if (this.#phase === 'tls') this.#phase = 'commands';
    this.#secure = true;
  }

  clientDataEnded(): void {
    this.#clientMode = lines;
  }

  serverDataEnded(): void {
    this.#serverMode = lines;
  }

  fromClient(line: Buffer): ClientStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return violation(fault);
    // What it holds is no command, whatever it looks like.
    if (this.#phase === 'answering') {
      this.#phase = 'challenge';
      return { do: 'forward' };
    }
    const text = lineText(line);
    const literal = findLiteral(text);
    if (literal === 'ambiguous') return violation('it is unclear where the line ends');
    if (this.#begun !== undefined) return this.#takePart(this.#begun, literal);
    const command = parseImapCommand(text);
    if (command === undefined) {
      if (literal !== 'none') return violation('data without a command');
      return { do: 'answer', text: '* BAD A line must begin with a tag and a command\r\n' };
    }
    if (this.#asked.some(({ tag }) => tag === command.tag)) return violation('a tag used twice');
    const refusal = this.#refusal(command, literal !== 'none');
    if (command.verb === 'STARTTLS' && refusal === undefined) {
      this.#phase = 'tls';
      return { do: 'start-tls', text: `${command.tag} OK Begin TLS now\r\n` };
    }
    const begun = { tag: command.tag, verb: command.verb, refusal };
    if (refusal === undefined) this.#asked.push(begun);
    return this.#takePart(begun, literal);
  }

  fromServer(line: Buffer): ServerStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return broken(`in a response ${fault}`);
    if (this.#inResponse) return this.#forwardPart(line);
    const response = parseImapResponse(line);
    if (response === undefined) return broken('not an IMAP response');
    if (this.#phase === 'gone') return broken('a response behind the last one');
    // What was said in the clear must not appear inside TLS.
    if (this.#phase === 'tls' && this.#asked.length === 0) return broken('a response before TLS');
    // Data belong to few responses; behind words for people some clients would read them, some not.
    if (!untagged.has(response.word) && /\{[^{}]*\}$/.test(lineText(line))) {
      return broken('data behind a status');
    }
    if (this.#phase === 'greeting') return this.#greeted(response);
    if (response.tag === '+') return this.#goOn();
    return response.tag === '*' ? this.#untagged(response, line) : this.#answered(response);
  }

  /** Why Ballast itself answers a command, and how. */
  #refusal({ tag, verb, argument }: ImapCommand, hasLiteral: boolean): string | undefined {
    const isOffered = this.#options.startTls !== 'no';
    if (verb === 'STARTTLS' && isOffered) {
      if (argument !== undefined) return `${tag} BAD STARTTLS takes no arguments`;
      return this.#secure ? `${tag} BAD TLS is active already` : undefined;
    }
    if (!known.has(verb)) return `${tag} BAD Command not valid before login`;
    if (!this.#showsLogins && logins.has(verb)) {
      return `${tag} NO [PRIVACYREQUIRED] Login needs TLS: use STARTTLS first`;
    }
    // The server must not keep what came in the clear from whomever.
    if (!this.#secure && verb === 'ID') return `* ID NIL\r\n${tag} OK ID completed`;
    if (!this.#secure && verb === 'LANGUAGE') return `${tag} NO Use STARTTLS first`;
    if (hasLiteral && verb !== 'LOGIN') return `${tag} BAD No literal is allowed here`;
    // x-originating-ip and the like: Dovecot may believe what they tell about the client.
    if (verb === 'ID' && /["( ]x-/i.test((argument ?? '').replaceAll('\\', ''))) {
      return `${tag} NO These fields are not allowed`;
    }
    return undefined;
  }

  /** A line of a command, up to a literal or the end. */
  #takePart(begun: Begun, literal: Literal | 'none'): ClientStep {
    const { verb, refusal } = begun;
    this.#begun = begun;
    if (literal === 'none') {
      this.#begun = undefined;
      if (refusal !== undefined) return { do: 'answer', text: `${refusal}\r\n` };
      if (verb === 'LOGIN') this.#phase = 'login';
      if (verb === 'AUTHENTICATE') this.#phase = 'challenge';
      if (verb === 'LOGOUT') this.#phase = 'logout';
      return { do: 'forward' };
    }
    const { length, synchronizing } = literal;
    if (refusal !== undefined) {
      // Who asks whether the data are wanted hears no, and sends none.
      if (synchronizing) {
        this.#begun = undefined;
        return { do: 'answer', text: `${refusal}\r\n` };
      }
      this.#clientMode = { as: 'data', length, dropped: true };
      return { do: 'answer', text: '' };
    }
    if (synchronizing) {
      this.#literalLength = length;
      this.#phase = 'literal';
      return { do: 'forward' };
    }
    const { any, short } = this.#literals;
    // To a server that does not know them the data would be commands.
    if (!any && !(short && length <= shortLiteralBytesMax)) {
      return violation('the server does not offer such literals');
    }
    this.#clientMode = { as: 'data', length };
    return { do: 'forward' };
  }

  #greeted(response: ImapResponse): ServerStep {
    const { tag, word } = response;
    if (tag !== '*') return broken('not a greeting');
    if (word === 'BYE') return this.#leave();
    const preauth = word === 'PREAUTH';
    if (preauth && this.#options.startTls !== 'no') return broken('signed in before TLS');
    if (word !== 'OK' && !preauth) return broken('not a greeting');
    this.#phase = preauth ? 'signed-in' : 'commands';
    return this.#showStatus(response);
  }

  /** `+`: to a literal, or a challenge. */
  #goOn(): ServerStep {
    if (this.#phase === 'challenge') {
      this.#phase = 'answering';
      return { do: 'forward' };
    }
    if (this.#phase !== 'literal') return broken('a challenge nobody asked for');
    this.#phase = 'commands';
    this.#clientMode = { as: 'data', length: this.#literalLength };
    return { do: 'forward' };
  }

  #untagged(response: ImapResponse, line: Buffer): ServerStep {
    const { word, text } = response;
    if (word === 'BYE' && this.#phase !== 'logout') return this.#leave();
    if (word === 'OK' || word === 'NO' || word === 'BAD' || word === 'BYE') {
      return this.#showStatus(response);
    }
    // Mailboxes and messages before the sign-in are nobody's, and inside TLS they would look true.
    if (!untagged.has(word)) return broken(`${word} before login`);
    if (word !== 'CAPABILITY') return this.#forwardPart(line);
    if (findLiteral(lineText(line)) !== 'none')
      return broken('a literal in a list of capabilities');
    this.#literals = readLiterals(text);
    return {
      do: 'replace',
      text: `* CAPABILITY ${showCapabilities(text, this.#shown)}\r\n`
    };
  }

  #answered(response: ImapResponse): ServerStep {
    const { tag, word } = response;
    const at = this.#asked.findIndex((asked) => asked.tag === tag);
    const asked = this.#asked[at];
    if (asked === undefined) return broken('an answer nobody asked for');
    this.#asked.splice(at, 1);
    const isLatest = this.#phase !== 'commands' && at === this.#asked.length;
    if (asked === this.#begun) {
      // A server that takes the data for unwanted says so before they come, or behind them.
      if (this.#phase !== 'literal' || word === 'OK')
        return broken('an answer before the command ended');
      this.#begun = undefined;
    }
    if (this.#phase === 'answering' && isLatest) return broken('an answer in place of the client');
    if (isLatest && this.#phase !== 'tls') {
      if (this.#phase === 'logout') return this.#leave();
      this.#phase = logins.has(asked.verb) && word === 'OK' ? 'signed-in' : 'commands';
    }
    return this.#showStatus(response);
  }

  /** A line of an untagged response that may hold literals. */
  #forwardPart(line: Buffer): ServerStep {
    const literal = findLiteral(lineText(line));
    if (literal === 'ambiguous') return broken('it is unclear where a response ends');
    this.#inResponse = literal !== 'none';
    if (literal === 'none') return { do: 'forward' };
    if (!literal.synchronizing) return broken('a literal in the form of clients');
    if (literal.length > 0) this.#serverMode = { as: 'data', length: literal.length };
    return { do: 'forward' };
  }

  #showStatus(response: ImapResponse): ServerStep {
    const list = capabilitiesIn(response);
    if (list !== undefined) this.#literals = readLiterals(list);
    const text = rewriteStatus(response, this.#shown);
    return text === undefined ? { do: 'forward' } : { do: 'replace', text };
  }

  get #shown(): Shown {
    const signedIn = this.finished;
    return { startTls: !this.#secure, logins: signedIn || this.#showsLogins, signedIn };
  }

  get #showsLogins(): boolean {
    const { clearLogin, startTls } = this.#options;
    return this.#secure || (clearLogin && startTls !== 'required');
  }

  #leave(): ServerStep {
    this.#phase = 'gone';
    this.#asked.length = 0;
    return { do: 'forward' };
  }
}

const lines = { as: 'lines' } as const;

function violation(words: string): ClientStep {
  return { do: 'end', reason: 'violation', words };
}

function broken(words: string): ServerStep {
  return { do: 'end', reason: 'server-violation', words };
}
