// The mail server behind every relay: it says just enough of IMAP and SMTP, and cheaply.
// As a program: arguments are the IMAP port and the SMTP port.

import { createServer, type Server, type Socket } from 'node:net';
import { Expectation, sendContent } from '../content.ts';
import { serverAddresses } from '../workload.ts';
import {
  imapGreeting,
  noopAnswer,
  smtpDone,
  smtpFarewell,
  smtpGreeting,
  smtpHello
} from './conversation.ts';

export const imapServer = (): Server => createServer({ noDelay: true }, serveImap);
export const smtpServer = (): Server => createServer({ noDelay: true }, serveSmtp);

/** `DOWN` and `UP` stand for FETCH and APPEND; a relay knows neither. */
function serveImap(socket: Socket): void {
  let pending = '';
  let upload: { readonly tag: string; readonly expected: Expectation } | undefined;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    if (upload !== undefined) chunk = takeUpload(chunk);
    // Content may stand behind a line, so lines are taken one by one.
    for (let end; (end = chunk.indexOf(10)) !== -1;) {
      const line = (pending + chunk.toString('latin1', 0, end)).slice(0, -1);
      pending = '';
      chunk = chunk.subarray(end + 1);
      obey(line);
      if (upload !== undefined) chunk = takeUpload(chunk);
    }
    pending += chunk.toString('latin1');
  });
  socket.write(imapGreeting);

  function obey(line: string): void {
    const [tag = '', verb, bytes, start] = line.split(' ', 4);
    if (verb === 'NOOP') socket.write(noopAnswer(tag), 'latin1');
    else if (verb === 'DOWN') sendContent(Number(start), Number(bytes), write, () => {});
    else if (verb === 'UP') {
      upload = { tag, expected: new Expectation(Number(start), Number(bytes)) };
    } else if (verb === 'IDLE') socket.write('+ idling\r\n');
    else if (verb === 'LOGOUT') socket.end(`* BYE\r\n${tag} OK LOGOUT\r\n`);
    else socket.write(`${tag} OK ${verb}\r\n`);
  }

  function write(piece: Buffer, sent: (error?: Error | null) => void): void {
    socket.write(piece, sent);
  }

  function takeUpload(chunk: Buffer): Buffer {
    if (upload === undefined) return chunk;
    const rest = chunk.subarray(upload.expected.take(chunk));
    if (upload.expected.isMet) {
      socket.write(`${upload.tag} ${upload.expected.wrong ? 'BAD wrong content' : 'OK'}\r\n`);
      upload = undefined;
    }
    return rest;
  }
}

function serveSmtp(socket: Socket): void {
  let pending = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString('latin1')).split('\r\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const verb = line.split(' ', 1)[0];
      if (verb === 'QUIT') socket.end(smtpFarewell);
      else socket.write(verb === 'EHLO' ? smtpHello : smtpDone);
    }
  });
  socket.write(smtpGreeting);
}

if (import.meta.main) {
  const [imapPort, smtpPort] = process.argv.slice(2).map(Number);
  for (const address of serverAddresses) {
    imapServer().listen({ port: imapPort, host: address, backlog: 4096 });
    smtpServer().listen({ port: smtpPort, host: address, backlog: 4096 });
  }
}
