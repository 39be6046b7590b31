// What passes through mail services: large messages, many in one session, and a mailbox that is
// watched.

import { fileURLToPath } from 'node:url';
import t from 'tap';
import { mailPassword, missingForMail } from '../fixture/mail-store.ts';
import { delivered, mailServices, messagesOf, startMailSite } from '../fixture/mail-site.ts';
import { run } from '../fixture/programs.ts';

t.setTimeout(110_000);

const script = fileURLToPath(new URL('../fixture/mail_messages.py', import.meta.url));
const largeBytes = 20 * 1024 * 1024;
const count = 100;

interface Told {
  readonly large: {
    readonly bytes: number;
    readonly sent: string;
    readonly read: Readonly<Record<string, string>>;
  };
  readonly many: Readonly<
    Record<string, { readonly codes: readonly number[]; readonly user: string }>
  >;
  readonly idle: Readonly<Record<string, readonly string[]>>;
}

t.test('messages', { skip: missingForMail('python3') }, async (t) => {
  const services = mailServices.filter((name) => !/^(imaps|pops|smtps)$/.test(name));
  const site = await startMailSite(t, { services });
  const given = {
    services: site.port,
    ca: site.caFile,
    password: mailPassword,
    largeBytes,
    many: count
  };
  const told = JSON.parse(await run('python3', script, JSON.stringify(given))) as Told;

  const { bytes, sent, read } = told.large;
  t.ok(bytes > largeBytes, `${bytes} bytes`);
  t.equal(Object.keys(read).length, 7);
  for (const [way, hash] of Object.entries(read)) t.equal(hash, sent, `${way}: the same SHA-256`);

  const ways = Object.entries(told.many).filter(([way]) => way !== 'seconds');
  t.equal(ways.length, 5);
  for (const [way, { codes, user }] of ways) {
    const expected = way.startsWith('many_by_data') ? [250, 250, 354, 250] : [250, 250, 250];
    t.strictSame(codes, Array.from({ length: count }, () => expected).flat(), way);
    await delivered(site, user, count);
    t.equal(messagesOf(site, user).length, count, `${way}: each of them once`);
  }

  for (const service of ['imap', 'imapsOffloaded', 'imapStartTls']) {
    t.strictSame(
      told.idle[service],
      ['* 1 EXISTS', '* 2 EXISTS', '* 3 EXISTS', 'OK'],
      `${service}: told of each new message while idle`
    );
  }
});
