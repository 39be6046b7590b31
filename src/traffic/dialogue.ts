// A mail session for as long as its lines must be read: from the server's greeting over STARTTLS to
// the point where bytes are just relayed. What a line means is the dialect's matter; here is when
// it may go out, and who has to wait.

import assert from 'node:assert/strict';
import type { ClientStep, Dialogue, FarewellReason } from '../dialect/dialect.ts';
import { ProxyError, type ErrorCode } from '../error.ts';
import { LineGatherer, type Piece } from '../line/gatherer.ts';
import type { Connection, Receiver } from '../net/connection.ts';
import { spokeInClear, Upgrade } from './dialogue-upgrade.ts';
import { logRefusedRecipient } from './esp-log.ts';
import type { Phase, TcpSession } from './tcp-session.ts';

/** What a client that has to wait may send ahead, before it is read no more. */
const aheadBytesMax = 65_536;
/** Lists of capabilities are the longest lines before a login. */
const serverLineBytesMax = 65_536;

/**
 * Follows what is said where that must be known; true when the rest may be relayed without a look
 * at it, false when the session has ended in good order. What was not read yet is held by the
 * connections.
 */
export async function followDialogue(session: TcpSession, server: Connection): Promise<boolean> {
  const { dialect, tcp } = session;
  const { startTls, xclient, recipients } = tcp;
  // What cannot be filtered must not pass.
  assert(recipients === undefined || tcp.protocol === 'smtp');
  const isFollowed = startTls !== 'no' || xclient || recipients !== undefined;
  if (dialect === undefined || !isFollowed) return true;
  return new DialogueFollower(session, server, dialect.begin(tcp)).run();
}

type OwnStep = Exclude<ClientStep, { do: 'forward' }>;

class DialogueFollower implements Phase {
  readonly #session: TcpSession;
  readonly #server: Connection;
  readonly #dialogue: Dialogue;
  readonly #clientSide: Receiver;
  readonly #serverSide: Receiver;
  readonly #fromServer = new LineGatherer(serverLineBytesMax);
  /** Another one once TLS has begun. */
  #fromClient: LineGatherer;
  readonly #done = Promise.withResolvers<boolean>();
  #isDone = false;
  /** Waits until the server has given every answer that it owes. */
  #pending: OwnStep | undefined;
  #upgrade: Upgrade | undefined;
  #clientEnded = false;

  constructor(session: TcpSession, server: Connection, dialogue: Dialogue) {
    this.#session = session;
    this.#server = server;
    this.#dialogue = dialogue;
    this.#clientSide = new ClientSide(this);
    this.#serverSide = new ServerSide(this);
    this.#fromClient = new LineGatherer(session.tcp.lineBytesMax);
  }

  run(): Promise<boolean> {
    this.#session.phase = this;
    this.#listen();
    this.#session.isGreeted = !this.#isDone;
    return this.#done.promise;
  }

  get lastActivityMs(): number {
    return Math.max(this.#session.client.lastActivityMs, this.#server.lastActivityMs);
  }

  /** A line of ours would be taken for an answer while one is owed. */
  get mayInterrupt(): boolean {
    const { owed, serverMode } = this.#dialogue;
    return this.#upgrade === undefined && owed === 0 && serverMode.as === 'lines';
  }

  get isClientsTurn(): boolean {
    const { clientMode } = this.#dialogue;
    const heardAll = this.#fromClient.waiting === 0 && !this.#fromClient.inLine;
    return this.mayInterrupt && this.#mayAnswer && heardAll && clientMode.as === 'lines';
  }

  checkDeadline(nowMs: number): void {
    const { startMs, tcp } = this.#session;
    if (this.#dialogue.settled || nowMs - startMs <= tcp.loginTimeMs) return;
    const words = `nobody signed in within ${tcp.loginTimeMs / 1000} s`;
    this.fail(new ProxyError('login-timeout', 'client', words));
  }

  /** Ends it; whatever is no `ProxyError` is a mistake of ours. */
  fail(error: unknown): void {
    this.#isDone = true;
    this.#upgrade?.fail(error);
    this.#done.reject(error);
  }

  heardClient(bytes: Buffer): void {
    if (this.#isDone) return this.#session.client.hold(bytes);
    if (this.#pending?.do === 'start-tls') {
      this.fail(spokeInClear());
      return;
    }
    this.#fromClient.add(Buffer.from(bytes));
    this.#readClient();
  }

  heardServer(bytes: Buffer): void {
    if (this.#isDone) return this.#server.hold(bytes);
    this.#fromServer.add(Buffer.from(bytes));
    this.#readServer();
  }

  clientEnded(): void {
    if (this.#isDone) return;
    this.#session.endedBy ??= 'client';
    this.#clientEnded = true;
    this.#readClient();
  }

  serverEnded(): void {
    if (this.#isDone) return;
    const { owed, serverMode } = this.#dialogue;
    if (owed > 0 || serverMode.as !== 'lines' || this.#fromServer.inLine) {
      const words = 'the server ended the session while an answer was to come';
      return this.fail(new ProxyError('server-closed', 'server', words));
    }
    this.#session.endedBy ??= 'server';
    this.#finish(false);
  }

  /** A connection is gone before its session was. */
  sideClosed(name: 'client' | 'server', error: Error | undefined): void {
    if (this.#isDone) return;
    // The other end must be able to tell that this was no regular end.
    if (name === 'client') this.#server.abort();
    const why = error === undefined ? 'was cut' : `broke: ${error.message}`;
    this.fail(new ProxyError(`${name}-closed`, name, `the ${name}'s connection ${why}`));
  }

  /** One of them takes bytes again. */
  drained(): void {
    if (this.#isDone) return;
    if (!this.#session.client.socket.writableNeedDrain) this.#server.resume();
    this.#readClient();
  }

  /** The server first: nobody may speak before its greeting. */
  #listen(): void {
    this.#server.receive(this.#serverSide);
    if (!this.#isDone && this.#upgrade === undefined)
      this.#session.client.receive(this.#clientSide);
  }

  get #mayAnswer(): boolean {
    const { owed, serverMode } = this.#dialogue;
    return owed === 0 && serverMode.as === 'lines' && !this.#fromServer.inLine;
  }

  get #isClogged(): boolean {
    const { client } = this.#session;
    return client.socket.writableNeedDrain || this.#server.socket.writableNeedDrain;
  }

  /** The last word has been said: what the client still sends is for nobody. */
  get #isDeaf(): boolean {
    const { clientMaySpeak, owed } = this.#dialogue;
    return !clientMaySpeak && owed === 0 && this.#pending === undefined;
  }

  /** What is ours to say comes first. */
  get #isFinished(): boolean {
    return this.#dialogue.finished && this.#pending === undefined;
  }

  get #clientMayGo(): boolean {
    if (this.#isDone || this.#upgrade !== undefined || this.#pending !== undefined) return false;
    return this.#dialogue.clientMaySpeak && !this.#isClogged;
  }

  /** Takes what the client said as far as that may go now. */
  #readClient(): void {
    const { socket } = this.#server;
    const clientSocket = this.#session.client.socket;
    let heardAll = false;
    socket.cork();
    // Answers of our own as well: a write for each would let short commands hold up all sessions.
    clientSocket.cork();
    try {
      while (this.#clientMayGo) {
        const mode = this.#dialogue.clientMode;
        const piece = this.#fromClient.next(mode);
        heardAll = piece === undefined;
        if (piece === undefined) break;
        this.#takeFromClient(piece, mode.dropped === true);
      }
    } catch (error) {
      this.fail(error);
    }
    clientSocket.uncork();
    socket.uncork();
    if (this.#isDone || this.#upgrade !== undefined) return;
    if (this.#clientEnded && (heardAll || this.#isDeaf)) socket.end();
    const mustWait = !heardAll && this.#fromClient.waiting > aheadBytesMax;
    if (mustWait || this.#isClogged) this.#session.client.pause();
    else this.#session.client.resume();
  }

  #takeFromClient(piece: Piece, dropped: boolean): void {
    if (piece.is === 'broken') return this.#answer({ do: 'end', ...piece });
    if (piece.is === 'data') {
      if (!dropped) this.#toServer(piece.bytes);
      if (piece.ended) this.#dialogue.clientDataEnded();
      return;
    }
    const step = this.#dialogue.fromClient(piece.bytes);
    if (step.do === 'forward') return this.#toServer(piece.bytes);
    const refused = 'refused' in step ? step.refused : undefined;
    if (refused !== undefined) logRefusedRecipient(this.#session, refused);
    this.#answer(step);
  }

  /** In our own name, when it is our turn. */
  #answer(step: OwnStep): void {
    if (step.do === 'start-tls' && this.#fromClient.waiting > 0) return this.fail(spokeInClear());
    if (!this.#mayAnswer) {
      this.#pending = step;
      return;
    }
    this.#pending = undefined;
    if (step.do === 'end') {
      this.fail(new ProxyError(codes[step.reason], 'client', step.words));
      // It must be able to tell that the mail has not ended.
      if (step.reason === 'unclear-mail') this.#server.abort();
    } else if (step.do === 'start-tls') void this.#startTls(step.text);
    else this.#toClient(Buffer.from(step.text, 'latin1'));
  }

  #readServer(): void {
    const { socket } = this.#session.client;
    socket.cork();
    try {
      while (!this.#isDone && !this.#isFinished) {
        const piece = this.#fromServer.next(this.#dialogue.serverMode);
        if (piece === undefined) break;
        this.#takeFromServer(piece);
      }
    } catch (error) {
      this.fail(error);
    }
    socket.uncork();
    if (this.#isDone) return;
    if (socket.writableNeedDrain) this.#server.pause();
    if (this.#pending !== undefined && this.#mayAnswer) this.#answer(this.#pending);
    if (this.#isFinished) this.#finish(true);
    else this.#readClient();
  }

  #takeFromServer(piece: Piece): void {
    if (piece.is === 'broken') {
      return this.fail(new ProxyError('protocol-violation', 'server', piece.words));
    }
    if (piece.is === 'data') {
      this.#toClient(piece.bytes);
      if (piece.ended) this.#dialogue.serverDataEnded();
      return;
    }
    const step = this.#dialogue.fromServer(piece.bytes);
    if (step.do === 'forward') this.#toClient(piece.bytes);
    else if (step.do === 'replace') this.#toClient(Buffer.from(step.text, 'latin1'));
    else this.fail(new ProxyError(codes[step.reason], 'server', step.words));
  }

  async #startTls(text: string): Promise<void> {
    this.#session.bytesToClient += text.length;
    this.#upgrade = new Upgrade(this.#session, this.#server);
    try {
      await this.#upgrade.run(text);
      if (this.#isDone) return;
      this.#upgrade = undefined;
      this.#fromClient = new LineGatherer(this.#session.tcp.lineBytesMax);
      this.#dialogue.tlsBegan();
      this.#listen();
    } catch (error) {
      this.fail(error);
    }
  }

  #toServer(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#session.bytesToServer += bytes.length;
    this.#server.write(bytes);
  }

  #toClient(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#session.bytesToClient += bytes.length;
    this.#session.client.write(bytes);
  }

  /** Whoever comes next finds what was not looked at. */
  #finish(goesOn: boolean): void {
    this.#isDone = true;
    giveBack(this.#fromClient, this.#session.client);
    giveBack(this.#fromServer, this.#server);
    this.#done.resolve(goesOn);
  }
}

const codes: Readonly<Record<FarewellReason, ErrorCode>> = {
  'no-server': 'no-server',
  'too-many': 'too-many-connections',
  idle: 'idle',
  'login-time': 'login-timeout',
  'line-too-long': 'line-too-long',
  violation: 'protocol-violation',
  'server-violation': 'protocol-violation',
  'unclear-mail': 'unclear-mail',
  'recipients-refused': 'recipients-refused',
  'going-down': 'draining'
};

function giveBack(gatherer: LineGatherer, connection: Connection): void {
  const bytes = gatherer.takeAll();
  if (bytes.length > 0) connection.hold(bytes);
}

class ClientSide implements Receiver {
  readonly #follower: DialogueFollower;

  constructor(follower: DialogueFollower) {
    this.#follower = follower;
  }

  onBytes(bytes: Buffer): void {
    this.#follower.heardClient(bytes);
  }

  onEnd(): void {
    this.#follower.clientEnded();
  }

  onClose(error: Error | undefined): void {
    this.#follower.sideClosed('client', error);
  }

  onDrain(): void {
    this.#follower.drained();
  }
}

class ServerSide implements Receiver {
  readonly #follower: DialogueFollower;

  constructor(follower: DialogueFollower) {
    this.#follower = follower;
  }

  onBytes(bytes: Buffer): void {
    this.#follower.heardServer(bytes);
  }

  onEnd(): void {
    this.#follower.serverEnded();
  }

  onClose(error: Error | undefined): void {
    this.#follower.sideClosed('server', error);
  }

  onDrain(): void {
    this.#follower.drained();
  }
}
