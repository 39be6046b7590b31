// Mail sessions through a service with STARTTLS, with both ends in the test's hand: what each
// protocol says on the way into TLS, and sessions that have got there.

import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:tls';
import type { Test } from 'tap';
import type { TcpSettings } from '../../src/config/model.ts';
import type { DialectName } from '../../src/dialect/registry.ts';
import { TlsAcceptor } from '../../src/tls/acceptor.ts';
import { buildServerTls } from '../../src/tls/contexts.ts';
import type { TcpSession } from '../../src/traffic/tcp-session.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { relays } from '../fixture/configuration.ts';
import { listenPeer, Peer, type PeerServer } from '../fixture/peer.ts';
import { openSite, type Site } from '../fixture/site.ts';
import { tlsSettings } from '../fixture/tls-settings.ts';

export interface Script {
  readonly greeting: string;
  /** A command, its answer of the server, and what the client sees of that in clear. */
  readonly ask: string;
  readonly answer: string;
  readonly shown: string;
  /** The same once TLS is up. */
  readonly shownInTls: string;
  readonly startTls: string;
  readonly go: string;
  /** What an attacker would like to have said under TLS. */
  readonly injected: string;
  /** What he would like to have answered under TLS. */
  readonly forged: string;
  /** A login, or what else ends the dialogue, and its answer. */
  readonly login: string;
  readonly welcome: string;
  readonly violation: RegExp;
}

export const scripts: Readonly<Record<DialectName, Script>> = {
  smtp: {
    greeting: '220 ex1 ESMTP\r\n',
    ask: 'EHLO c.test\r\n',
    answer: '250-ex1\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n',
    shown: '250-ex1\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 STARTTLS\r\n',
    shownInTls: '250-ex1\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n',
    startTls: 'STARTTLS\r\n',
    go: '220 2.0.0 Ready to start TLS\r\n',
    injected: 'EHLO evil.test\r\nMAIL FROM:<evil@c.test>\r\n',
    forged: '250 forged\r\n',
    login: 'EHLO c.test\r\n',
    welcome: '250-ex1\r\n250 8BITMIME\r\n',
    violation: /^(521|421) .*\r\n$/
  },
  imap: {
    greeting: '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ex1\r\n',
    ask: 'a CAPABILITY\r\n',
    answer: '* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE\r\na OK done\r\n',
    shown: '* CAPABILITY IMAP4rev1 IDLE STARTTLS LOGINDISABLED\r\na OK done\r\n',
    shownInTls: '* CAPABILITY IMAP4rev1 AUTH=PLAIN IDLE\r\na OK done\r\n',
    startTls: 'b STARTTLS\r\n',
    go: 'b OK Begin TLS now\r\n',
    injected: 'c LOGIN evil {4}\r\nevil\r\n',
    forged: '* OK forged\r\n',
    login: 'l LOGIN u p\r\n',
    welcome: 'l OK signed in\r\n',
    violation: /^\* BYE .*\r\n$/
  },
  pop3: {
    greeting: '+OK ex1\r\n',
    ask: 'CAPA\r\n',
    answer: '+OK\r\nUIDL\r\nSASL PLAIN\r\nUSER\r\n.\r\n',
    shown: '+OK\r\nUIDL\r\nSTLS\r\n.\r\n',
    shownInTls: '+OK\r\nUIDL\r\nSASL PLAIN\r\nUSER\r\n.\r\n',
    startTls: 'STLS\r\n',
    go: '+OK Begin TLS\r\n',
    injected: 'USER evil\r\nPASS evil\r\n',
    forged: '+OK forged\r\n',
    login: 'USER u\r\nPASS p\r\n',
    welcome: '+OK\r\n+OK signed in\r\n',
    violation: /^-ERR .*\r\n$/
  }
};

export const protocols = Object.keys(scripts) as DialectName[];

export interface MailSite extends Site {
  readonly servers: PeerServer;
}

/** A client whose server has greeted it. */
export interface Talk {
  readonly client: Peer;
  readonly server: Peer;
}

const certificate = await testCertificate('mail.test');
const tls = buildServerTls(
  tlsSettings({ ciphers: ['TLS_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'] }),
  [{ name: 'mail', chainPem: certificate.cert, keyPem: certificate.key, dnsNames: ['mail.test'] }],
  randomBytes(48),
  []
);
/** A handshake has half a second, so that a test can see it run out. */
const options = tls.options.map((one) => ({ ...one, handshakeTimeout: 500 }));
const acceptor = new TlsAcceptor({ ...tls, options }, undefined);

export async function openMailSite(
  t: Test,
  protocol: DialectName,
  tcp: Partial<TcpSettings> = {}
): Promise<MailSite> {
  const servers = await listenPeer(t);
  const service = relays({ protocol, startTls: 'offered', ...tcp });
  return { ...(await openSite(t, { servers: [servers.port], service, acceptor })), servers };
}

export async function beginTalk(site: MailSite, { greeting }: Script): Promise<Talk> {
  const client = await site.client();
  const server = await site.servers.next();
  server.send(greeting);
  await client.until('\r\n');
  return { client, server };
}

/** Waits until Ballast has read so many bytes of its only session, or has ended it. */
export async function heard(
  site: MailSite,
  bytes: number,
  side: 'client' | 'server' = 'client'
): Promise<void> {
  for (const deadlineMs = performance.now() + 5000; performance.now() < deadlineMs;) {
    const [session] = site.traffic.sessions as Iterable<TcpSession>;
    if (session === undefined || Number(session[side]?.socket.bytesRead) >= bytes) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`Ballast has not read ${bytes} bytes`);
}

/** TLS on the client's connection. */
export async function encrypt(t: Test, { socket }: Peer): Promise<Peer> {
  const encrypted = connect({ socket, rejectUnauthorized: false });
  const peer = new Peer(encrypted);
  t.teardown(() => encrypted.destroy());
  await once(encrypted, 'secureConnect');
  return peer;
}

/** The same client under TLS. */
export async function upgrade(t: Test, talk: Talk, { startTls, go }: Script): Promise<Talk> {
  talk.client.send(startTls);
  t.equal(await talk.client.until('\r\n'), go);
  return { client: await encrypt(t, talk.client), server: talk.server };
}
