// The HTTP and HTTPS checks: one request on a connection of its own, and the status of the answer
// decides. Written on bare sockets so that the bytes are exactly those a LoadMaster sends (an
// HTTP/1.0 request without Host among them) and so that a failure can quote what came back.

import { once } from 'node:events';
import { constants } from 'node:crypto';
import { isIP, isIPv6, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { addAbortSignal } from 'node:stream';
import { CheckFailure, type CheckOptions, type CheckTarget } from './health-check.ts';
import type { HealthCheck } from './health-check.ts';
import { connectTcp, explainSocketError, formatTarget } from './tcp.ts';

const answerBytesMax = 16 * 1024;
const quotedBytesMax = 100;
/** How long a refusal may take to deliver the body that is quoted from it. */
const bodyGraceMs = 250;

export const checkHttp: HealthCheck = async (target, options, signal) => {
  await ask(await connectTcp(target, signal), describe('http', target, options), {
    target,
    options,
    signal
  });
};

export const checkHttps: HealthCheck = async (target, options, signal) => {
  const socket = await startTls(await connectTcp(target, signal), target, options, signal);
  await ask(socket, describe('https', target, options), { target, options, signal });
};

interface Question {
  readonly target: CheckTarget;
  readonly options: CheckOptions;
  readonly signal: AbortSignal;
}

/** Returns when the answer means "up"; reads no more of it than that takes. */
async function ask(socket: Socket, sent: string, question: Question): Promise<void> {
  const { options, signal } = question;
  let bytes = Buffer.alloc(0);
  let why = 'the server closed the connection';
  let grace: NodeJS.Timeout | undefined;
  try {
    socket.write(formatRequest(question.target, options), 'latin1');
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      const answer = readAnswer(bytes, options.method);
      if (answer === 'up') return;
      if (answer === 'decided' || bytes.length > answerBytesMax) break;
      if (answer === 'refusal') grace ??= setTimeout(() => socket.destroy(), bodyGraceMs);
    }
  } catch (error) {
    why = signal.aborted ? 'no answer in time' : explainSocketError(error);
  } finally {
    clearTimeout(grace);
    socket.destroy();
  }
  throw explainAnswer(bytes, options.method, sent, why);
}

type Reading =
  /** Passed. */
  | 'up'
  /** Failed, and there is nothing more to quote. */
  | 'decided'
  /** Failed; more of the body may come. */
  | 'refusal'
  | 'incomplete';

const statusLinePattern = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?$/;

function readAnswer(bytes: Buffer, method: 'HEAD' | 'GET'): Reading {
  // Whatever does not begin like HTTP will not become it: no need to wait for the end of a line.
  const prefix = bytes.toString('latin1', 0, 7);
  if (!'HTTP/1.'.startsWith(prefix)) return 'decided';
  const lineEnd = bytes.indexOf('\r\n');
  if (lineEnd === -1) return 'incomplete';
  const status = statusOf(bytes.toString('latin1', 0, lineEnd));
  if (status === undefined) return 'decided';
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (isUp(status)) return method === 'HEAD' || headEnd !== -1 ? 'up' : 'incomplete';
  if (method === 'HEAD') return 'decided';
  return headEnd !== -1 && bytes.length - headEnd - 4 >= quotedBytesMax ? 'decided' : 'refusal';
}

function statusOf(line: string): number | undefined {
  const match = statusLinePattern.exec(line);
  return match === null ? undefined : Number(match[1]);
}

/** kemp-traffic 5.2: redirects are not followed, and 401 shows a living server that wants a user. */
function isUp(status: number): boolean {
  return (status >= 200 && status <= 299) || status === 301 || status === 302 || status === 401;
}

function explainAnswer(
  bytes: Buffer,
  method: 'HEAD' | 'GET',
  sent: string,
  why: string
): CheckFailure {
  if (bytes.length === 0) return new CheckFailure(`${sent}; got nothing: ${why}`, false);
  const lineEnd = bytes.indexOf('\r\n');
  const line = bytes.toString('latin1', 0, lineEnd === -1 ? bytes.length : lineEnd);
  const status = lineEnd === -1 ? undefined : statusOf(line);
  if (status !== undefined && !isUp(status)) {
    const headEnd = bytes.indexOf('\r\n\r\n');
    const body = headEnd === -1 || method === 'HEAD' ? '' : quote(bytes.subarray(headEnd + 4));
    const rest = body === '' ? '' : `, body "${body}"`;
    return new CheckFailure(`${sent}; got "${quote(Buffer.from(line, 'latin1'))}"${rest}`, true);
  }
  const got = `got "${quote(bytes)}"`;
  if (bytes.length > answerBytesMax) {
    return new CheckFailure(`${sent}; ${got} and no end of the head in 16 KiB`, true);
  }
  if (readAnswer(bytes, method) === 'incomplete') {
    return new CheckFailure(`${sent}; got only "${quote(bytes)}": ${why}`, false);
  }
  return new CheckFailure(`${sent}; ${got}, which is not HTTP`, true);
}

/** The first bytes, fit for one line of a log. */
function quote(bytes: Buffer): string {
  const cut = bytes.length > quotedBytesMax ? '...' : '';
  const text = bytes.toString('latin1', 0, quotedBytesMax).replaceAll(/[\r\n\t ]+/g, ' ');
  return text.replaceAll(/[^\x20-\x7e]/g, escapeByte).trim() + cut;
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function formatRequest(target: CheckTarget, options: CheckOptions): string {
  const line = requestLine(options);
  if (!options.http11) return `${line}\r\n\r\n`;
  return `${line}\r\nHost: ${hostField(target, options)}\r\nConnection: close\r\n\r\n`;
}

function requestLine(options: CheckOptions): string {
  return `${options.method} ${options.url} HTTP/1.${options.http11 ? '1' : '0'}`;
}

function hostField({ address }: CheckTarget, { host }: CheckOptions): string {
  return host ?? (isIPv6(address) ? `[${address}]` : address);
}

function describe(scheme: string, target: CheckTarget, options: CheckOptions): string {
  const host = options.http11 ? ` (Host: ${hostField(target, options)})` : '';
  return `sent "${requestLine(options)}"${host} to ${scheme}://${formatTarget(target)}`;
}

let oldServersContext: SecureContext | undefined;

async function startTls(
  plain: Socket,
  target: CheckTarget,
  options: CheckOptions,
  signal: AbortSignal
): Promise<Socket> {
  // kemp-traffic 5.2: a check verifies nothing and talks to servers of any age. A context costs
  // a third of a millisecond, so all checks share this one.
  oldServersContext ??= createSecureContext({
    minVersion: 'TLSv1',
    ciphers: 'DEFAULT@SECLEVEL=0',
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT
  });
  const socket = connectTls({
    socket: plain,
    secureContext: oldServersContext,
    rejectUnauthorized: false,
    servername: serverName(options) ?? ''
  });
  socket.on('error', () => {});
  addAbortSignal(signal, socket);
  try {
    await once(socket, 'secureConnect');
    return socket;
  } catch (error) {
    plain.destroy();
    const why = signal.aborted ? 'no end of it in time' : explainSocketError(error);
    throw new CheckFailure(`TLS handshake with ${formatTarget(target)} failed: ${why}`, false);
  }
}

/** SNI goes with a Host of one's own only; an IP address must never stand in it (RFC 6066 3). */
function serverName({ host, http11 }: CheckOptions): string | undefined {
  const name = host?.replace(/:\d+$/, '');
  return !http11 || name === undefined || isIP(name) !== 0 ? undefined : name;
}
