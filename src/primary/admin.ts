// The management listener: plain HTTP for machines, on loopback unless the operator says otherwise.
// It only tells; nothing can be changed through it.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { expositionType } from './exposition.ts';

const textType = 'text/plain; charset=utf-8';
const jsonType = 'application/json';

export interface AdminSource {
  /** Undefined when ready; otherwise why not. */
  readonly notReady: () => string | undefined;
  readonly status: () => object;
  readonly metrics: () => string;
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
  if (request.method !== 'GET') {
    response.setHeader('Allow', 'GET');
    return send(response, 405, 'only GET\n');
  }
  const [path = ''] = (request.url ?? '').split('?', 1);
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
      return send(response, 200, `${JSON.stringify(source.status(), null, 2)}\n`, jsonType);
    case '/metrics':
      return send(response, 200, source.metrics(), expositionType);
    default:
      return send(response, 404, 'there are /live, /ready, /status and /metrics\n');
  }
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
