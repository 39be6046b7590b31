// Real mail servers and workers that die under two hundred sessions, and a reload under them.

import { once } from 'node:events';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { readStatus, serviceOf, statusWhen } from '../fixture/exchange-site.ts';
import { beginTls, dialMail } from '../fixture/mail-client.ts';
import { mailPassword, missingForMail } from '../fixture/mail-store.ts';
import { startMailSite, type MailService, type MailSite } from '../fixture/mail-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(100_000);

const skip = missingForMail();
const half = 100;

interface Session {
  readonly client: Peer;
  /** The server that greeted. */
  readonly by: string;
}

interface MailSession extends Session {
  readonly from: string;
}

/** The client of each number has an address of its own. */
function addressOf(n: number): string {
  return `127.0.20.${n + 1}`;
}

async function greeted(client: Peer): Promise<string> {
  const greeting = await client.until('\r\n');
  return /^(?:\* OK|\+OK|220) .*\b(mx[12])\b/.exec(greeting)?.[1] ?? greeting;
}

/** Half of them with TLS from the start, half by STARTTLS. */
async function openImap(t: Test, site: MailSite, n: number): Promise<Session> {
  const service = n % 2 === 0 ? 'imapsOffloaded' : 'imapStartTls';
  const fresh = await dialMail(t, site, service);
  const by = await greeted(fresh);
  const client = await beginTls(t, fresh, service);
  client.send(`a1 LOGIN u1 ${mailPassword}\r\n`);
  await client.until('a1 OK');
  return { client, by };
}

async function openSmtp(t: Test, site: MailSite, from: string): Promise<MailSession> {
  const client = await dialMail(t, site, 'smtp', from);
  const by = await greeted(client);
  client.send('EHLO client.test\r\n');
  await client.until('\r\n250 ');
  return { client, by, from };
}

/** Many, a few at a time, as clients come that connect anew. */
async function openAll<S>(count: number, open: (n: number) => Promise<S>): Promise<S[]> {
  const sessions: S[] = [];
  for (let n = 0; n < count; n += 20) {
    const some = Math.min(20, count - n);
    sessions.push(...(await Promise.all(Array.from({ length: some }, (_, i) => open(n + i)))));
  }
  return sessions;
}

/** What belongs to the answers that are still on their way is skipped. */
async function answers({ client }: Session, command: string, mark: string): Promise<boolean> {
  client.send(`${command}\r\n`);
  return client.until(mark).then(
    () => true,
    () => false
  );
}

const imapLives = (session: Session): Promise<boolean> =>
  answers(session, 'a2 NOOP', 'a2 OK NOOP completed');
const smtpLives = (session: Session): Promise<boolean> => answers(session, 'NOOP', '250 2.0.0 Ok');

async function alive<S extends Session>(
  sessions: readonly S[],
  lives: (session: S) => Promise<boolean>
): Promise<S[]> {
  const verdicts = await Promise.all(sessions.map(lives));
  return sessions.filter((_, n) => verdicts[n]);
}

function on(server: string, sessions: readonly Session[]): number {
  return sessions.filter(({ by }) => by === server).length;
}

/** Workers take turns each for itself, so the shares are not exactly equal. */
function isShared(sessions: readonly Session[]): boolean {
  return ['mx1', 'mx2'].every((server) => on(server, sessions) >= sessions.length * 0.3);
}

function hangUp(sessions: readonly Session[]): void {
  for (const { client } of sessions) client.socket.destroy();
}

/** True when every client is greeted by the server where it was before. */
async function sameServers(
  t: Test,
  site: MailSite,
  sessions: readonly MailSession[]
): Promise<boolean> {
  const again = await openAll(sessions.length, (n) => openSmtp(t, site, sessions[n]?.from ?? ''));
  hangUp(again);
  return again.every(({ by }, n) => by === sessions[n]?.by);
}

/** While this worker sleeps all clients come to the others. */
async function without<T>(pid: number, act: () => Promise<T>): Promise<T> {
  process.kill(pid, 'SIGSTOP');
  try {
    return await act();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

function downIn(site: MailSite, service: MailService): Promise<string> {
  return statusWhen(site.admin, (now) =>
    serviceOf(now, service).realServers.some(({ status }) => status === 'Down')
  ).then((now) => serviceOf(now, service).realServers.find((one) => one.reason)?.reason ?? '');
}

async function allUp(site: MailSite): Promise<void> {
  await statusWhen(site.admin, ({ virtualServices }) =>
    virtualServices.every(({ realServers }) => realServers.every(({ status }) => status === 'Up'))
  );
}

t.test('two hundred sessions', { skip }, async (t) => {
  const site = await startMailSite(t, {
    services: ['imapsOffloaded', 'imapStartTls', 'smtp'],
    workers: 2
  });
  const [, dovecot] = site.dovecots;
  const [, postfix] = site.postfixes;
  let imap = await openAll(half, (n) => openImap(t, site, n));
  let smtp = await openAll(half, (n) => openSmtp(t, site, addressOf(n)));
  t.ok(isShared(imap) && isShared(smtp), 'both servers have their share');

  await t.test('one Dovecot and one Postfix die', async (t) => {
    await Promise.all([dovecot.kill(), postfix.kill()]);
    const moved = await openAll(half, (n) => openSmtp(t, site, addressOf(n)));
    t.equal(on('mx1', moved), half, 'every client has a server at once, without an error');
    hangUp(moved);
    const came = await openAll(half / 2, (n) => openImap(t, site, n));
    t.equal(on('mx1', came), half / 2, 'and so in IMAP');
    hangUp(came);

    const left = [...(await alive(imap, imapLives)), ...(await alive(smtp, smtpLives))];
    const others = [...imap, ...smtp].filter(({ by }) => by === 'mx1');
    t.strictSame(left, others, 'sessions of the others went on, those of the dead ended');
    hangUp([...imap, ...smtp]);
    for (const service of ['imapsOffloaded', 'imapStartTls', 'smtp'] as const) {
      t.match(await downIn(site, service), /refused/, service);
    }
  });

  await t.test('and live again', async (t) => {
    await Promise.all([dovecot.start(), postfix.start()]);
    await allUp(site);
    smtp = await openAll(half, (n) => openSmtp(t, site, addressOf(n)));
    t.equal(on('mx1', smtp), half, 'who has moved stays');
    const fresh = await openAll(half, (n) => openSmtp(t, site, addressOf(half + n)));
    t.ok(isShared(fresh), 'who is new comes to both');
    smtp.push(...fresh);
    imap = await openAll(half, (n) => openImap(t, site, n));
    t.ok(isShared(imap), 'and so in IMAP');
  });

  await t.test('a worker dies', async (t) => {
    hangUp([...imap, ...smtp]);
    const { workers } = await readStatus(site.admin);
    const [dies = 0, stays = 0] = workers.map(({ pid }) => pid);
    const openHere = async (n: number): Promise<[Session[], MailSession[]]> => [
      await openAll(half / 4, (n) => openImap(t, site, n)),
      await openAll(half / 4, (i) => openSmtp(t, site, addressOf(n + i)))
    ];
    const [imapThere, smtpThere] = await without(dies, () => openHere(0));
    const [imapHere, smtpHere] = await without(stays, () => openHere(half));
    process.kill(dies, 'SIGKILL');
    const clients = [...smtpHere, ...smtpThere];
    t.ok(await sameServers(t, site, clients), 'all its clients come back to the same servers');
    t.equal((await alive(imapThere, imapLives)).length, imapThere.length, 'the others go on');
    t.equal((await alive(smtpThere, smtpLives)).length, smtpThere.length);
    t.equal((await alive(imapHere, imapLives)).length, 0, 'its own have ended');
    t.equal((await alive(smtpHere, smtpLives)).length, 0);
    const status = await statusWhen(
      site.admin,
      (now) => now.workers.filter(({ state }) => state === 'serving').length === 2
    );
    t.notOk(status.workers.some(({ pid }) => pid === dies));
    const same = await without(stays, () => sameServers(t, site, clients));
    t.ok(same, 'also by way of the one that took its place');
    hangUp([...imapThere, ...smtpThere]);
  });

  await t.test('a reload ends nothing', async (t) => {
    imap = await openAll(half, (n) => openImap(t, site, n));
    smtp = await openAll(half, (n) => openSmtp(t, site, addressOf(half + n)));
    const changed = site.yaml({ smtp: 'idleTime: 100', imapStartTls: 'idleTime: 100' });
    t.equal((await site.ballast.reload(changed)).msg, 'reloaded');
    t.equal((await alive(imap, imapLives)).length, half);
    t.equal((await alive(smtp, smtpLives)).length, half);
    t.ok(await sameServers(t, site, smtp), 'and new sessions come to the same servers');
  });
});

t.test('checks', { skip }, async (t) => {
  const services = ['imap', 'pop', 'smtp', 'imaps', 'pops', 'smtps'] as const;
  const site = await startMailSite(t, {
    services,
    workers: 1,
    global: 'checkInterval: 1, checkTimeout: 1, checkRetries: 0',
    settings: {
      imaps: 'checkType: imap, checkTLS: true',
      pops: 'checkType: pop3, checkTLS: true',
      smtps: 'checkType: smtp, checkTLS: true'
    }
  });
  const { addresses, ports } = site;
  const peers = [...site.dovecots, ...site.postfixes];
  await allUp(site);

  await t.test('leave no trace of a broken connection', async (t) => {
    const lengths = peers.map((peer) => peer.log().length);
    const news = (n: number): string => peers[n]?.log().slice(lengths[n]) ?? '';
    // A round of checks in each service.
    for (const [n, { name }] of peers.entries()) {
      const [wanted, times] = n < 2 ? [/logging out/g, 4] : [/disconnect from /g, 2];
      while ((news(n).match(wanted)?.length ?? 0) < times) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      t.notMatch(news(n), /lost connection|Connection closed|handshak|error|warning/i, name);
    }
  });

  await t.test('see a server that refuses by its greeting', async (t) => {
    await Promise.all([site.dovecots[1].kill(), site.postfixes[1].kill()]);
    for (const service of ['imap', 'pop', 'smtp'] as const) {
      t.match(await downIn(site, service), /refused/, service);
    }
    await Promise.all(
      (
        [
          ['imap', ports.imap, '* BYE mx2 is in maintenance'],
          ['pop', ports.pop3, '-ERR mx2 is in maintenance'],
          ['smtp', ports.smtp, '421 4.3.2 mx2 is in maintenance']
        ] as const
      ).map(async ([service, port, greeting]) => {
        const server = createServer((socket) => {
          socket.on('error', () => {});
          socket.end(`${greeting}\r\n`);
        });
        await once(server.listen(port, addresses[1]), 'listening');
        const status = await statusWhen(site.admin, (now) =>
          serviceOf(now, service).realServers.some(({ reason }) => reason?.includes(greeting))
        );
        t.match(serviceOf(status, service).realServers[1], { name: 'mx2', status: 'Down' });
        for (let n = 0; n < 3; n++) {
          const client = await dialMail(t, site, service, addressOf(200 + n));
          t.equal(await greeted(client), 'mx1', `${service}: clients are on the other one`);
          client.socket.destroy();
        }
        server.close();
        await once(server, 'close');
      })
    );
  });

  await t.test('see it come back', async (t) => {
    await Promise.all([site.dovecots[1].start(), site.postfixes[1].start()]);
    await allUp(site);
    for (const service of ['imap', 'pop', 'smtp'] as const) {
      const greetings = await openAll(4, async (n) => {
        const from = addressOf(210 + n);
        return greeted(await dialMail(t, site, service, from));
      });
      t.strictSame(greetings.toSorted(), ['mx1', 'mx1', 'mx2', 'mx2'], service);
    }
  });
});
