// What stand-ins keep of clients that are gone: they may run for days, with checks every few seconds.

import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { queryObjects } from 'node:v8';
import t from 'tap';
import { startExchange } from '../../src/lab/exchange.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';

const { keyPem: key, chainPem: cert } = await selfSignedCertificate('mail.lab.example', []);
const exchange = await startExchange({
  name: 'ex01.lab.example',
  http: {},
  https: { key, cert },
  mail: { tls: { key, cert }, imaps: {}, smtp: {} },
  recordsMax: 20
});
t.teardown(() => exchange.close());
const { mail } = exchange;
if (mail === undefined) throw new Error('no mail');

/** Says it, hears the answer and is gone. */
async function visit(port: number, secure: boolean, text: string): Promise<void> {
  const target = { port, host: '127.0.0.1', rejectUnauthorized: false };
  const socket = secure ? connectTls(target) : connect(target);
  socket.end(text);
  socket.resume();
  await once(socket, 'close');
}

/** Resolves when all sockets but a few are collected: of each visit two by two, TLS and below. */
async function allGone(before: number): Promise<void> {
  while (live() > before + 10) await delay(20);
}

const live = (): number => queryObjects(Socket, { format: 'count' });
const basic = Buffer.from('alice:Ballast-1').toString('base64');
const post = `POST /ews/ HTTP/1.0\r\nAuthorization: Basic ${basic}\r\nContent-Length: 2\r\n\r\nhi`;

t.test('the latest requests, and no connection', async (t) => {
  const before = live();
  for (let n = 0; n < 5; n++) await visit(exchange.ports.http, false, post);
  for (let n = 0; n < 20; n++) await visit(exchange.ports.https, true, post);
  t.equal(exchange.records.length, 20);
  for (const { user, status, secure, body } of exchange.records) {
    t.match({ user, status, secure }, { user: 'CORP\\alice', status: 200, secure: true });
    t.match(body, { bytes: 2, finished: true, sha256: /^8f434346/ });
  }
  await allGone(before);
});

t.test('the latest sessions, and no connection', async (t) => {
  const before = live();
  for (let n = 0; n < 20; n++) await visit(mail.ports.imaps, true, '1 LOGOUT\r\n');
  t.equal(mail.sessions.length, 20);
  for (const session of mail.sessions) {
    t.match(session, { protocol: 'imap', secure: true, commands: ['1 LOGOUT'], violations: [] });
  }
  await allGone(before);
  for (let n = 0; n < 1000; n++) await visit(mail.ports.smtp, false, 'QUIT\r\n');
  t.equal(mail.sessions.length, 1000);
  t.equal(mail.sessions.at(-1)?.connection, mail.connections.accepted);
});
