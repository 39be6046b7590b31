// A request is a use of its session for as long as anything of it moves: a download longer than the
// idle time was cut in the middle.

import type { Socket } from 'node:net';
import t from 'tap';
import { ask, logOn, scene } from './pre-auth-scene.ts';

t.test('what runs is a use of its session whenever something moved', async (t) => {
  const { site, client, origin, passes } = await scene(t);
  const { session } = await logOn(client);
  const serving = Promise.withResolvers<Socket>();
  origin.serve((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n');
    serving.resolve(socket);
  });
  client.send(`GET /owa/attachment HTTP/1.1\r\nHost: mail.example.com\r\n${session}\r\n`);
  const server = await serving.promise;
  await client.until('\r\n\r\n');
  const key = passes.asked[0]?.ask.key;
  for (let n = 1; n <= 2; n++) {
    server.write('0123456789');
    await client.take(10);
    site.sweepAfter(0);
    t.strictSame(passes.uses, Array(n).fill(key));
    site.sweepAfter(0);
    t.equal(passes.uses.length, n, 'silence is none');
  }
  server.write('0123456789');
  await client.take(10);
  site.sweepAfter(0);
  t.equal(passes.uses.length, 2, 'nor is what is over');
});

t.test('what needs no session uses none', async (t) => {
  const { site, client, open, passes } = await scene(t);
  const serving = Promise.withResolvers<Socket>();
  open.serve((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no');
    serving.resolve(socket);
  });
  const answer = ask(client, '/else');
  const server = await serving.promise;
  site.sweepAfter(0);
  server.write('k');
  await answer;
  t.strictSame(passes.uses, []);
});
