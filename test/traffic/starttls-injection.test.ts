// What was said in the clear must not count under TLS, on either side, however the network cuts it
// (CVE-2011-0411; the command and response injections of "Why TLS is better without STARTTLS",
// USENIX Security 2021).

import t from 'tap';
import type { Peer } from '../fixture/peer.ts';
import { beginTalk, heard, openMailSite, protocols, scripts, type MailSite } from './mail-talk.ts';

/** How a fatal alert of OpenSSL begins. */
const tlsAlert = '\x15\x03';

/** The client is content with what it got. */
async function over(site: MailSite, client: Peer): Promise<void> {
  client.socket.destroy();
  await site.empty();
}

/** Cuts a text in two, in every way. */
function cuts(text: string): (readonly [string, string])[] {
  return Array.from({ length: text.length }, (_, n) => [text.slice(0, n), text.slice(n)] as const);
}

for (const protocol of protocols) {
  const script = scripts[protocol];

  t.test(`${protocol}: commands behind STARTTLS, cut anywhere`, async (t) => {
    const site = await openMailSite(t, protocol);
    for (const [first, second] of cuts(script.startTls + script.injected)) {
      const { client, server } = await beginTalk(site, script);
      client.send(first);
      await heard(site, first.length);
      client.send(second);
      const seen = await client.rest();
      t.equal(await server.rest(), '', `the server hears nothing of ${JSON.stringify(second)}`);
      // Behind the line alone, it comes to where TLS is expected by now.
      const late = first === script.startTls;
      if (late) t.equal(seen.split(tlsAlert)[0], script.go, 'one answer, and no TLS');
      else t.match(seen, script.violation);
      await over(site, client);
      const { closed, tls } = site.lines.at(-1) ?? {};
      const expected = late ? 'client-closed' : 'protocol-violation';
      t.strictSame({ closed, tls }, { closed: expected, tls: undefined });
    }
  });

  t.test(`${protocol}: commands behind STARTTLS while the server owes an answer`, async (t) => {
    const site = await openMailSite(t, protocol);
    const before = script.ask + script.startTls;
    for (const [first, second] of cuts(before + script.injected)) {
      const { client, server } = await beginTalk(site, script);
      client.send(first);
      await heard(site, first.length);
      client.send(second);
      // Without its answer a later command is not looked at, or it ends the session at once.
      await heard(site, first.length + second.length);
      server.send(script.answer);
      const seen = await client.rest();
      t.notOk(seen.includes(script.go), JSON.stringify(second));
      t.equal((await server.rest()).replace(script.ask, ''), '');
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'protocol-violation', fault: 'client' });
    }
  });

  t.test(`${protocol}: commands behind STARTTLS before the greeting`, async (t) => {
    const site = await openMailSite(t, protocol);
    const client = await site.client();
    client.send(script.startTls + script.injected);
    const server = await site.servers.next();
    await heard(site, script.startTls.length + script.injected.length);
    server.send(script.greeting);
    await client.until('\r\n');
    t.match(await client.rest(), script.violation);
    t.equal(await server.rest(), '');
  });

  t.test(`${protocol}: a hello that does not wait for the answer`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client, server } = await beginTalk(site, script);
    client.send(`${script.startTls}\x16\x03\x01\x00\x05hello`);
    t.match(await client.rest(), script.violation);
    t.equal(await server.rest(), '');
  });

  t.test(`${protocol}: the server speaks between our answer and TLS`, async (t) => {
    const site = await openMailSite(t, protocol);
    for (const [first] of cuts(script.forged).slice(1)) {
      const { client, server } = await beginTalk(site, script);
      client.send(script.startTls);
      await client.until(script.go);
      server.send(first);
      t.equal(await client.rest(), '', 'nothing of it reaches the client');
      await server.ended();
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'protocol-violation', fault: 'server', tls: undefined });
    }
  });

  t.test(`${protocol}: a forged answer, cut anywhere around STARTTLS`, async (t) => {
    const site = await openMailSite(t, protocol);
    for (const [first, second] of cuts(script.forged)) {
      if (first === '') continue;
      const { client, server } = await beginTalk(site, script);
      client.send(script.ask);
      await server.until(script.ask);
      server.send(script.answer + first);
      await client.until(script.shown);
      client.send(script.startTls);
      await heard(site, script.ask.length + script.startTls.length);
      server.send(second);
      // A server of IMAP may speak unasked, but not where TLS begins.
      const seen = await client.rest();
      t.notMatch(seen, /forged/);
      t.notOk(seen.includes(script.go));
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'protocol-violation', fault: 'server' });
    }
  });

  t.test(`${protocol}: an answer behind the answer`, async (t) => {
    const site = await openMailSite(t, protocol);
    const { client, server } = await beginTalk(site, script);
    client.send(script.ask);
    await server.until(script.ask);
    server.send(script.answer + script.forged);
    if (protocol !== 'imap') {
      t.notMatch(await client.rest(), /forged/);
      await over(site, client);
      t.match(site.lines.at(-1), { closed: 'protocol-violation', fault: 'server' });
    } else {
      t.equal(await client.until(script.forged), script.shown + script.forged);
    }
  });
}

t.test('imap: a response with data, cut anywhere around STARTTLS', async (t) => {
  const script = scripts.imap;
  const site = await openMailSite(t, 'imap');
  const response = '* ID ("name" {3}\r\nabc)\r\n';
  for (const [first, second] of cuts(response).slice(1)) {
    const { client, server } = await beginTalk(site, script);
    server.send(first);
    await heard(site, script.greeting.length + first.length, 'server');
    client.send(script.startTls);
    await heard(site, script.startTls.length);
    server.send(second);
    if (first.includes('\n')) {
      t.equal(await client.until('now\r\n'), response + script.go, 'our answer stands behind it');
    } else {
      t.notMatch(await client.rest(), 'ID', 'what had not begun comes no more');
    }
    await over(site, client);
  }
});

t.test('imap: a server that takes the client for signed in is passed over', async (t) => {
  const script = scripts.imap;
  const site = await openMailSite(t, 'imap');
  const client = await site.client();
  const server = await site.servers.next();
  server.send('* PREAUTH ex1 signed in\r\n');
  t.match(await client.rest(), /^\* BYE \[UNAVAILABLE\] .*\r\n$/);
  t.match(site.lines, [{ closed: 'greeting-refused', fault: 'server' }]);
  t.strictSame(site.suspects, ['ex1']);
  const { client: next } = await beginTalk(site, script);
  next.send(script.startTls);
  t.equal(await next.until('\r\n'), script.go);
});
