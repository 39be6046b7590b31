// The corpus of attacks on paths (test/gate/attacks.json) over real sockets: before a form and before
// Basic, by somebody without a session, nothing of any of them reaches a server.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { espSettings } from '../fixture/esp.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { startOrigin } from '../fixture/origin.ts';
import { openSite } from '../fixture/site.ts';
import { html } from './pre-auth-scene.ts';

const { refused, denied, guarded, reserved, hosts } = JSON.parse(
  readFileSync(new URL('../gate/attacks.json', import.meta.url), 'utf8')
) as {
  readonly refused: Readonly<Record<string, readonly string[]>>;
  readonly denied: readonly (readonly [path: string, why: string])[];
  readonly guarded: readonly string[];
  readonly reserved: readonly string[];
  readonly hosts: readonly string[];
};

const paths = [
  ...Object.values(refused).flat(),
  ...denied.map(([path]) => path),
  ...guarded,
  ...reserved
];

for (const clientMode of ['form', 'basic'] as const) {
  t.test(`${clientMode}: ${paths.length} paths and ${hosts.length} hosts`, async (t) => {
    const origin = await startOrigin();
    t.teardown(() => origin.close());
    origin.serve((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
    const esp = espSettings({
      clientMode,
      allowedHosts: ['mail.example.com', 'autodiscover.example.com'],
      allowedDirectories: ['/*'],
      excludedDirectories: ['/owa/guid@corp.example*', '/api']
    });
    const site = await openSite(t, {
      passes: new LocalPasses(),
      subVSs: [{ name: 'All', prefix: '/', servers: [origin.port], settings: { esp } }]
    });
    const heads = [
      ...paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: mail.example.com\r\n`),
      ...paths.map(
        (path) => `GET http://mail.example.com${path} HTTP/1.1\r\nHost: mail.example.com\r\n`
      ),
      ...hosts.map((host) => `GET /owa/ HTTP/1.1\r\nHost: ${host}\r\n`)
    ];
    const statuses = new Map<string, number>();
    for (const head of heads) {
      const answer = await say(site.port, `${head}${html}Connection: close\r\n\r\n`);
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'none';
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (!/^(?:30[12]|40[0134]|414|501)$/.test(status) && !/auth(?:_|%5f)proxy/i.test(head))
        t.fail(`${status} for ${head}`);
      if (origin.seen().length > 0) {
        t.fail(`reached a server: ${head}`);
        origin.forget();
      }
    }
    t.ok(
      heads.length > 500 && [...statuses.values()].some((count) => count > 100),
      JSON.stringify([...statuses])
    );
  });
}

async function say(port: number, bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}
