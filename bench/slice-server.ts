// The real servers of the benches that work in slices, in the bench's own process: their CPU time
// counts for nobody.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { answerBody, checkBody, checkPath, serverAddresses } from './workload.ts';

export interface SliceServer {
  readonly port: number;
  close(): void;
}

const answer = answerWith(answerBody);
const checkAnswer = answerWith(checkBody);
const checkLine = `GET ${checkPath} `;

/** One port at all server addresses. A request whose path holds `heldPath` is never answered. */
export async function startSliceServer(fixedPort = 0): Promise<SliceServer> {
  const listeners = serverAddresses.map(() => createServer({ noDelay: true }, serve));
  let port = fixedPort;
  for (const [n, listener] of listeners.entries()) {
    listener.listen({ port, host: serverAddresses[n] ?? '', backlog: 4096 });
    await once(listener, 'listening');
    ({ port } = listener.address() as AddressInfo);
  }
  return { port, close: () => listeners.forEach((listener) => listener.close()) };
}

export const heldPath = '/mapi/held';

function serve(socket: Socket): void {
  let pending: Buffer | undefined;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let rest = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    for (let end; (end = rest.indexOf('\r\n\r\n')) !== -1; rest = rest.subarray(end + 4)) {
      const start = rest.toString('latin1', 0, Math.min(end, 32));
      if (start.startsWith(`GET ${heldPath}`)) continue;
      socket.write(start.startsWith(checkLine) ? checkAnswer : answer);
    }
    pending = rest.length > 0 ? rest : undefined;
  });
}

function answerWith(body: string): Buffer {
  return Buffer.from(
    'HTTP/1.1 200 OK\r\nServer: slices\r\nContent-Type: text/html\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`
  );
}

if (import.meta.main) await startSliceServer(Number(process.argv[2]));
