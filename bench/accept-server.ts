// A server of two workers that share a port in one of three ways. Arguments: way, port.
// `/who` answers with the worker's pid; `/block` keeps the worker from its event loop for a while.

import cluster from 'node:cluster';
import { createServer, type Socket } from 'node:net';
import { answerBody } from './workload.ts';

const [way = '', port = ''] = process.argv.slice(2);
const blockMs = 1000;

function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    const request = chunk.toString('latin1');
    if (request.startsWith('GET /block')) {
      for (const end = performance.now() + blockMs; performance.now() < end;);
    }
    const body = request.startsWith('GET /who') ? `${process.pid}` : answerBody;
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`;
    if (request.includes('\r\nConnection: close\r\n')) socket.end(head + body);
    else socket.write(head + body);
  });
}

if (cluster.isPrimary) {
  cluster.schedulingPolicy = way === 'round robin' ? cluster.SCHED_RR : cluster.SCHED_NONE;
  cluster.fork();
  cluster.fork();
} else {
  const reusePort = way === 'reusePort';
  const server = createServer({ noDelay: true }, serve);
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096, reusePort });
}
