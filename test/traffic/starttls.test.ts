// Sessions with STARTTLS from the greeting to the end, for each protocol.

import t from 'tap';
import { beginTalk, openMailSite, protocols, scripts, upgrade } from './mail-talk.ts';

for (const protocol of protocols) {
  const script = scripts[protocol];

  t.test(`${protocol}: a whole session`, async (t) => {
    const site = await openMailSite(t, protocol);
    const clear = await beginTalk(site, script);
    clear.client.send(script.ask);
    t.equal(await clear.server.until(script.ask), script.ask);
    clear.server.send(script.answer);
    t.equal(await clear.client.until(script.shown), script.shown);
    const { client, server } = await upgrade(t, clear, script);
    client.send(script.ask);
    t.equal(await server.until(script.ask), script.ask, 'the server has seen no STARTTLS');
    server.send(script.answer);
    t.equal(await client.until(script.shownInTls), script.shownInTls);
    client.send(script.login);
    t.equal(await server.until(script.login), script.login);
    server.send(script.welcome);
    t.equal(await client.until(script.welcome), script.welcome);
    // What no dialect would let through.
    const lawless = '\0lawless\n\r.\n';
    client.send(lawless);
    t.equal(await server.until(lawless), lawless);
    server.send(lawless);
    t.equal(await client.until(lawless), lawless);
    client.socket.end();
    t.equal(await server.ended(), 'end');
    server.socket.end();
    t.equal(await client.ended(), 'end');
    await site.empty();
    const asked = script.ask.length * 2 + script.login.length + lawless.length;
    t.match(site.lines, [
      {
        client: '127.0.0.1',
        server: 'ex1',
        tls: 'TLSv1.3',
        closed: 'client-ended',
        bytesToServer: asked
      }
    ]);
    t.equal(site.lines.length, 1);
  });

  t.test(`${protocol}: what waits behind the last line that is read`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client, server } = await upgrade(t, await beginTalk(site, script), script);
    const tail = '\0lawless\n\r.\n';
    client.send(script.login + tail);
    const heardFirst = await server.until(script.login);
    t.equal(heardFirst, script.login);
    t.equal(server.received.length, 0);
    server.send(script.welcome + tail);
    t.equal(await client.until(tail), script.welcome + tail);
    t.equal(await server.until(tail), tail);
  });

  t.test(`${protocol}: a server that offers STARTTLS itself`, async (t) => {
    const offers = {
      smtp: script.answer.replace('250-AUTH', '250-STARTTLS\r\n250-AUTH'),
      imap: script.answer.replace('IMAP4rev1', 'IMAP4rev1 STARTTLS'),
      pop3: script.answer.replace('UIDL\r\n', 'UIDL\r\nSTLS\r\n')
    };
    const site = await openMailSite(t, protocol);
    const clear = await beginTalk(site, script);
    clear.client.send(script.ask);
    await clear.server.until(script.ask);
    clear.server.send(offers[protocol]);
    t.equal(await clear.client.until(script.shown), script.shown, 'it is ours, and stands once');
    const { client, server } = await upgrade(t, clear, script);
    client.send(script.ask);
    await server.until(script.ask);
    server.send(offers[protocol]);
    t.equal(await client.until(script.shownInTls), script.shownInTls, 'under TLS nobody offers it');
    client.send(script.startTls);
    t.match(await client.until('\r\n'), /^(503|b BAD|-ERR) /, 'nor does it');
    t.equal(server.received.length, 0);
  });

  t.test(`${protocol}: no login in the clear`, async (t) => {
    const login = protocol === 'smtp' ? 'AUTH PLAIN AHUAcA==\r\n' : script.login;
    const refusal = /^(538 |l NO \[PRIVACYREQUIRED\] |-ERR )/;
    const site = await openMailSite(t, protocol);
    const { client, server } = await beginTalk(site, script);
    if (protocol === 'smtp') {
      client.send('EHLO c\r\n');
      await server.until('EHLO c\r\n');
      server.send('250 ex1\r\n');
      await client.until('STARTTLS\r\n');
    }
    client.send(login);
    t.match(await client.until('\r\n'), refusal);
    t.equal(server.received.length, 0);

    const lax = await openMailSite(t, protocol, { clearLogin: true });
    const talk = await beginTalk(lax, script);
    talk.client.send(login);
    t.equal(await talk.server.until(login), login);
  });
}
