// Each answer of Ballast's own was a write of its own, which the system took at once, so the client's
// socket never seemed full: 64 KiB of the shortest commands that are refused were answered in one go,
// and all other sessions of the worker waited 400 ms for it.

import t from 'tap';
import type { TcpSession } from '../../src/traffic/tcp-session.ts';
import { beginTalk, openMailSite, scripts } from '../traffic/mail-talk.ts';

for (const protocol of ['imap', 'pop3'] as const) {
  t.test(`${protocol}: what is refused at once is answered in few writes`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client } = await beginTalk(site, scripts[protocol]);
    const [session] = site.traffic.sessions as Iterable<TcpSession>;
    const socket = session?.client.socket;
    if (socket === undefined) throw new Error('no session');
    let writes = 0;
    const write = socket._write.bind(socket);
    const writev = socket._writev?.bind(socket);
    socket._write = (...parts) => {
      writes++;
      write(...parts);
    };
    socket._writev = (...parts) => {
      writes++;
      writev?.(...parts);
    };

    const lines = 20_000;
    client.send('x\r\n'.repeat(lines));
    for (let n = 0; n < lines; n++) await client.until('\r\n');
    t.ok(writes < lines / 50, `${writes} writes`);
  });
}
