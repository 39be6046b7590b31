// What Ballast must know of a mail protocol: how a server greets, what is said when a session ends
// early, and the dialogue up to the point where bytes need no more looking at. Pure: a dialect
// sees lines and says what to do with them, only the session touches sockets.

/** How a server opened: its greeting is complete and welcomes the client, or it does not. */
export type Greeting = 'incomplete' | 'welcome' | 'refusal';

/** Why Ballast ends a session by itself. */
export type FarewellReason =
  'no-server' | 'too-many' | 'idle' | 'login-time' | 'line-too-long' | 'violation' | 'going-down';

export interface Dialect {
  /** Judges what a server sent so far. What is no greeting of this protocol is a refusal. */
  judgeGreeting(bytes: Buffer): Greeting;
  /**
   * What the client is told before the connection ends, with CRLF; '' where the protocol wants
   * silence. `greeted`: it had the server's greeting. `words` are one printable line.
   */
  farewell(reason: FarewellReason, words: string, greeted: boolean): string;
  begin(options: DialogueOptions): Dialogue;
}

export interface DialogueOptions {
  /** TLS is ended here, by STARTTLS: `required` refuses mail and logins before it. */
  readonly startTls: 'no' | 'offered' | 'required';
  /** Whether a password may come in the clear; false hides and refuses logins before TLS. */
  readonly clearLogin: boolean;
  /** Longest line of a client, with its line end. */
  readonly lineBytesMax: number;
}

/** What becomes of a line that a client sent; its line end is part of it. */
export type ClientStep =
  /** To the server as it came. */
  | { readonly do: 'forward' }
  /** Not to the server: this is the answer, once every answer still owed has been given. */
  | { readonly do: 'answer'; readonly text: string }
  /** The same, and then TLS begins. Nothing may have come behind the line. */
  | { readonly do: 'start-tls'; readonly text: string }
  /** The same, and then the session ends: the client cannot be understood safely. */
  | { readonly do: 'end'; readonly reason: FarewellReason; readonly words: string };

/** What becomes of a line that a server sent. */
export type ServerStep =
  | { readonly do: 'forward' }
  /** To the client in place of the line; may be several lines, or none (''). */
  | { readonly do: 'replace'; readonly text: string }
  /** The server broke the protocol. */
  | { readonly do: 'end'; readonly reason: FarewellReason; readonly words: string };

/**
 * How the next bytes of a side are to be taken: line by line, so many bytes of data as they are,
 * or data up to the line with a single dot, whose dots are left alone.
 */
export type Mode =
  | { readonly as: 'lines' }
  | { readonly as: 'data'; readonly length: number }
  | { readonly as: 'dotted' };

export interface Dialogue {
  fromClient(line: Buffer): ClientStep;
  fromServer(line: Buffer): ServerStep;
  /** How the bytes behind the latest line of each side are to be taken. */
  readonly clientMode: Mode;
  readonly serverMode: Mode;
  /** Data of `clientMode` or `serverMode` came to its end: back to lines. */
  clientDataEnded(): void;
  serverDataEnded(): void;
  /** False while the client must wait for an answer before its next bytes can be understood. */
  readonly clientMaySpeak: boolean;
  /** Answers that the server still owes. */
  readonly owed: number;
  /** TLS is up: what the client said before is forgotten, where the protocol says so. */
  tlsBegan(): void;
  /** The client has signed in, or its first mail was taken: the time for that counts no more. */
  readonly settled: boolean;
  /** Nothing that comes needs looking at any more: bytes may be relayed as they are. */
  readonly finished: boolean;
}
