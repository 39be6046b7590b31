// The body of a request that Ballast answers itself (a login form): the only one that is ever kept,
// and so it is small and must come soon.

import { ProxyError } from '../error.ts';
import type { Receiver } from '../net/connection.ts';
import type { Exchange } from './exchange.ts';

const bodyTimeMs = 30_000;

/**
 * Resolves to the data of the request's body; undefined where it is longer than `bytesMax`, and the
 * rest of it is not read. Rejects with `ProxyError`.
 */
export function readSmallBody(exchange: Exchange, bytesMax: number): Promise<Buffer | undefined> {
  const { session, request } = exchange;
  const { client, requestBody: body } = session;
  if (request.contentLength > bytesMax) return Promise.resolve(undefined);
  body.begin(request.framing, request.contentLength);
  return new Promise((resolve, reject) => {
    const runs: Buffer[] = [];
    let length = 0;
    const late = setTimeout(() => {
      fail(new ProxyError('request-timeout', 'client', 'request body too slow'));
    }, bodyTimeMs);
    const settle = (data: Buffer | undefined): void => {
      clearTimeout(late);
      // Whatever else comes waits for the next exchange.
      client.receive(session);
      resolve(data);
    };
    const fail = (error: unknown): void => {
      clearTimeout(late);
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const take = (bytes: Buffer): void => {
      const end = body.advance(bytes, 0, (from, to) => {
        length += to - from;
        if (length <= bytesMax) runs.push(Buffer.from(bytes.subarray(from, to)));
      });
      if (length > bytesMax) return settle(undefined);
      if (end < bytes.length) client.hold(bytes.subarray(end));
      if (body.done) settle(Buffer.concat(runs));
    };
    const receiver: Receiver = {
      onBytes: (bytes) => {
        try {
          take(bytes);
        } catch (error) {
          fail(error);
        }
      },
      onEnd: () => fail(clientClosed()),
      onClose: () => fail(clientClosed()),
      onDrain: () => {}
    };
    if (body.done) return settle(Buffer.alloc(0));
    if (request.awaitsContinue) client.write(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'));
    client.receive(receiver);
  });
}

function clientClosed(): ProxyError {
  return new ProxyError('client-closed', 'client', 'client closed its connection');
}
