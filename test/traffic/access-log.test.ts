// At which level a request is logged, and what its line has of a path that wants to be more than one.

import t from 'tap';
import { listenPeer } from '../fixture/peer.ts';
import { openSite } from '../fixture/site.ts';

interface Line {
  readonly level: string;
  readonly fields: Record<string, unknown>;
}

t.test('a request that failed warns, whatever its path', async (t) => {
  const origin = await listenPeer(t);
  const site = await openSite(t, { servers: [origin.port] });
  const lines: Line[] = [];
  const ended = Promise.withResolvers<void>();
  site.traffic.log.line = (level, fields) => {
    lines.push({ level, fields: { ...fields } });
    if (lines.length === 2) ended.resolve();
  };
  const client = await site.client();
  client.send('GET /a"b\\c,"level":"fatal"}\x85\xe4 HTTP/1.1\r\nHost: a\r\n\r\n');
  const server = await origin.next();
  await server.until('\r\n\r\n');
  server.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  await client.message();
  client.send('GET /b HTTP/1.1\r\nHost: a\r\n\r\n');
  await server.until('/b');
  server.socket.destroy();
  await ended.promise;
  t.match(lines, [
    { level: 'info', fields: { path: '/a"b\\c,"level":"fatal"}%85\xe4', status: 200 } },
    { level: 'warn', fields: { path: '/b', fault: 'server' } }
  ]);
});
