// Sessions with real mail servers, word by word: all ways to sign in, before and after STARTTLS, and
// what clients hear when their server, or all servers, or Ballast itself goes.

import t, { type Test } from 'tap';
import { beginTls, dialMail, say, type Talk } from '../fixture/mail-client.ts';
import { startMailSite, type MailService, type MailSite } from '../fixture/mail-site.ts';
import { mailPassword, missingForMail } from '../fixture/mail-store.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(90_000);

const skip = missingForMail();

async function open(t: Test, site: MailSite, service: MailService): Promise<Peer> {
  const peer = await dialMail(t, site, service);
  t.match(await peer.until('\r\n'), /^(\* OK|\+OK|220) /, `${service} greets`);
  return peer;
}

async function openSecure(t: Test, site: MailSite, service: MailService): Promise<Peer> {
  return beginTls(t, await open(t, site, service), service);
}

const user = 'u1';
const wrong = 'wrong';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plain = base64(`\0${user}\0${mailPassword}`);
const wrongPlain = base64(`\0${user}\0${wrong}`);

const imapLogins: readonly Talk[] = [
  [[`a LOGIN "${user}" "${mailPassword}"`, /^a OK /]],
  [
    [`a LOGIN {2}`, /^\+ /],
    [`${user} {6}`, /^\+ /],
    [mailPassword, /^a OK /]
  ],
  [[`a LOGIN {2+}\r\n${user} {6+}\r\n${mailPassword}`, /^a OK /]],
  [
    ['a AUTHENTICATE PLAIN', /^\+ /],
    [plain, /^a OK /]
  ],
  [[`a authenticate plain ${plain}`, /^a OK /]],
  [
    ['a AUTHENTICATE LOGIN', /^\+ /],
    [base64(user), /^\+ /],
    [base64(mailPassword), /^a OK /]
  ],
  [
    ['a AUTHENTICATE PLAIN', /^\+ /],
    ['*', /^a (NO|BAD) /],
    [`b LOGIN ${user} ${wrong}`, /^b NO /],
    [`c AUTHENTICATE PLAIN ${wrongPlain}`, /^c NO /],
    [`d LOGIN ${user} ${mailPassword}`, /^d OK /]
  ],
  [
    [
      `a CAPABILITY\r\nb NOOP\r\nc ID NIL\r\nd LOGIN ${user} ${mailPassword}\r\ne SELECT INBOX`,
      /^e OK /
    ]
  ]
];

const popLogins: readonly Talk[] = [
  [
    [`USER ${user}`, /^\+OK/],
    [`PASS ${mailPassword}`, /^\+OK/]
  ],
  [[`CAPA\r\nUSER ${user}\r\nPASS ${mailPassword}\r\nNOOP\r\nUIDL 99`, /^-ERR/]],
  [
    ['AUTH PLAIN', /^\+ /],
    [plain, /^\+OK/]
  ],
  [[`auth plain ${plain}`, /^\+OK/]],
  [
    ['AUTH LOGIN', /^\+ /],
    [base64(user), /^\+ /],
    [base64(mailPassword), /^\+OK/]
  ],
  [
    ['AUTH PLAIN', /^\+ /],
    ['*', /^-ERR/],
    [`USER ${user}`, /^\+OK/],
    [`PASS ${wrong}`, /^-ERR/],
    [`AUTH PLAIN ${wrongPlain}`, /^-ERR/],
    [`USER ${user}`, /^\+OK/],
    [`PASS ${mailPassword}`, /^\+OK/]
  ]
];

const smtpLogins: readonly Talk[] = [
  [[`AUTH PLAIN ${plain}`, /^235 /]],
  [
    ['AUTH PLAIN', /^334/],
    [plain, /^235 /]
  ],
  [
    ['AUTH LOGIN', /^334 /],
    [base64(user), /^334 /],
    [base64(mailPassword), /^235 /]
  ],
  [
    ['AUTH PLAIN', /^334/],
    ['*', /^501 /],
    [`AUTH PLAIN ${wrongPlain}`, /^535 /],
    [`AUTH PLAIN ${plain}`, /^235 /]
  ],
  [
    ['MAIL FROM:<a@b.test>', /^250 /],
    ['RSET', /^250 /],
    [`MAIL FROM:<a@b.test>\r\nRCPT TO:<${user}@example.test>\r\nDATA`, /^354 /],
    ['Subject: 1\r\n\r\n..\r\nSTARTTLS\r\n.', /^250 /],
    ['EHLO again.test', /^250 /],
    [`MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@example.test>\r\nRSET`, /^550 /],
    ['NOOP', /^250 2\.0\.0 Ok/],
    ['NOOP', /^250 2\.0\.0 Ok/]
  ]
];

t.test('sessions', { skip }, async (t) => {
  const services = ['imap', 'imapsOffloaded', 'imapStartTls'] as const;
  const popServices = ['pop', 'popsOffloaded', 'popStartTls'] as const;
  const smtpServices = ['smtp', 'smtpsOffloaded', 'smtpStartTls'] as const;
  const site = await startMailSite(t, {
    services: [...services, ...popServices, ...smtpServices],
    workers: 1,
    global: 'checkInterval: 2, checkTimeout: 1, checkRetries: 0'
  });

  for (const service of services) {
    await t.test(`${service}: all ways to sign in`, async (t) => {
      for (const login of imapLogins) {
        const peer = await openSecure(t, site, service);
        await say(t, peer, [...login, ['x NOOP', /^x OK /], ['y LOGOUT', /^y OK /]]);
        t.equal(await peer.ended(), 'end');
      }
    });
  }
  for (const service of popServices) {
    await t.test(`${service}: all ways to sign in`, async (t) => {
      for (const login of popLogins) {
        const peer = await openSecure(t, site, service);
        await say(t, peer, [...login, ['STAT', /^\+OK \d+ \d+/], ['QUIT', /^\+OK/]]);
        t.equal(await peer.ended(), 'end');
      }
    });
  }
  for (const service of smtpServices) {
    await t.test(`${service}: all ways to sign in, and mail`, async (t) => {
      for (const login of smtpLogins) {
        const peer = await openSecure(t, site, service);
        await say(t, peer, [['EHLO c.test', /^250 /], ...login, ['QUIT', /^221 /]]);
        t.equal(await peer.ended(), 'end');
      }
    });
  }

  await t.test('no password in the clear, and no word of it to the server', async (t) => {
    const imap = await open(t, site, 'imapStartTls');
    await say(t, imap, [
      [`a LOGIN ${user} ${mailPassword}`, /^a NO /],
      [`b LOGIN {2+}\r\n${user} {6+}\r\n${mailPassword}`, /^b NO /],
      [`c AUTHENTICATE PLAIN ${plain}`, /^c NO /],
      ['d NOOP', /^d OK /],
      ['e LOGOUT', /^e OK /]
    ]);
    const pop = await open(t, site, 'popStartTls');
    await say(t, pop, [
      [`USER ${user}`, /^-ERR/],
      [`PASS ${mailPassword}`, /^-ERR/],
      [`AUTH PLAIN ${plain}`, /^-ERR/],
      ['QUIT', /^\+OK/]
    ]);
    const smtp = await open(t, site, 'smtpStartTls');
    await say(t, smtp, [
      ['EHLO c.test', /^250 /],
      [`AUTH PLAIN ${plain}`, /^5\d\d /],
      ['MAIL FROM:<a@b.test>', /^250 /],
      ['QUIT', /^221 /]
    ]);
    for (const peer of [imap, pop, smtp]) t.equal(await peer.ended(), 'end');
  });

  await t.test('a client that says everything and ends its side', async (t) => {
    for (const service of smtpServices) {
      const peer = await openSecure(t, site, service);
      const mail = `MAIL FROM:<a@b.test>\r\nRCPT TO:<${user}@example.test>`;
      peer.send(`EHLO c.test\r\n${mail}\r\nBDAT 17 LAST\r\nSubject: end\r\n\r\n\n`);
      peer.socket.end('QUIT\r\n');
      t.match(await peer.rest(), /^250 (?:.*\r\n250 ){3}.*\r\n221 .*\r\n$/m, service);
    }
  });

  await t.test('all servers die', async (t) => {
    const all = [...services, ...popServices, ...smtpServices];
    const before = await Promise.all(all.map((service) => openSecure(t, site, service)));
    await Promise.all([...site.dovecots, ...site.postfixes].map((server) => server.kill()));
    for (const [n, peer] of before.entries()) {
      t.match(await peer.rest(), /^$|^(\* BYE|-ERR|421) .*\r\n$/, `${all[n]}: ends`);
    }
    for (const service of all) {
      const words = await (await dialMail(t, site, service)).rest();
      t.match(words, /^(\* BYE|-ERR|421) [ -~]+\r\n$/, `${service}: ${words.trim()}`);
    }
    await Promise.all([...site.dovecots, ...site.postfixes].map((server) => server.start()));
  });

  await t.test('Ballast goes', async (t) => {
    const all = [...services, ...popServices, ...smtpServices];
    for (;;) {
      const words = await Promise.all(
        all.map(async (service) => (await dialMail(t, site, service)).until('\r\n'))
      );
      if (words.every((line) => /^(\* OK|\+OK|220) /.test(line))) break;
    }
    const peers = await Promise.all(all.map((service) => openSecure(t, site, service)));
    site.ballast.process.kill('SIGTERM');
    for (const [n, peer] of peers.entries()) {
      const words = await peer.rest();
      t.match(words, /^(\* BYE|-ERR|421) [ -~]+\r\n$/, `${all[n]}: ${words.trim()}`);
    }
    t.equal(await site.ballast.exited, 0);
  });
});
