// A POP3 session line by line, until the client has signed in. Which answer belongs to which command
// is known by their order.

import { findLineFault, lineText } from '../line/line-end.ts';
import { parsePop3Status, type Pop3Status } from '../line/pop3-answer.ts';
import { parseCommand, standsAlone, type Command } from '../line/verb.ts';
import type { ClientStep, Dialogue, DialogueOptions, ServerStep } from './dialect.ts';

/** What an answer will be to; those that end in `list` have lines up to a dot behind `+OK`. */
type Asked =
  'greeting' | 'capa-list' | 'auth-list' | 'lang-list' | 'login' | 'auth' | 'quit' | 'other';

/** RFC 2449 6.6: all that may come before somebody signed in, beside STLS. */
const askedBy: ReadonlyMap<string, Asked> = new Map([
  ['CAPA', 'capa-list'],
  ['USER', 'other'],
  ['PASS', 'login'],
  ['APOP', 'login'],
  ['AUTH', 'auth'],
  ['LANG', 'other'],
  ['UTF8', 'other'],
  ['NOOP', 'other'],
  ['QUIT', 'quit']
]);
const logins: ReadonlySet<string> = new Set(['USER', 'PASS', 'APOP', 'AUTH']);
/** A server would remember these (RFC 6856), so they must not come in the clear from whomever. */
const lasting: ReadonlySet<string> = new Set(['UTF8', 'LANG']);
/** In the answer to CAPA, where logins are hidden. */
const loginCapabilities: ReadonlySet<string> = new Set(['USER', 'SASL']);
/** XCLIENT: a server believes what it is told about the client. */
const barredCapabilities: ReadonlySet<string> = new Set(['STLS', 'XCLIENT']);

/** Behind these the answer decides what the client's next bytes are, or to whom they go. */
const awaited: ReadonlySet<Asked> = new Set(['greeting', 'login', 'auth', 'quit']);

const owedMax = 100;

export class Pop3Dialogue implements Dialogue {
  readonly #options: DialogueOptions;
  readonly clientMode = { as: 'lines' } as const;
  readonly serverMode = { as: 'lines' } as const;
  readonly #asked: Asked[] = ['greeting'];
  /** The answer whose lines come now. */
  #list: Asked | undefined;
  /** `answering`: the next line answers a challenge. `tls`: TLS is about to begin. */
  #phase: 'commands' | 'answering' | 'tls' | 'signed-in' | 'gone' = 'commands';
  /** TLS is up, or there is none to come. */
  #secure: boolean;
  #userGiven = false;

  constructor(options: DialogueOptions) {
    this.#options = options;
    this.#secure = options.startTls === 'no';
  }

  get owed(): number {
    return this.#asked.length + (this.#list === undefined ? 0 : 1);
  }

  get clientMaySpeak(): boolean {
    if (this.#phase === 'gone' || this.#phase === 'tls') return false;
    const latest = this.#asked.at(-1);
    return (latest === undefined || !awaited.has(latest)) && this.owed < owedMax;
  }

  get settled(): boolean {
    return this.finished;
  }

  get finished(): boolean {
    return this.#phase === 'signed-in';
  }

  tlsBegan(): void {
    if (this.#phase === 'tls') this.#phase = 'commands';
    this.#secure = true;
    // RFC 2595 4: whoever spoke before may have been somebody else.
    this.#userGiven = false;
  }

  /** Data are not known before the sign-in. */
  clientDataEnded(): void {}
  serverDataEnded(): void {}

  fromClient(line: Buffer): ClientStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return { do: 'end', reason: 'violation', words: fault };
    if (this.#phase === 'answering') {
      this.#phase = 'commands';
      return this.#forward('auth');
    }
    const command = parseCommand(line);
    if (command?.verb === 'STLS') return this.#startTls(command);
    const asked = askedBy.get(command?.verb ?? '');
    // To an unknown command the answer could have any number of lines.
    if (command === undefined || asked === undefined) {
      return answer('-ERR Command not valid before login');
    }
    const { verb } = command;
    if (logins.has(verb) && !this.#showsLogins) {
      return answer('-ERR [SYS/PERM] Login needs TLS: use STLS first');
    }
    if (lasting.has(verb) && !this.#secure) return answer('-ERR Use STLS first');
    if (verb === 'PASS' && !this.#userGiven) return answer('-ERR USER must come first');
    if (verb === 'USER') this.#userGiven = true;
    return verb === 'AUTH' || verb === 'LANG' ? this.#askMaybeList(command) : this.#forward(asked);
  }

  fromServer(line: Buffer): ServerStep {
    const fault = findLineFault(line);
    if (fault !== undefined) return broken(`in an answer ${fault}`);
    if (this.#list !== undefined) return this.#listed(this.#list, lineText(line));
    const status = parsePop3Status(line);
    if (status === undefined) return broken('not a POP3 answer');
    if (this.#phase === 'gone') return broken('an answer behind the last one');
    const asked = this.#asked.shift();
    return asked === undefined ? this.#unasked(status) : this.#answered(asked, status, line);
  }

  get #showsLogins(): boolean {
    const { clearLogin, startTls } = this.#options;
    return this.#secure || (clearLogin && startTls !== 'required');
  }

  #startTls(command: Command): ClientStep {
    if (this.#options.startTls === 'no') return answer('-ERR Command not valid before login');
    if (!standsAlone(command)) return answer('-ERR STLS takes no arguments');
    if (this.#secure) return answer('-ERR TLS is active already');
    this.#phase = 'tls';
    return { do: 'start-tls', text: '+OK Begin TLS\r\n' };
  }

  /** Without an argument these two ask for a list. */
  #askMaybeList(command: Command): ClientStep {
    const { verb, argument } = command;
    if (argument === undefined) return this.#forward(verb === 'AUTH' ? 'auth-list' : 'lang-list');
    // A blank alone is an argument to one server and none to another.
    if (standsAlone(command)) return answer(`-ERR ${verb} and then a blank alone`);
    return this.#forward(verb === 'AUTH' ? 'auth' : 'other');
  }

  #forward(asked: Asked): ClientStep {
    this.#asked.push(asked);
    return { do: 'forward' };
  }

  /** A server that ends the session for silence or a shutdown may say so; anything else is wrong. */
  #unasked({ is }: Pop3Status): ServerStep {
    if (is !== 'error' || this.#phase === 'tls') return broken('an answer nobody asked for');
    return this.#leave();
  }

  #answered(asked: Asked, { is, text }: Pop3Status, line: Buffer): ServerStep {
    if (is === 'more') {
      if (asked !== 'auth') return broken(`a challenge in answer to ${asked}`);
      this.#phase = 'answering';
      return { do: 'forward' };
    }
    if (asked === 'quit') return this.#leave();
    if (is === 'error') return asked === 'greeting' ? this.#leave() : { do: 'forward' };
    if (asked === 'login' || asked === 'auth') this.#phase = 'signed-in';
    if (asked.endsWith('-list')) this.#list = asked;
    // Dovecot, to those that may use XCLIENT.
    const offer = /^\[XCLIENT\] ?/i.exec(text)?.[0];
    if (asked !== 'greeting' || offer === undefined) return { do: 'forward' };
    const at = line.indexOf(offer, 0, 'latin1');
    return { do: 'replace', text: `+OK ${line.toString('latin1', at + offer.length)}` };
  }

  #listed(list: Asked, text: string): ServerStep {
    if (text === '.') this.#list = undefined;
    if (list !== 'capa-list') return { do: 'forward' };
    if (text === '.') {
      const needsTls = !this.#secure;
      return needsTls ? { do: 'replace', text: 'STLS\r\n.\r\n' } : { do: 'forward' };
    }
    const capability = (/^\s*([^\s]*)/.exec(text)?.[1] ?? '').toUpperCase();
    const hidden =
      barredCapabilities.has(capability) ||
      (!this.#secure && lasting.has(capability)) ||
      (!this.#showsLogins && loginCapabilities.has(capability));
    return hidden ? { do: 'replace', text: '' } : { do: 'forward' };
  }

  #leave(): ServerStep {
    this.#phase = 'gone';
    this.#asked.length = 0;
    return { do: 'forward' };
  }
}

function answer(text: string): ClientStep {
  return { do: 'answer', text: `${text}\r\n` };
}

function broken(words: string): ServerStep {
  return { do: 'end', reason: 'server-violation', words };
}
