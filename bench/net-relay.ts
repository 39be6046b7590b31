// The relay that anyone would write with Node in an afternoon: a yardstick. It costs on every machine
// what Node costs there, so a ratio to it can be compared between machines.
// Arguments: port, `address:port` of each server; with TLS also --cert FILE and --key FILE.

import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cert: { type: 'string' }, key: { type: 'string' } }
});
const [port, ...servers] = positionals;
const { cert, key } = values;
let turn = 0;

const listener =
  cert === undefined || key === undefined
    ? createServer({ allowHalfOpen: true, noDelay: true }, relay)
    : createTlsServer(
        { cert: readFileSync(cert), key: readFileSync(key), allowHalfOpen: true, noDelay: true },
        relay
      );
listener.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });

function relay(client: Socket): void {
  const [host, serverPort] = servers[turn++ % servers.length]?.split(':') ?? [];
  const server = connect({
    host: host ?? '',
    port: Number(serverPort),
    allowHalfOpen: true,
    noDelay: true
  });
  const cut = (): void => {
    client.destroy();
    server.destroy();
  };
  client.on('error', cut);
  server.on('error', cut);
  client.pipe(server);
  server.pipe(client);
}
