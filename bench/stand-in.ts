// A server for machines without nginx: any request without a body gets the small answer.
// Arguments: plain port, TLS port, chain file, key file.

import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { answerBody, checkBody, checkPath, serverAddresses } from './workload.ts';

const [plainPort, tlsPort, chainFile = '', keyFile = ''] = process.argv.slice(2);
const certificate = { cert: readFileSync(chainFile), key: readFileSync(keyFile) };

for (const address of serverAddresses) {
  createServer(serve).listen(Number(plainPort), address);
  createTlsServer(certificate, serve).listen(Number(tlsPort), address);
}

function serve(socket: Socket): void {
  let pending = '';
  socket.setNoDelay();
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    const heads = (pending + chunk.toString('latin1')).split('\r\n\r\n');
    pending = heads.pop() ?? '';
    if (heads.length > 0) socket.write(heads.map(answerTo).join(''));
  });
}

function answerTo(head: string): string {
  const body = head.includes(` ${checkPath} `) ? checkBody : answerBody;
  return (
    'HTTP/1.1 200 OK\r\nServer: stand-in\r\nContent-Type: text/html\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: keep-alive\r\n\r\n` +
    (head.startsWith('HEAD ') ? '' : body)
  );
}
