// What is odd about each Exchange service, seen through Ballast: tunnels of a gigabyte that never
// fill, polls that hang, answers that come piece by piece, handshakes before bodies.

import { createHash } from 'node:crypto';
import { EventEmitter, on } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { addressBookBytes } from '../../src/lab/oab.ts';
import { patternPieces } from '../../src/lab/pattern.ts';
import { basic, nextRecord, startSite, temporaryFolder } from '../fixture/exchange-site.ts';
import { growthMb, markMemory } from '../fixture/memory.ts';
import { missing, run } from '../fixture/programs.ts';

t.setTimeout(60_000);

const gigabyte = 1_073_741_824;
/** Each PENDING of a server waits here until it is let go. */
const pendings = new EventEmitter<{ due: [letGo: () => void] }>();
const pace = {
  pendings: 4,
  pendingDue: () => new Promise<void>((letGo) => pendings.emit('due', letGo)),
  outPeriodMs: 50,
  outPieceBytes: 1000,
  inAnswerAfterBytes: 4096
};

const site = await startSite(t, { exchange: { pace } });
const { servers } = site;
const memory = markMemory((await site.status()).workers.map(({ pid }) => pid));
const host = 'Host: mail.example.com\r\n';

function pattern(length: number): Buffer {
  return Buffer.concat([...patternPieces(0, length)]);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

t.test('RPC_IN_DATA: answered while its gigabyte trickles in, then given up', async (t) => {
  const client = await site.client();
  const request = nextRecord(servers, 'request', '/rpc/rpcproxy.dll');
  const end = nextRecord(servers, 'end', '/rpc/rpcproxy.dll');
  client.send(
    'RPC_IN_DATA /rpc/rpcproxy.dll?ex01:6001 HTTP/1.1\r\n' +
      `${host}${basic.alice}Content-Length: ${gigabyte}\r\n\r\n`
  );
  const record = await request;
  t.equal(record.body.bytes, 0, 'the head does not wait for the body');
  const sent = pattern(200 * 97);
  let at = 0;
  let answered = 0;
  const answer = client.until('\r\n\r\n').then((head) => {
    answered = at;
    return head;
  });
  while (at < sent.length) {
    client.send(sent.subarray(at, (at += 97)));
    await new Promise((resolve) => setTimeout(resolve, 6)); // a trickle is the point
  }
  t.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*Content-Type: application\/rpc\r\n/);
  t.ok(answered >= 4096 && answered < sent.length, `the answer came after ${answered} bytes`);
  t.equal((await client.take(20)).readUInt8(2), 20, 'and whole');
  // What was said last must arrive although nothing follows.
  while (record.body.bytes < sent.length) await new Promise((resolve) => setImmediate(resolve));
  client.socket.destroy();
  await end;
  t.equal(record.body.finished, false);
  t.equal(record.body.sha256, sha256(sent), 'every byte');
  const line = await site.ballast.waitFor((one) => one['method'] === 'RPC_IN_DATA');
  t.match(line, { status: 200, closed: 'client-closed', service: 'RPC' });
  t.ok(Number(line['bytesToServer']) >= sent.length);
});

t.test('RPC_OUT_DATA: each piece as it comes', async (t) => {
  const client = await site.client();
  const end = nextRecord(servers, 'end', '/rpc/rpcproxy.dll');
  client.send(
    'RPC_OUT_DATA /rpc/rpcproxy.dll?ex01:6001 HTTP/1.1\r\n' +
      `${host}${basic.alice}Content-Length: 76\r\n\r\n${'x'.repeat(76)}`
  );
  t.match(await client.until('\r\n\r\n'), new RegExp(`\r\nContent-Length: ${gigabyte}\r\n`));
  const times: number[] = [];
  const pieces: Buffer[] = [];
  for (let n = 0; n < 20; n++) {
    pieces.push(await client.take(1000));
    times.push(performance.now());
  }
  t.ok(Buffer.concat(pieces).equals(pattern(20_000)), 'every byte');
  t.ok((times.at(-1) ?? 0) - (times[0] ?? 0) > 700, 'over the time that the server took');
  client.socket.destroy();
  await end; // the server learns that its client is gone
  const line = await site.ballast.waitFor((one) => one['method'] === 'RPC_OUT_DATA');
  t.match(line, { status: 200, closed: 'client-closed' });
});

t.test('a Ping is silent for its whole heartbeat, and the connection goes on', async (t) => {
  const client = await site.client();
  const path = '/Microsoft-Server-ActiveSync?Cmd=Ping&DeviceId=1&DeviceType=x&heartbeat=2';
  const begin = performance.now();
  client.send(`POST ${path} HTTP/1.1\r\n${host}${basic.alice}Content-Length: 0\r\n\r\n`);
  const ping = await client.message();
  t.match(ping.head, /^HTTP\/1\.1 200 [^]*application\/vnd\.ms-sync\.wbxml/);
  t.equal(ping.body.length, 14);
  t.ok(performance.now() - begin >= 1990, 'not answered by anyone else before');
  client.send(`OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1\r\n${host}${basic.alice}\r\n`);
  t.match((await client.message()).head, /MS-ASProtocolVersions: 2\.0,/);
});

t.test('MAPI: PROCESSING and each PENDING arrive one by one', async (t) => {
  const client = await site.client();
  const due = on(pendings, 'due') as AsyncIterableIterator<[letGo: () => void]>;
  client.send(
    `POST /mapi/emsmdb?MailboxId=a@b HTTP/1.1\r\n${host}${basic.alice}` +
      'X-RequestType: NotificationWait\r\nX-RequestId: {1}:1\r\nContent-Length: 0\r\n\r\n'
  );
  const head = await client.until('\r\n\r\n');
  t.match(head, /\r\nTransfer-Encoding: chunked\r\n/);
  t.equal(head.match(/\r\nSet-Cookie: /g)?.length, 2, 'both cookies');
  // The server says nothing more before this has arrived, so none can have been kept back.
  await client.until('PROCESSING\r\n\r\n');
  let left = pace.pendings;
  for await (const [letGo] of due) {
    t.equal(client.received.length, 0, 'none before its time');
    letGo();
    await client.until('PENDING\r\n\r\n');
    if (--left === 0) break;
  }
  t.match(await client.until('0\r\n\r\n'), /DONE\r\n[^]*X-ElapsedTime: \d+\r\n/);
});

t.test('EWS: a body that waits for 100 Continue', { skip: missing('curl') }, async (t) => {
  const folder = temporaryFolder(t);
  const [file, trace] = [join(folder, 'soap.xml'), join(folder, 'trace')];
  const soap = `<s:Envelope><s:Body><m:GetFolder/></s:Body></s:Envelope>${' '.repeat(100_000)}`;
  writeFileSync(file, soap);
  const record = nextRecord(servers, 'end', '/ews/');
  const url = `https://127.0.0.1:${site.https}/EWS/Exchange.asmx`;
  const sign = ['-sk', '--basic', '-u', 'alice:Ballast-1'];
  const waits = ['-H', 'Expect: 100-continue', '--expect100-timeout', '20'];
  const body = ['--trace-ascii', trace, '--data-binary', `@${file}`];
  const answer = await run('curl', ...sign, ...waits, ...body, url);
  t.match(answer, /<m:GetFolderResponse /);
  t.equal((await record).body.sha256, sha256(Buffer.from(soap)));
  const traced = readFileSync(trace, 'latin1');
  const [said, sent] = [traced.indexOf('HTTP/1.1 100 Continue'), traced.indexOf('=> Send data,')];
  t.ok(said > 0 && said < sent, 'the server said so before the body was sent');
});

t.test('a WebSocket is a tunnel both ways', async (t) => {
  const client = await site.client();
  client.send(
    `GET /owa/ws HTTP/1.1\r\n${host}${basic.alice}Connection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  );
  const head = await client.until('\r\n\r\n');
  t.match(head, /^HTTP\/1\.1 101 /);
  t.match(head, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  t.match(head, /\r\nConnection: Upgrade\r\n/);
  for (const size of [1, 100, 500_000]) {
    const bytes = pattern(size);
    client.send(bytes);
    t.ok((await client.take(size)).equals(bytes), `${size} bytes and back`);
  }
  client.socket.end();
  t.equal(await client.ended(), 'end', 'an end goes through and comes back');
});

t.test('OAB: one file in ranges, by BITS', { skip: missing('curl') }, async (t) => {
  const url = `https://127.0.0.1:${site.https}/OAB/guid/oab.xml`;
  const curl = ['-sk', '--basic', '-u', 'alice:Ballast-1'];
  const head = await run('curl', ...curl, '--head', url);
  t.match(head, new RegExp(`\r\nContent-Length: ${addressBookBytes}\r\n`));
  const whole = pattern(addressBookBytes);
  const folder = temporaryFolder(t);
  for (const [range, from, to] of [
    ['0-99999', 0, 100_000],
    ['100000-', 100_000, addressBookBytes],
    ['-1000', addressBookBytes - 1000, addressBookBytes]
  ] as const) {
    const file = join(folder, range);
    const shown = '%{http_code} %header{content-range}';
    const said = await run('curl', ...curl, '-r', range, '-o', file, '-w', shown, url);
    t.equal(said, `206 bytes ${from}-${to - 1}/${addressBookBytes}`);
    const got = (await run('sha256sum', file)).slice(0, 64);
    t.equal(got, sha256(whole.subarray(from, to)), range);
  }
  t.equal(
    await run('curl', ...curl, '-o', '/dev/null', '-w', '%{http_code}', '-r', '2000000-', url),
    '416'
  );
});

t.test('a ticket of 60 KiB in one header field', async (t) => {
  const client = await site.client();
  const ticket = Buffer.from(`KERBEROS:bob:${'x'.repeat(45 * 1024)}`).toString('base64');
  t.ok(ticket.length >= 60 * 1024);
  client.send(`GET /owa/ticket HTTP/1.1\r\n${host}Authorization: Negotiate ${ticket}\r\n\r\n`);
  const answer = await client.message();
  t.match(answer.head, /^HTTP\/1\.1 200 [^]*\r\nX-User: CORP\\bob\r\n/);
});

t.test('HTTP/1.0 with keep-alive', async (t) => {
  const client = await site.client();
  for (const path of ['/owa/a', '/owa/b']) {
    client.send(`GET ${path} HTTP/1.0\r\n${host}${basic.bob}Connection: keep-alive\r\n\r\n`);
    const { head } = await client.message();
    t.match(head, /^HTTP\/1\.1 200 [^]*\r\nConnection: keep-alive\r\n/i);
  }
  client.send(`POST /mapi/emsmdb HTTP/1.0\r\n${host}${basic.bob}X-RequestType: Connect\r\n`);
  client.send('Connection: keep-alive\r\nContent-Length: 0\r\n\r\n');
  const rest = await client.rest();
  t.notMatch(rest, /Transfer-Encoding/i, 'no chunks for it');
  t.match(rest, /\r\n\r\nPROCESSING\r\nDONE\r\n/);
});

t.test('workers stay as small as they were', async (t) => {
  const grown = growthMb(memory);
  t.comment(`the worker that grew most grew by ${grown} MB`);
  t.ok(grown < 30, `a worker grew by ${grown} MB at most`);
  t.equal(site.ballast.errors(), '');
});
