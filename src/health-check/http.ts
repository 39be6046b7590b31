// The HTTP and HTTPS checks: one request on a connection of its own, and the status of the answer
// decides. Written on bare sockets so that the bytes are exactly those a LoadMaster sends (an
// HTTP/1.0 request without Host among them) and so that a failure can quote what came back.

import { isIPv6, type Socket } from 'node:net';
import type { CheckOptions, CheckTarget, HealthCheck } from './health-check.ts';
import { AnswerReader, type Reading } from './http-answer.ts';
import { startTls } from './start-tls.ts';
import { connectTcp, explainSocketError, formatTarget } from './tcp.ts';

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
  // SNI goes with a Host of one's own only.
  const host = options.http11 ? givenHost(options) : undefined;
  const socket = await startTls(await connectTcp(target, signal), target, host, signal);
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
  const reader = new AnswerReader(options);
  let why = 'the server closed the connection';
  try {
    socket.write(formatRequest(question.target, options), 'latin1');
    if ((await readAnswer(socket, reader)) === 'up') return;
  } catch (error) {
    why = signal.aborted ? 'no answer in time' : explainSocketError(error);
  } finally {
    socket.destroy();
  }
  throw reader.explain(sent, why);
}

/** By plain events: Node makes an error with a stack whenever a loop over a socket is left early. */
async function readAnswer(socket: Socket, reader: AnswerReader): Promise<Reading> {
  const { promise, resolve, reject } = Promise.withResolvers<Reading>();
  let reading: Reading = 'incomplete';
  let grace: NodeJS.Timeout | undefined;
  socket.on('data', (chunk) => {
    // More may come in the same turn; what was decided stays so.
    if (reading === 'up' || reading === 'decided') return;
    reading = reader.take(chunk);
    if (reading === 'up' || reading === 'decided') resolve(reading);
    else if (reading === 'refusal') grace ??= setTimeout(() => socket.destroy(), bodyGraceMs);
  });
  socket.on('end', () => resolve(reading === 'incomplete' ? reader.end() : reading));
  socket.on('error', reject);
  socket.on('close', () => resolve(reading));
  // Whoever is gone already tells nobody any more.
  if (socket.destroyed) reject(socket.errored ?? new Error('connection closed'));
  try {
    return await promise;
  } finally {
    clearTimeout(grace);
  }
}

function formatRequest(target: CheckTarget, options: CheckOptions): string {
  const { http11, method, headers, postData } = options;
  let head = `${requestLine(options)}\r\n`;
  if (http11 && !headers.some(isHost)) head += `Host: ${hostField(target, options)}\r\n`;
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  // The bytes of UTF-8, since all is written as latin1.
  const body = method === 'POST' ? Buffer.from(postData ?? '').toString('latin1') : '';
  if (method === 'POST') head += `Content-Length: ${body.length}\r\n`;
  if (http11) head += 'Connection: close\r\n';
  return `${head}\r\n${body}`;
}

function requestLine(options: CheckOptions): string {
  return `${options.method} ${options.url} HTTP/1.${options.http11 ? '1' : '0'}`;
}

function hostField({ address }: CheckTarget, options: CheckOptions): string {
  return givenHost(options) ?? (isIPv6(address) ? `[${address}]` : address);
}

/** The administrator's Host: one among further fields goes before the one for HTTP/1.1. */
function givenHost({ host, headers }: CheckOptions): string | undefined {
  return headers.find(isHost)?.[1] ?? host;
}

function isHost([name]: readonly [name: string, value: string]): boolean {
  return name.toLowerCase() === 'host';
}

function describe(scheme: string, target: CheckTarget, options: CheckOptions): string {
  const host = options.http11 ? ` (Host: ${hostField(target, options)})` : '';
  return `sent "${requestLine(options)}"${host} to ${scheme}://${formatTarget(target)}`;
}
