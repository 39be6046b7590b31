// A server of ours: for bulk transfers and long polls, and for machines without nginx.
// Arguments: plain port, TLS port, chain file, key file.

import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Expectation, sendContent } from './content.ts';
import * as work from './workload.ts';

/** Answers of held polls, from any connection to any address. */
let release: (() => void)[] = [];

export const plainServer = (): Server => createServer({ noDelay: true }, serve);

function serve(socket: Socket): void {
  let pending = '';
  let upload: Expectation | undefined;
  let closes = false;
  socket.setNoDelay();
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    if (upload !== undefined) chunk = takeUpload(upload, chunk);
    while (chunk.length > 0) {
      const text = pending + chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return void (pending = text);
      chunk = chunk.subarray(end + 4 - pending.length);
      pending = '';
      obey(text.slice(0, end + 2));
      if (upload !== undefined) chunk = takeUpload(upload, chunk);
    }
  });

  function obey(head: string): void {
    const [method, target = ''] = head.split(' ', 2);
    const { pathname, searchParams } = new URL(target, 'http://server');
    const number = (name: string): number => Number(searchParams.get(name));
    closes = /^connection: close\r$/im.test(head);
    if (pathname === work.downPath) sendDown(number('start'), number('bytes'));
    else if (pathname === work.upPath) {
      const bytes = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1]);
      upload = new Expectation(number('start'), bytes);
    } else if (pathname === work.holdPath) {
      release.push(() => answer(work.pollBody(number('number'))));
    } else {
      answer(pathname === work.checkPath ? work.checkBody : work.answerBody, method === 'HEAD');
    }
    if (pathname !== work.releasePath) return;
    for (const answerPoll of release) answerPoll();
    release = [];
  }

  function answer(body: string, headOnly = false, status = '200 OK'): void {
    socket.write(answerHead(Buffer.byteLength(body), closes, status) + (headOnly ? '' : body));
    if (closes) socket.end();
  }

  function sendDown(start: number, bytes: number): void {
    socket.write(answerHead(bytes, closes));
    sendContent(
      start,
      bytes,
      (piece, sent) => socket.write(piece, sent),
      () => {}
    );
  }

  function takeUpload(expected: Expectation, chunk: Buffer): Buffer {
    const rest = chunk.subarray(expected.take(chunk));
    if (expected.isMet) {
      upload = undefined;
      answer(work.answerBody, false, expected.wrong ? '422 Wrong Content' : '200 OK');
    }
    return rest;
  }
}

function answerHead(bytes: number, closes: boolean, status = '200 OK'): string {
  return (
    `HTTP/1.1 ${status}\r\nServer: stand-in\r\nContent-Type: text/html\r\n` +
    `Content-Length: ${bytes}\r\nConnection: ${closes ? 'close' : 'keep-alive'}\r\n\r\n`
  );
}

if (import.meta.main) {
  const [plainPort, tlsPort, chainFile = '', keyFile = ''] = process.argv.slice(2);
  const certificate = { cert: readFileSync(chainFile), key: readFileSync(keyFile) };
  for (const host of work.serverAddresses) {
    plainServer().listen({ port: Number(plainPort), host, backlog: 4096 });
    createTlsServer({ ...certificate, noDelay: true }, serve).listen({
      port: Number(tlsPort),
      host,
      backlog: 4096
    });
  }
}
