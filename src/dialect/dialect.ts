// What Ballast must know of a mail protocol: how a server greets, what is said when a session ends
// early, and the dialogue up to the point where bytes need no more looking at. Pure: a dialect
// sees lines and says what to do with them, only the session touches sockets. Every text is ready
// to be sent, a character a byte (latin1).

import type { Mode } from '../line/gatherer.ts';
import type { Refusal } from './recipients.ts';

/** How a server opened: its greeting is complete and welcomes the client, or it does not. */
export type Greeting = 'incomplete' | 'welcome' | 'refusal';

/** Why Ballast ends a session by itself; `violation` is the client's, the other the server's. */
export type FarewellReason =
  | 'no-server'
  | 'too-many'
  | 'idle'
  | 'login-time'
  | 'line-too-long'
  | 'violation'
  | 'server-violation'
  /** Where a mail ends, or a line of it, is not the same for all programs. */
  | 'unclear-mail'
  | 'recipients-refused'
  | 'going-down';

export interface Dialect {
  /**
   * Judges what a server sent so far, all of it. What is no greeting of this protocol is a refusal,
   * and so is, where STARTTLS is `toCome` here, one that takes the client for signed in.
   */
  judgeGreeting(bytes: Buffer, toCome?: boolean): Greeting;
  /**
   * What the client is told before the connection ends, with CRLF; '' where the protocol wants
   * silence. `greeted`: it had the server's greeting. `words` are one printable line.
   */
  farewell(reason: FarewellReason, words: string, greeted: boolean): string;
  /** The first line that `fromServer` gets is the greeting; until it is whole no client may speak. */
  begin(options: DialogueOptions): Dialogue;
}

export interface DialogueOptions {
  /**
   * TLS is ended here, by STARTTLS: `required` refuses mail and logins before it. `no`: it is ended
   * before the dialogue began or not at all, so there is none to come and nothing to wait for.
   */
  readonly startTls: 'no' | 'offered' | 'required';
  /** Whether a password may come before STARTTLS; false hides and refuses logins until then. */
  readonly clearLogin: boolean;
  /** The server believes us who the client is: followed to the end, so that only we say so. */
  readonly xclient?: boolean;
  /** Mail is taken for these only; followed to the end. SMTP alone knows it. */
  readonly recipients?: { readonly allowedDomains: readonly string[] } | undefined;
}

/** What becomes of a line that a client sent; its line end is part of it. */
export type ClientStep =
  /** To the server as it came. */
  | { readonly do: 'forward' }
  /**
   * Not to the server: this is the answer, once every answer still owed has been given. Until then
   * the client's next line must wait. '' is no answer yet: the line is one of several that are
   * dropped together, and the last of them is answered. `refused`: a recipient was.
   */
  | { readonly do: 'answer'; readonly text: string; readonly refused?: Refusal }
  /** The same, and then TLS begins. Nothing may have come behind the line. */
  | { readonly do: 'start-tls'; readonly text: string }
  /** Not to the server, and the session ends: the client cannot be understood safely. */
  | {
      readonly do: 'end';
      readonly reason: FarewellReason;
      readonly words: string;
      readonly refused?: Refusal;
    };

/** What becomes of a line that a server sent. */
export type ServerStep =
  | { readonly do: 'forward' }
  /** To the client in place of the line; may be several lines, or none (''). */
  | { readonly do: 'replace'; readonly text: string }
  /** The server broke the protocol: nothing of this line or behind it may reach the client. */
  | { readonly do: 'end'; readonly reason: FarewellReason; readonly words: string };

/**
 * How the next bytes of the client are to be taken. Data of a command that was not forwarded are
 * dropped likewise.
 */
export type ClientMode = Mode & { readonly dropped?: boolean };

export interface Dialogue {
  /** A whole line, while `clientMaySpeak` and `clientMode` is lines. */
  fromClient(line: Buffer): ClientStep;
  /** A whole line, while `serverMode` is lines. */
  fromServer(line: Buffer): ServerStep;
  /** How the bytes behind the latest line of each side are to be taken. */
  readonly clientMode: ClientMode;
  readonly serverMode: Mode;
  /** Data of `clientMode` or `serverMode` came to its end: back to lines. */
  clientDataEnded(): void;
  serverDataEnded(): void;
  /**
   * False while the client's next bytes must not be looked at, since only an answer decides what
   * they are, or since too many answers are owed. They wait; nobody reads more of them than fit.
   */
  readonly clientMaySpeak: boolean;
  /** Answers that the server still owes: its greeting too, and the rest of what it has begun. */
  readonly owed: number;
  /** TLS is up: what the client said before is forgotten, where the protocol says so. */
  tlsBegan(): void;
  /** The client has signed in, or its first mail was taken: the time for that counts no more. */
  readonly settled: boolean;
  /**
   * Nothing that comes needs looking at any more: bytes may be relayed as they are, those that wait
   * as well. Changes with a line of the server; what is owed then needs no looking at either.
   */
  readonly finished: boolean;
}
