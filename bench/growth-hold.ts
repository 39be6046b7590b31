// A program that holds long polls. Arguments: port, how many, the path. Prints a line when all are
// asked; ends in failure as soon as one of them is answered or lost.

import { once } from 'node:events';
import { connect } from 'node:net';
import { requestsFor } from './slice-ballast.ts';

const [port = '', count = '', path = ''] = process.argv.slice(2);
const [request = Buffer.alloc(0)] = requestsFor([path]);

function fail(why: string): void {
  console.error(why);
  process.exit(1);
}

for (let n = 0; n < Number(count); n++) {
  // Own addresses: one address has ports for 28,000 connections, and others need some too.
  const localAddress = `127.0.1.${1 + (n % 8)}`;
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress, noDelay: true });
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('a poll was cut'));
  socket.on('data', (chunk: Buffer) => fail(`a poll was answered: ${chunk.toString('latin1')}`));
  await once(socket, 'connect');
  socket.write(request);
}
console.log('held');
