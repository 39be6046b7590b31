// All sockets are read into one buffer. Whatever is still to be written, or waits for its receiver,
// must not stand in it any more: the next read of any other socket would change it.

import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import type { Peer } from '../fixture/peer.ts';
import { seeded } from '../fixture/random.ts';
import { openSite, type SiteOptions } from '../fixture/site.ts';

const clientCount = 12;
const requestsEach = 10;
const bodyBytesMax = 700_000;

const certificate = await selfSignedCertificate('mail', ['127.0.0.1']);
const kinds: readonly [string, SiteOptions][] = [
  ['in clear', {}],
  ['with TLS', { tls: { cert: certificate.chainPem, key: certificate.keyPem } }]
];

/** What client and server make of the same number, so that neither has to send it to be compared. */
function bytesOf(seed: number, length: number): Buffer {
  const random = seeded(seed);
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 512)
    bytes.fill(Math.floor(random() * 256), i, Math.min(length, i + 512));
  return bytes;
}

/** `/SEED/LENGTH` is answered with those bytes, once the same have come as its body. */
async function startOrigin(t: Test): Promise<number> {
  const server = createServer((socket) => {
    let waiting = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      const end = waiting.indexOf('\r\n\r\n') + 4;
      const head = waiting.toString('latin1', 0, Math.max(0, end));
      const [, seed, length, sent] =
        /^POST \/(\d+)\/(\d+) .*Content-Length: (\d+)/s.exec(head) ?? [];
      if (end < 4 || waiting.length < end + Number(sent)) return;
      const body = waiting.subarray(end, end + Number(sent));
      if (!body.equals(bytesOf(Number(seed), Number(sent)))) t.fail(`the body of request ${seed}`);
      waiting = waiting.subarray(end + Number(sent));
      // One that changes on its way, and one that goes on as it came.
      const hop = Number(seed) % 2 === 0 ? 'Connection: keep-alive\r\n' : '';
      socket.write(`HTTP/1.1 200 OK\r\n${hop}Content-Length: ${length}\r\n\r\n`);
      socket.write(bytesOf(Number(seed) + 1, Number(length)));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Most are small; some are larger than the buffers of the kernel. */
function someLength(random: () => number): number {
  return Math.floor(random() ** 4 * bodyBytesMax);
}

async function talk(t: Test, client: Peer, number: number): Promise<void> {
  const random = seeded(number);
  for (let n = 0; n < requestsEach; n++) {
    const seed = number * 1000 + n * 2 + (n % 2);
    const [up, down] = [someLength(random), someLength(random)];
    if (random() < 0.6) client.socket.pause();
    client.send(`POST /${seed}/${down} HTTP/1.1\r\nHost: a\r\nContent-Length: ${up}\r\n\r\n`);
    client.send(bytesOf(seed, up));
    await delay(random() * 20);
    client.socket.resume();
    await client.until('\r\n\r\n');
    const body = await client.take(down);
    if (!body.equals(bytesOf(seed + 1, down))) t.fail(`the body of answer ${seed}`);
  }
  client.socket.destroy();
}

for (const [name, options] of kinds) {
  t.test(`slow readers beside each other get their own bytes, ${name}`, async (t) => {
    const site = await openSite(t, { servers: [await startOrigin(t)], ...options });
    const clients = await Promise.all(Array.from({ length: clientCount }, () => site.client()));
    await Promise.all(clients.map((client, number) => talk(t, client, number)));
    t.pass(`${clientCount * requestsEach} requests`);
    await site.empty();
  });
}
