// The stand-in alone: were it wrong, every test that uses it would prove nothing.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { startExchange, type Exchange, type RecordedRequest } from '../../src/lab/exchange.ts';
import { patternPieces } from '../../src/lab/pattern.ts';
import { fieldLines } from '../../src/lab/request.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { Peer, type1, type3 } from './peer.ts';

const certificate = await selfSignedCertificate('mail.lab.example', ['mail.lab.example']);
const exchange = await startExchange({
  name: 'ex01.lab.example',
  http: {},
  https: { key: certificate.keyPem, cert: certificate.chainPem },
  pace: {
    pendingPeriodMs: 20,
    pendings: 2,
    heartbeatMs: 30,
    eventPeriodMs: 10,
    events: 2,
    outPeriodMs: 5,
    inAnswerAfterBytes: 100
  }
});
t.teardown(() => exchange.close());

const alice = `Authorization: Basic ${Buffer.from('alice:Ballast-1').toString('base64')}\r\n`;
const bob = `Authorization: Basic ${Buffer.from('CORP\\bob:Ballast-2').toString('base64')}\r\n`;

async function dial(to: Exchange = exchange): Promise<Peer> {
  const socket = connect({ port: to.ports.http, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  t.teardown(() => socket.destroy());
  return new Peer(socket);
}

async function endOf(method: string): Promise<RecordedRequest> {
  for (;;) {
    const [record] = await once(exchange.events, 'end');
    if (record.request.method === method) return record;
  }
}

const ews = 'POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: mail\r\n';

t.test('a handshake names the user of its own connection and of no other', async (t) => {
  for (const scheme of ['NTLM', 'Negotiate']) {
    const [one, other] = [await dial(), await dial()];
    one.say(`${ews}Content-Length: 0\r\n\r\n`);
    const refused = await one.answer();
    t.match(refused.head, /^HTTP\/1.1 401 /);
    t.strictSame(
      refused.head.split('\r\n').filter((line) => line.startsWith('WWW-Authenticate')),
      [
        'WWW-Authenticate: Negotiate',
        'WWW-Authenticate: NTLM',
        'WWW-Authenticate: Basic realm="ex01.lab.example"'
      ]
    );

    one.say(`${ews}Content-Length: 0\r\nAuthorization: ${scheme} ${type1}\r\n\r\n`);
    const { head } = await one.answer();
    const token = new RegExp(`WWW-Authenticate: ${scheme} (\\S+)`).exec(head)?.[1] ?? '';
    const challenge = Buffer.from(token, 'base64');
    t.equal(challenge.toString('latin1', 0, 8), 'NTLMSSP\0');
    t.equal(challenge.readUInt32LE(8), 2);
    t.notMatch(head, /X-User/);

    // The proof on a connection that was never challenged is worth nothing.
    const proof = `Authorization: ${scheme} ${type3('CORP', 'alice')}\r\n`;
    other.say(`${ews}Content-Length: 0\r\n${proof}\r\n`);
    t.match((await other.answer()).head, /^HTTP\/1.1 401 /);

    one.say(`${ews}Content-Length: 0\r\n${proof}\r\n`);
    const first = await one.answer();
    t.match(first.head, /^HTTP\/1.1 200 /);
    t.match(first.head, /X-User: CORP\\alice\r\nPersistent-Auth: true\r\n/);

    one.say(`${ews}Content-Length: 0\r\n\r\n`);
    t.match((await one.answer()).body, /<m:User>CORP\\alice<\/m:User>/);
    other.say(`${ews}Content-Length: 0\r\n\r\n`);
    t.match((await other.answer()).head, /^HTTP\/1.1 401 /);

    one.say(`${ews}Content-Length: 0\r\nAuthorization: ${scheme} ${type1}\r\n\r\n`);
    await one.answer();
    one.say(`${ews}Content-Length: 0\r\n\r\n`);
    t.match((await one.answer()).head, /^HTTP\/1.1 401 /, 'a new handshake ends the old one');
  }
});

t.test('an unknown user is refused, and Basic names only its own request', async (t) => {
  const peer = await dial();
  peer.say(`${ews}Content-Length: 0\r\nAuthorization: NTLM ${type1}\r\n\r\n`);
  await peer.answer();
  peer.say(`${ews}Content-Length: 0\r\nAuthorization: NTLM ${type3('CORP', 'eve')}\r\n\r\n`);
  t.match((await peer.answer()).head, /^HTTP\/1.1 401 /);
  peer.say(`GET /api/v2 HTTP/1.1\r\nHost: mail\r\n${bob}\r\n`);
  const answer = await peer.answer();
  t.match(answer.head, /X-User: CORP\\bob\r\nPersistent-Auth: false\r\n/);
  t.strictSame(JSON.parse(answer.body), { user: 'CORP\\bob', server: 'ex01.lab.example' });
  peer.say(`GET /api/v2 HTTP/1.1\r\nHost: mail\r\n\r\n`);
  t.match((await peer.answer()).head, /^HTTP\/1.1 401 /);
  const ticket = Buffer.from(`KERBEROS:alice:${'x'.repeat(48 * 1024)}`).toString('base64');
  peer.say(`GET /api/v2 HTTP/1.1\r\nHost: mail\r\nAuthorization: Negotiate ${ticket}\r\n\r\n`);
  t.match((await peer.answer()).head, /X-User: CORP\\alice/);
});

t.test('every directory has a health page, for anyone and in any case', async (t) => {
  const names = 'owa ecp ews mapi rpc Microsoft-Server-ActiveSync autodiscover oab powershell api';
  const peer = await dial();
  for (const name of names.split(' ')) {
    peer.say(`GET /${name.toUpperCase()}/HealthCheck.htm HTTP/1.1\r\nHost: x\r\n\r\n`);
    const { head, body } = await peer.answer();
    t.match(head, /^HTTP\/1.1 200 OK\r\n[^]*\r\nX-FEServer: EX01\r\n/, name);
    t.equal(body, '200 OK<br/>ex01.lab.example', name);
  }
  peer.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match((await peer.answer()).head, /^HTTP\/1.1 301 [^]*\r\nLocation: \/owa\/\r\n/);
  peer.say('GET /autodiscover/autodiscover.json/v1.0/a@b HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 /, 'asks nobody who he is');

  exchange.setComponent('OWA', false, '503');
  peer.say('GET /owa/healthcheck.htm HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match((await peer.answer()).head, /^HTTP\/1.1 503 /);
  exchange.setComponent('owa', false);
  peer.say('GET /ecp/healthcheck.htm HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 /, 'the others stay well');
  peer.say('GET /owa/healthcheck.htm HTTP/1.1\r\nHost: x\r\n\r\n');
  t.equal(await peer.ended(), '', 'closes without a word');
  exchange.setComponent('owa', true);
  t.throws(() => exchange.setComponent('owl', true), /no virtual directory "owl"/);
});

t.test('TLS carries the same', async (t) => {
  const socket = connectTls({
    port: exchange.ports.https,
    ca: certificate.chainPem,
    servername: 'mail.lab.example'
  });
  await once(socket, 'secureConnect');
  const peer = new Peer(socket);
  peer.say('GET /rpc/healthcheck.htm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.equal((await peer.answer()).body, '200 OK<br/>ex01.lab.example');
  await peer.ended();
  t.equal(exchange.records.at(-1)?.secure, true);
});

t.test('MAPI: PROCESSING, PENDING, DONE, each a chunk', async (t) => {
  const peer = await dial();
  peer.say(
    `POST /mapi/emsmdb/?MailboxId=a HTTP/1.1\r\nHost: x\r\n${alice}X-RequestType: NotificationWait\r\n` +
      'Cookie: MapiContext=1\r\nCookie: MapiSequence=2\r\nContent-Length: 3\r\n\r\nabc'
  );
  const head = await peer.until('\r\n\r\n');
  t.match(head, /\r\nTransfer-Encoding: chunked\r\n/);
  t.match(head, /\r\nX-ResponseCode: 0\r\n/);
  t.match(head, /\r\nX-PendingPeriod: 20\r\n/);
  t.equal(head.split('\r\nSet-Cookie: ').length, 3);
  const body = await peer.until('\r\n0\r\n\r\n');
  t.ok(body.startsWith('c\r\nPROCESSING\r\n\r\n9\r\nPENDING\r\n\r\n9\r\nPENDING\r\n\r\n'), body);
  t.match(body, /DONE\r\n[^]*X-ElapsedTime: \d+\r\n[^]*NotificationWait for CORP\\alice/);
  const record = exchange.records.at(-1);
  t.strictSame(record && fieldLines(record.request, 'cookie'), ['MapiContext=1', 'MapiSequence=2']);
});

t.test('RPC: echo, a way up that is answered early, a way down without end', async (t) => {
  const rpc = '/rpc/rpcproxy.dll?ex01:6001 HTTP/1.1\r\nHost: x\r\n';
  const peer = await dial();
  for (const method of ['RPC_IN_DATA', 'RPC_OUT_DATA']) {
    peer.say(`${method} ${rpc}${alice}Content-Length: 4\r\n\r\nABCD`);
    const { head, body } = await peer.answer();
    t.match(head, /^HTTP\/1.1 200 /);
    t.equal(body.length, 20);
  }

  const stranger = await dial();
  stranger.say(`RPC_IN_DATA ${rpc}Content-Length: 1073741824\r\n\r\n`);
  t.match((await stranger.answer()).head, /^HTTP\/1.1 401 [^]*\r\nConnection: close\r\n/);
  await stranger.ended();

  const up = await dial();
  const over = endOf('RPC_IN_DATA');
  up.say(`RPC_IN_DATA ${rpc}${alice}Content-Length: 1073741824\r\n\r\n${'a'.repeat(99)}`);
  const echo = `GET /rpc/healthcheck.htm HTTP/1.1\r\nHost: x\r\n\r\n`;
  peer.say(echo);
  await peer.answer();
  t.equal(up.received, '', 'no answer before enough has come');
  up.say('bc');
  t.match((await up.answer()).head, /^HTTP\/1.1 200 /);
  up.say('d');
  up.socket.end();
  const record = await over;
  t.equal(record.body.bytes, 102);
  t.equal(record.body.finished, false);
  t.equal(record.body.sha256, sha256(`${'a'.repeat(99)}bcd`));

  const down = await dial();
  down.say(`RPC_OUT_DATA ${rpc}${bob}Content-Length: 76\r\n\r\n${'x'.repeat(76)}`);
  t.match(await down.until('\r\n\r\n'), /\r\nContent-Length: 1073741824\r\n/);
  await down.atLeast(200);
  const [expected = Buffer.alloc(0)] = patternPieces(0, 200);
  t.equal(down.received.slice(0, 200), expected.toString('latin1'));
  down.socket.destroy();
});

t.test('ActiveSync: OPTIONS tells the versions, a Ping hangs', async (t) => {
  const peer = await dial();
  peer.say(`OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: x\r\n${alice}\r\n`);
  const { head } = await peer.answer();
  t.match(head, /\r\nMS-ASProtocolVersions: 2.0,/);
  t.match(head, /\r\nMS-ASProtocolCommands: Sync,/);
  // The second query is base64 with command code 18.
  for (const query of ['Cmd=Ping&User=alice', 'oRIJBBAAAA==']) {
    const start = performance.now();
    const post = `POST /Microsoft-Server-ActiveSync?${query} HTTP/1.1\r\nHost: x\r\n${alice}`;
    peer.say(`${post}Content-Length: 0\r\n\r\n`);
    const answer = await peer.answer();
    t.match(answer.head, /^HTTP\/1.1 200 /);
    t.ok(performance.now() - start >= 29, query);
    t.equal(answer.body.length, 14);
  }
});

t.test('EWS: 100-continue, early bodies, streaming', async (t) => {
  const soap = '<s:Body><m:GetFolder/></s:Body>';
  const expects = `${ews}${alice}Expect: 100-continue\r\nContent-Length: ${soap.length}\r\n\r\n`;
  const peer = await dial();
  peer.say(expects);
  t.equal(await peer.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  peer.say(soap);
  t.match((await peer.answer()).body, /<m:GetFolderResponse [^]*<m:Server>ex01.lab.example</);

  peer.say(expects + soap);
  t.equal(await peer.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 /);

  peer.say(`${ews}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`);
  const refused = await peer.answer();
  t.match(refused.head, /^HTTP\/1.1 401 [^]*\r\nConnection: close\r\n/, 'never asks for the body');
  await peer.ended();

  const stream = await dial();
  stream.say(`${ews}${alice}Content-Length: 20\r\n\r\n<GetStreamingEvents>`);
  const body = await stream.until('\r\n0\r\n\r\n');
  t.strictSame(
    [...body.matchAll(/<m:(\w+) xmlns/g)].map(([, name]) => name),
    ['ConnectionStatus', 'StatusEvent', 'Closed']
  );
});

t.test('OAB: ranges', async (t) => {
  const peer = await dial();
  const ask = `/oab/1/oab.xml HTTP/1.1\r\nHost: x\r\n${alice}`;
  peer.say(`HEAD ${ask}\r\n`);
  t.match(await peer.until('\r\n\r\n'), /^HTTP\/1.1 200 [^]*\r\nContent-Length: 1000003\r\n/);
  peer.say(`GET ${ask}Range: bytes=70000-70009\r\n\r\n`);
  const part = await peer.answer();
  t.match(part.head, /^HTTP\/1.1 206 [^]*\r\nContent-Range: bytes 70000-70009\/1000003\r\n/);
  const [expected = Buffer.alloc(0)] = patternPieces(70_000, 10);
  t.equal(part.body, expected.toString('latin1'));
  peer.say(`GET ${ask}Range: bytes=2000000-\r\n\r\n`);
  t.match((await peer.answer()).head, /^HTTP\/1.1 416 /);
  peer.say(`GET ${ask}If-Unmodified-Since: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n`);
  t.match((await peer.answer()).head, /^HTTP\/1.1 412 /);
});

t.test('OWA: uploads are hashed, downloads are known, WebSockets work', async (t) => {
  const pieces = [...patternPieces(7, 3_000_000)];
  const expected = { bytes: 3_000_000, sha256: sha256(Buffer.concat(pieces)) };
  for (const framing of [{ 'Content-Length': 3_000_000 }, { 'Transfer-Encoding': 'chunked' }]) {
    const headers = { ...framing, Authorization: alice.slice(15).trim() };
    const answer = await ask('POST', '/owa/upload', headers, pieces);
    t.strictSame(JSON.parse(answer.toString()), expected);
  }
  const headers = { Authorization: alice.slice(15).trim() };
  for (const query of ['bytes=200000', 'bytes=200000&chunked=1']) {
    const answer = await ask('GET', `/owa/download?${query}`, headers, []);
    t.ok(answer.equals(Buffer.concat([...patternPieces(0, 200_000)])), query);
  }

  const peer = await dial();
  peer.say(
    `GET /owa/ws HTTP/1.1\r\nHost: x\r\n${alice}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nearly'
  );
  const head = await peer.until('\r\n\r\n');
  // The example of RFC 6455 1.3.
  t.match(head, /^HTTP\/1.1 101 [^]*\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  await peer.until('early');
  peer.say('\x81\x00late');
  await peer.until('late');
  peer.socket.end();
  t.equal(await peer.ended(), '');
});

t.test('HTTP/1.0 gets a length or the end of the connection, never chunks', async (t) => {
  const peer = await dial();
  peer.say(`GET /api/ HTTP/1.0\r\nConnection: Keep-Alive\r\n${alice}\r\n`);
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 [^]*\r\nConnection: keep-alive\r\n/);
  peer.say(
    `GET /owa/download?bytes=10&chunked=1 HTTP/1.0\r\nConnection: keep-alive\r\n${alice}\r\n`
  );
  const head = await peer.until('\r\n\r\n');
  t.match(head, /\r\nConnection: close\r\n/);
  t.notMatch(head, /Transfer-Encoding|Content-Length/);
  t.equal((await peer.ended()).length, 10);
});

t.test('pipelined requests, a half-closed client, and the bytes of the head', async (t) => {
  const peer = await dial();
  const odd =
    'GET /ecp/healthcheck.htm?x=[a|b] HTTP/1.1\r\nhOsT: x:443\r\nPragma: a\r\nPragma: b\r\n\r\n';
  peer.say('GET /owa/healthcheck.htm HTTP/1.1\r\nHost: x\r\n\r\n' + odd);
  peer.socket.end();
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 /);
  t.match((await peer.answer()).head, /^HTTP\/1.1 200 /);
  t.equal(await peer.ended(), '');
  t.equal(exchange.records.at(-1)?.request.head.toString('latin1'), odd);
  t.equal(exchange.records.at(-1)?.connection, exchange.records.at(-2)?.connection);
});

t.test('a killed server resets what was open and can be started on the same port', async (t) => {
  const options = { name: 'ex02.lab.example', http: {}, authenticate: false };
  const first = await startExchange(options);
  const peer = await dial(first);
  const over = once(first.events, 'request');
  peer.say('POST /Microsoft-Server-ActiveSync?Cmd=Ping HTTP/1.1\r\nContent-Length: 0\r\n\r\n');
  await over;
  await first.kill();
  t.equal(await peer.ended(), '');
  const again = await startExchange({ ...options, http: { port: first.ports.http } });
  const next = await dial(again);
  next.say('GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n');
  t.strictSame(JSON.parse((await next.answer()).body), { user: '', server: 'ex02.lab.example' });
  await again.close();
  t.equal(again.connections.open, 0);
});

async function ask(
  method: string,
  path: string,
  headers: Record<string, string | number>,
  pieces: readonly Buffer[]
): Promise<Buffer> {
  const request = httpRequest({ port: exchange.ports.http, method, path, headers, agent: false });
  for (const piece of pieces) request.write(piece);
  request.end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  return Buffer.concat(await answer.toArray());
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
