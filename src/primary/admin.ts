// The management listener: plain HTTP for machines, on loopback unless the operator says otherwise.
// It tells how things are; all that can be changed through it is who is signed in or blocked.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { judgeChanger, judgeReader, type Asker } from './admin-guard.ts';
import { expositionType } from './exposition.ts';

const textType = 'text/plain; charset=utf-8';
const jsonType = 'application/json';
/** Of a body; a name needs a part of it. */
const bodyBytesMax = 4096;

export interface AdminSource {
  /** Undefined when ready; otherwise why not. */
  readonly notReady: () => string | undefined;
  readonly status: () => object;
  readonly metrics: () => string;
  readonly sessions: () => object;
  /** Ends all sessions of a user; how many. */
  readonly killSessions: (user: string) => number;
  /** Lets a user who is blocked try again; how many there were. */
  readonly unlock: (user: string) => number;
}

/** Rejects when the address cannot be had. */
export async function openAdmin(
  { address, port }: { readonly address: string; readonly port: number },
  source: AdminSource
): Promise<Server> {
  const limits = {
    headersTimeout: 5000,
    requestTimeout: 5000,
    // Node looks at these times only so often; half requests must not hold all connections.
    connectionsCheckingInterval: 1000,
    maxHeaderSize: 8192
  };
  const server = createServer(limits, (request, response) => answer(request, response, source));
  server.maxConnections = 64;
  server.listen(port, address);
  await once(server, 'listening');
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse, source: AdminSource): void {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const change = changeAt(path, source);
  const method = change === undefined ? 'GET' : 'POST';
  if (request.method !== method) {
    response.setHeader('Allow', method);
    return send(response, 405, `only ${method}\n`);
  }
  if (change !== undefined) return void serveChange(request, response, change);
  switch (path) {
    case '/live':
      return send(response, 200, 'live\n');
    case '/ready': {
      const notReady = source.notReady();
      return notReady === undefined
        ? send(response, 200, 'ready\n')
        : send(response, 503, `${notReady}\n`);
    }
    case '/status':
      return tellReader(request, response, source.status);
    case '/sessions':
      return tellReader(request, response, source.sessions);
    case '/metrics':
      return send(response, 200, source.metrics(), expositionType);
    default:
      return send(response, 404, 'there are /live, /ready, /status, /sessions and /metrics\n');
  }
}

type Change = (user: string) => object;

function changeAt(path: string, source: AdminSource): Change | undefined {
  switch (path) {
    case '/sessions/kill':
      return (user) => ({ ended: source.killSessions(user) });
    case '/sessions/unlock':
      return (user) => ({ unlocked: source.unlock(user) });
    default:
      return undefined;
  }
}

function tellReader(request: IncomingMessage, response: ServerResponse, tell: () => object): void {
  const refused = judgeReader(askerOf(request));
  if (refused !== undefined) return send(response, refused[0], `${refused[1]}\n`);
  sendJson(response, tell());
}

async function serveChange(
  request: IncomingMessage,
  response: ServerResponse,
  change: Change
): Promise<void> {
  const refused = judgeChanger(askerOf(request));
  if (refused !== undefined) return send(response, refused[0], `${refused[1]}\n`);
  const body = await readBody(request);
  if (body === undefined) return send(response, 413, `at most ${bodyBytesMax} bytes\n`);
  const user = userIn(body);
  if (user === undefined) return send(response, 400, 'a body such as {"user": "alice"}\n');
  sendJson(response, change(user));
}

/** Undefined where it is too long; '' where it broke off. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > bodyBytesMax) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return '';
  }
  return Buffer.concat(chunks).toString();
}

function userIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null || !('user' in parsed)) return undefined;
    return typeof parsed.user === 'string' && parsed.user !== '' ? parsed.user : undefined;
  } catch {
    return undefined;
  }
}

function askerOf({ headers, socket }: IncomingMessage): Asker {
  const { host, origin, 'content-type': contentType } = headers;
  const { remoteAddress, localAddress } = socket;
  return { host, origin, contentType, remoteAddress, localAddress };
}

function sendJson(response: ServerResponse, value: object): void {
  send(response, 200, `${JSON.stringify(value, null, 2)}\n`, jsonType);
}

function send(response: ServerResponse, status: number, body: string, type = textType): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // One answer a connection: a body that nobody reads ends with it.
    Connection: 'close'
  });
  response.end(body);
}
