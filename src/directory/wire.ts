// A connection to a directory server on which only whole, well-formed messages arrive, one a read,
// and not too many of them. TLS by STARTTLS begins here as well: a library that reads on with what
// it had before the handshake would take an answer that somebody put there in the clear for the
// server's own (as CVE-2011-0411 in SMTP).

import { connect, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { answerBytesMax, checkMessage, extendedResult, messageLength } from './ber.ts';
import type { ServerAddress } from './settings.ts';
import { explainCode } from './verdict.ts';

export interface WireOptions {
  readonly transport: 'ldap' | 'starttls' | 'ldaps';
  readonly verify: boolean;
  readonly secureContext: SecureContext | undefined;
}

/** Opens it; gives up when the signal says so. Throws the reason, which names no server. */
export async function openWire(
  { host, port }: ServerAddress,
  { transport, verify, secureContext }: WireOptions,
  signal: AbortSignal
): Promise<Wire> {
  const tls = {
    host,
    // An IP address must never stand in it (RFC 6066 3).
    servername: isIP(host) === 0 ? host : '',
    rejectUnauthorized: verify,
    ...(secureContext !== undefined && { secureContext })
  };
  if (transport === 'ldaps') {
    return new Wire(await opened(connectTls({ ...tls, port }), 'secureConnect', signal));
  }
  const plain = await opened(connect({ host, port, noDelay: true }), 'connect', signal);
  if (transport === 'ldap') return new Wire(plain);
  await askForTls(plain, signal);
  return new Wire(await opened(connectTls({ ...tls, socket: plain }), 'secureConnect', signal));
}

function opened<Opened extends Socket>(
  socket: Opened,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal
): Promise<Opened> {
  return whileOpen(socket, signal, 'it closed the connection', (resolve) => {
    socket.once(event, () => resolve(socket));
  });
}

/** RFC 4511 4.14: message 1, an extended request with the name of StartTLS. */
const startTlsRequest = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037')
]);

async function askForTls(socket: Socket, signal: AbortSignal): Promise<void> {
  let received: Buffer = Buffer.alloc(0);
  let gather: ((chunk: Buffer) => void) | undefined;
  const ifClosed = 'it closed the connection when it was asked for StartTLS';
  const answer = await whileOpen<Buffer>(socket, signal, ifClosed, (resolve, reject) => {
    gather = (chunk) => {
      received = Buffer.concat([received, chunk]);
      try {
        const length = messageLength(received);
        if (length === undefined || received.length < length) return;
        if (received.length > length) throw new Error('it sent more before TLS than its answer');
        checkMessage(received);
        // Whatever else comes is the handshake's to read.
        socket.pause();
        resolve(received);
      } catch (error) {
        reject(error);
      }
    };
    socket.on('data', gather);
    socket.write(startTlsRequest);
  });
  if (gather !== undefined) socket.off('data', gather);
  const code = extendedResult(answer);
  if (code !== 0) {
    socket.destroy();
    throw new Error(`it refused StartTLS: ${explainCode(code)}`);
  }
}

/** Ends with the socket and with the signal; a socket that failed is destroyed. */
function whileOpen<Result>(
  socket: Socket,
  signal: AbortSignal,
  ifClosed: string,
  begin: (resolve: (result: Result) => void, reject: (error: unknown) => void) => void
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const closed = (): void => reject(new Error(ifClosed));
  const aborted = (): void => reject(signal.reason);
  socket.on('error', reject);
  socket.on('close', closed);
  signal.addEventListener('abort', aborted);
  begin(resolve, reject);
  if (signal.aborted) aborted();
  return promise
    .catch((error: unknown) => {
      socket.destroy();
      throw error;
    })
    .finally(() => {
      // Its listener for errors stays: nobody may be listening yet when the next one comes.
      socket.off('close', closed);
      signal.removeEventListener('abort', aborted);
    });
}

export class Wire extends Duplex {
  /** Rejects with the reason when it ends, whoever ended it. */
  readonly ended: Promise<never>;
  readonly #end: (reason: Error) => void;
  readonly #socket: Socket;
  /** Bytes of a message that is not whole yet. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #wanted: number | undefined;
  #bytesLeft = answerBytesMax;

  constructor(socket: Socket) {
    // A read is a message.
    super({ readableObjectMode: true });
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.ended = promise;
    this.#end = reject;
    this.#socket = socket;
    // The library takes its listeners away.
    this.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy(new Error('it closed the connection')));
  }

  override _read(): void {
    // What is asked for is little, and answerBytesMax is all that can come.
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    this.#begun = [];
    this.#end(error ?? new Error('it is closed'));
    done(error);
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return;
    try {
      this.#bytesLeft -= chunk.length;
      if (this.#bytesLeft < 0) throw new Error('its answer is too long');
      this.#begun.push(chunk);
      this.#begunBytes += chunk.length;
      this.#deliver();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #deliver(): void {
    // A head of a message has at most six bytes, so a slow one is joined a few times only.
    if (this.#wanted !== undefined && this.#begunBytes < this.#wanted) return;
    let bytes = Buffer.concat(this.#begun);
    while (bytes.length > 0) {
      this.#wanted = messageLength(bytes);
      if (this.#wanted === undefined || bytes.length < this.#wanted) break;
      const message = bytes.subarray(0, this.#wanted);
      checkMessage(message);
      this.push(message);
      bytes = bytes.subarray(this.#wanted);
      this.#wanted = undefined;
    }
    this.#begun = bytes.length > 0 ? [bytes] : [];
    this.#begunBytes = bytes.length;
  }
}
