// How sessions with STARTTLS end: by their peers, by deadlines and limits, and what is said then.

import t from 'tap';
import { servicePlaces } from '../../src/counters.ts';
import type { Peer } from '../fixture/peer.ts';
import {
  beginTalk,
  openMailSite,
  protocols,
  scripts,
  upgrade,
  type MailSite,
  type Talk
} from './mail-talk.ts';

async function over(site: MailSite, ...peers: Peer[]): Promise<void> {
  for (const { socket } of peers) socket.destroy();
  await site.empty();
}

async function ask({ client, server }: Talk, said: string): Promise<void> {
  client.send(said);
  await server.until(said);
}

function handshakes(site: MailSite): { done: number | undefined; failed: number | undefined } {
  const row = site.plan.virtualServices[0]?.counters.row;
  return { done: row?.[servicePlaces.tlsHandshakes], failed: row?.[servicePlaces.tlsFailures] };
}

for (const protocol of protocols) {
  const script = scripts[protocol];
  const words = {
    smtp: { login: /^421 4\.4\.2 /, idle: /^421 4\.4\.2 /, long: /^500 5\.5\.2 /, down: /^421 4/ },
    imap: { login: /^\* BYE /, idle: /^\* BYE /, long: /^\* BYE /, down: /^\* BYE / },
    pop3: { login: /^-ERR /, idle: /^$/, long: /^-ERR /, down: /^-ERR / }
  }[protocol];

  t.test(`${protocol}: nobody signs in`, async (t) => {
    const site = await openMailSite(t, protocol, { loginTimeMs: 20_000 });
    const { client, server } = await beginTalk(site, script);
    site.sweepAfter(19_000);
    t.equal(site.traffic.sessions.size, 1);
    site.sweepAfter(21_000);
    t.match(await client.rest(), words.login);
    t.equal(await server.ended(), 'end');
    await over(site, client);
    t.match(site.lines, [{ closed: 'login-timeout', fault: 'client' }]);

    const waiting = await beginTalk(site, script);
    await ask(waiting, script.ask);
    site.sweepAfter(21_000);
    t.equal(await waiting.client.rest(), '', 'no word that would be taken for the answer');
    t.equal(await waiting.client.ended(), 'reset');

    const signedIn = await upgrade(t, await beginTalk(site, script), script);
    await ask(signedIn, script.login);
    signedIn.server.send(script.welcome);
    await signedIn.client.until(script.welcome);
    site.sweepAfter(21_000);
    await ask(signedIn, 'x');
  });

  t.test(`${protocol}: nobody says anything`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client } = await beginTalk(site, script);
    site.sweepAfter(59_000);
    t.equal(site.traffic.sessions.size, 1);
    site.sweepAfter(61_000);
    t.match(await client.rest(), words.idle);
    await over(site, client);
    t.match(site.lines, [{ closed: 'idle' }]);

    const inTls = await upgrade(t, await beginTalk(site, script), script);
    await ask(inTls, script.ask);
    inTls.server.send(script.answer);
    await inTls.client.until(script.shownInTls);
    site.sweepAfter(61_000);
    t.match(await inTls.client.rest(), words.idle);
  });

  t.test(`${protocol}: a line too long, in clear and under TLS`, async (t) => {
    const site = await openMailSite(t, protocol, { lineBytesMax: 1000 });
    for (const end of ['', '\r\n']) {
      const clear = await beginTalk(site, script);
      clear.client.send('x'.repeat(1000) + end);
      t.match(await clear.client.rest(), words.long);
      t.equal(await clear.server.rest(), '', 'nothing of it reaches the server');
      await over(site, clear.client);
      t.match(site.lines.at(-1), { closed: 'line-too-long', fault: 'client' });
      const inTls = await upgrade(t, await beginTalk(site, script), script);
      inTls.client.send('x'.repeat(1000) + end);
      t.match(await inTls.client.rest(), words.long);
      t.equal(await inTls.server.rest(), '');
      await over(site, inTls.client);
    }
  });

  t.test(`${protocol}: a line of the server too long`, async (t) => {
    const site = await openMailSite(t, protocol);
    const talk = await beginTalk(site, script);
    await ask(talk, script.ask);
    talk.server.send('x'.repeat(70_000));
    t.equal(await talk.client.rest(), '');
    await over(site, talk.client);
    t.match(site.lines, [{ closed: 'protocol-violation', fault: 'server' }]);
  });

  t.test(`${protocol}: a client that says good-bye and ends its side`, async (t) => {
    const [quit, answer] = {
      smtp: ['QUIT\r\n', '221 bye\r\n'],
      imap: ['q LOGOUT\r\n', '* BYE\r\nq OK bye\r\n'],
      pop3: ['QUIT\r\n', '+OK bye\r\n']
    }[protocol] as [string, string];
    const site = await openMailSite(t, protocol);
    for (const inTls of [false, true]) {
      const clear = await beginTalk(site, script);
      const { client, server } = inTls ? await upgrade(t, clear, script) : clear;
      client.send(`${quit}half a l`);
      client.socket.end();
      t.equal(await server.until(quit), quit);
      server.send(answer);
      t.equal(await server.rest(), '', 'half a line is none');
      server.socket.end();
      t.equal(await client.rest(), answer);
      t.equal(client.ending, 'end');
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'client-ended', fault: undefined });
    }
  });

  t.test(`${protocol}: a server that goes`, async (t) => {
    const site = await openMailSite(t, protocol);
    const first = await beginTalk(site, script);
    first.server.socket.end();
    t.equal(await first.client.ended(), 'end');
    await over(site, first.client);
    t.match(site.lines.at(-1), { closed: 'server-ended' });

    for (const how of ['end', 'resetAndDestroy'] as const) {
      for (const said of [script.ask, script.startTls]) {
        const { client, server } = await beginTalk(site, script);
        client.send(said);
        await (said === script.ask ? server.until(said) : client.until(script.go));
        server.socket[how]();
        const ending = await client.ended();
        if (said === script.ask) t.equal(ending, 'reset', 'the client can tell what it is');
        await over(site, client);
        t.match(site.lines.at(-1), { closed: 'server-closed', fault: 'server' });
      }
    }
  });

  t.test(`${protocol}: a client that is cut`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client, server } = await beginTalk(site, script);
    client.socket.resetAndDestroy();
    t.equal(await server.ended(), 'reset');
    await over(site);
    t.match(site.lines, [{ closed: 'client-closed' }]);
  });

  t.test(`${protocol}: handshakes that come to nothing`, async (t) => {
    const site = await openMailSite(t, protocol);
    const ways: readonly [string, (client: Peer) => void, RegExp][] = [
      ['a client that goes', ({ socket }) => socket.resetAndDestroy(), /client gone/],
      ['a client that ends its side', ({ socket }) => socket.end('\x16'), /client gone/],
      ['no TLS', (client) => client.send('NOOP\r\n'), /wrong version number/],
      ['silence', () => {}, /TLS handshake timeout/]
    ];
    for (const [what, act, reason] of ways) {
      const { client, server } = await beginTalk(site, script);
      client.send(script.startTls);
      await client.until(script.go);
      act(client);
      await server.ended();
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'client-closed', reason, tls: undefined }, what);
    }
    t.strictSame(handshakes(site), { done: 0, failed: 4 });
    await ask(await upgrade(t, await beginTalk(site, script), script), script.ask);
    t.strictSame(handshakes(site), { done: 1, failed: 4 });
  });

  t.test(`${protocol}: Ballast goes`, async (t) => {
    const site = await openMailSite(t, protocol);
    const talk = await beginTalk(site, script);
    await ask(talk, script.ask);
    for (const session of site.traffic.sessions) session.drain();
    site.sweepAfter(10_000);
    talk.server.send(script.answer);
    t.equal(await talk.client.until(script.shown), script.shown, 'an answer is waited for');
    site.sweepAfter(10_000);
    t.match(await talk.client.rest(), words.down);
    await over(site, talk.client);
    t.match(site.lines, [{ closed: 'draining' }]);
  });

  t.test(`${protocol}: cut by Ballast while TLS begins`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client, server } = await beginTalk(site, script);
    client.send(script.startTls);
    await client.until(script.go);
    for (const session of site.traffic.sessions) session.destroy();
    await client.ended();
    await server.ended();
    await over(site, client);
    t.match(site.lines, [{ closed: 'drained' }]);
    t.equal(site.lines.length, 1);
  });
}

t.test('smtp: who has sent mail has time', async (t) => {
  const site = await openMailSite(t, 'smtp', { loginTimeMs: 20_000 });
  const talk = await beginTalk(site, scripts.smtp);
  const said = 'HELO c\r\nMAIL FROM:<a@c>\r\nRCPT TO:<b@c>\r\nDATA\r\n.\r\n'.split(/(?<=\n)/);
  const answers = ['250 ex1', '250 ok', '250 ok', '354 go', '250 taken'];
  for (const [n, line] of said.entries()) {
    await ask(talk, line);
    talk.server.send(`${answers[n]}\r\n`);
    await talk.client.until(`${answers[n]}\r\n`);
  }
  site.sweepAfter(21_000);
  await ask(talk, 'NOOP\r\n');
});
