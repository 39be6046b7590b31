// A mail server in a few literal lines: it greets, answers each command by its first word, and keeps
// what it heard and how the client went.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';
import type { Test } from 'tap';

type Answers = Partial<Record<'EHLO' | 'HELO' | 'QUIT' | 'LOGOUT', string>>;

export interface MailPeer {
  readonly address: string;
  readonly port: number;
  /** Said at once; a function does what it likes with the connection. */
  greeting: string | ((socket: Socket) => void);
  /** By the command's first word, IMAP's behind the tag; nothing is said to any other. */
  answers: Answers;
  /** Lines of clients, over all connections, with their ends. */
  readonly heard: string[];
  readonly serverNames: (string | false | null)[];
  /** How the clients went: `end` is a FIN before which all was read. */
  readonly endings: string[];
}

export async function mailPeer(
  t: Test,
  greeting: MailPeer['greeting'],
  answers: Answers = {},
  tls?: TlsOptions
): Promise<MailPeer> {
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    open.add(socket);
    if (tls !== undefined) peer.serverNames.push((socket as TLSSocket).servername ?? null);
    socket.on('close', () => open.delete(socket));
    socket.on('error', (error) => peer.endings.push(error.message));
    socket.on('end', () => {
      peer.endings.push('end');
      socket.end();
    });
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
        const line = text.slice(0, end + 1);
        text = text.slice(end + 1);
        peer.heard.push(line);
        const word = /^(?:b1 )?(\w+)/.exec(line)?.[1] ?? '';
        const answer = peer.answers[word as keyof Answers];
        if (answer !== undefined) socket.write(answer, 'latin1');
      }
    });
    if (typeof peer.greeting === 'string') socket.write(peer.greeting, 'latin1');
    else peer.greeting(socket);
  };
  const half = { allowHalfOpen: true };
  const server =
    tls === undefined ? createServer(half, serve) : createTlsServer({ ...tls, ...half }, serve);
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const log = { heard: [], serverNames: [], endings: [] };
  const peer: MailPeer = { address: '127.0.0.1', port, greeting, answers, ...log };
  return peer;
}
