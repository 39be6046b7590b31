// Servers that answer what no server should. Nobody gets in by it, nothing is waited for beyond its
// time, and nothing is gathered without an end.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import { Directory } from '../../src/directory/directory.ts';
import type { DirectorySettings } from '../../src/directory/settings.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { entry, message, result, tlv } from './ber.ts';
import { openPort } from '../tls/handshake.ts';
import { directorySettings } from './settings.ts';

const password = 'Canary-8841';
const timeoutMs = 400;

interface Request {
  readonly id: number;
  /** 0x60 bind, 0x63 search, 0x77 StartTLS, 0x42 unbind. */
  readonly operation: number;
}

type Script = (socket: Socket, request: Request) => void;

interface Peer {
  readonly port: number;
  /** Bytes that it could get rid of. */
  sent(): number;
  asked(): number;
}

async function startPeer(t: Test, script: Script, greeting = ''): Promise<Peer> {
  let asked = 0;
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.write(greeting);
    socket.on('data', (bytes) => {
      asked++;
      if (bytes[0] === 0x30) script(socket, readRequest(bytes));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    port: (server.address() as { port: number }).port,
    sent: () => sockets.reduce((sum, one) => sum + one.bytesWritten - one.writableLength, 0),
    asked: () => asked
  };
}

/** Our questions are short, and come in one piece each. */
function readRequest(bytes: Buffer): Request {
  const first = bytes[1] ?? 0;
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f);
  return { id: bytes[start + 2] ?? 0, operation: bytes[start + 3] ?? 0 };
}

function open(peer: Peer, change: Partial<DirectorySettings> = {}): Directory {
  const servers = [{ host: '127.0.0.1', port: peer.port }];
  return new Directory(directorySettings({ servers, timeoutMs, ...change }));
}

/** Without an end, as fast as it is taken. */
function flood(socket: Socket, chunk: Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}

const welcome = (id: number): Buffer => message(id, result(0x61, 0));
const unknown = message(99, result(0x61, 0));

/** Answers to a bind. */
const binds: Readonly<Record<string, Script>> = {
  silence: () => {},
  'an end': (socket) => socket.end(),
  'a reset': (socket) => socket.resetAndDestroy(),
  text: (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'endless text': (socket) => flood(socket, Buffer.alloc(65_536, 'x')),
  'an endless message': (socket) => {
    socket.write(Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]));
    flood(socket, Buffer.alloc(65_536));
  },
  'a length below zero': (socket) => {
    socket.write(Buffer.from([0x30, 0x84, 255, 255, 255, 255, 0x30, 0x84, 255, 255, 255, 255]));
  },
  'endless messages for nobody': (socket) => {
    flood(socket, Buffer.concat(Array.from({ length: 4000 }, () => unknown)));
  },
  'messages for nobody, then silence': (socket) => {
    socket.write(Buffer.concat(Array.from({ length: 10_000 }, () => unknown)));
  },
  'a byte now and then': (socket) => {
    const bytes = message(2, result(0x61, 0, 'x'.repeat(10_000)));
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 5);
    socket.on('close', () => clearInterval(timer));
  },
  'half an answer': (socket, { id }) => socket.write(welcome(id).subarray(0, -1)),
  'a welcome for somebody else': (socket, { id }) => socket.write(welcome(id + 1)),
  'a success without a result': (socket, { id }) => socket.write(message(id, tlv(0x61))),
  'a success with an empty result': (socket, { id }) => {
    socket.write(message(id, tlv(0x61, Buffer.from([10, 0]), tlv(4), tlv(4))));
  },
  'a success that leads out of its message': (socket, { id }) => {
    const out = Buffer.from([0x87, 0x7f, 1]);
    socket.write(message(id, tlv(0x61, Buffer.from([10, 1, 0]), tlv(4), tlv(4), out)));
  },
  'a referral': (socket, { id }) => socket.write(message(id, result(0x61, 10))),
  busy: (socket, { id }) => socket.write(message(id, result(0x61, 51, password))),
  'next step of SASL': (socket, { id }) => socket.write(message(id, result(0x61, 14)))
};

t.test('answers to a bind', async (t) => {
  for (const [name, script] of Object.entries(binds)) {
    const peer = await startPeer(t, script);
    const began = performance.now();
    const answer = await open(peer).logon('u1', password);
    const tookMs = performance.now() - began;
    t.equal(answer.outcome, 'unavailable', `${name}: ${inspect(answer)}`);
    if (name.startsWith('endless')) t.match(answer, { reason: /too long|does not speak LDAP/ });
    t.ok(tookMs < timeoutMs + 1000, `${name}: ${tookMs} ms`);
    t.ok(peer.sent() < 16 * 1024 * 1024, `${name}: ${peer.sent()} bytes`);
    t.notMatch(inspect(answer), password, name);
  }
});

/** Where the bind succeeds and the search for groups is answered by this. */
const searches: Readonly<Record<string, Script>> = {
  silence: () => {},
  'an end': (socket) => socket.end(),
  'endless entries': (socket, { id }) => {
    flood(socket, message(id, entry('CN=x', { cn: Array.from({ length: 500 }, () => 'x') })));
  },
  'attributes that lead out': (socket, { id }) => {
    const attribute = tlv(0x30, Buffer.from([4, 0x7f, 1]));
    socket.write(message(id, tlv(0x64, tlv(4, 'x'), tlv(0x30, attribute))));
  },
  'an entry that is a text': (socket, { id }) => socket.write(message(id, tlv(0x64, tlv(4, 'x')))),
  'a result of another kind': (socket, { id }) => socket.write(welcome(id)),
  'a refusal': (socket, { id }) => socket.write(message(id, result(0x65, 50, password))),
  'a referral': (socket, { id }) => socket.write(message(id, result(0x65, 10)))
};

t.test('answers to a search', async (t) => {
  const lists = [{ names: ['Mail Users'], nested: true }];
  for (const [name, script] of Object.entries(searches)) {
    const peer = await startPeer(t, (socket, request) => {
      if (request.operation === 0x60) socket.write(welcome(request.id));
      if (request.operation === 0x63) script(socket, request);
    });
    const began = performance.now();
    const answer = await open(peer).logon('u1', password, lists);
    t.equal(answer.outcome, 'unavailable', `${name}: ${inspect(answer)}`);
    if (name.startsWith('endless')) t.match(answer, { reason: /too long|does not speak LDAP/ });
    t.ok(performance.now() - began < timeoutMs + 1000, name);
    t.ok(peer.sent() < 16 * 1024 * 1024, `${name}: ${peer.sent()} bytes`);
    t.notMatch(inspect(answer), password, name);
  }
  // No Active Directory: nobody is in a group, and those who need none get in.
  const peer = await startPeer(t, (socket, { id, operation }) => {
    if (operation === 0x60) socket.write(welcome(id));
    if (operation === 0x63) {
      const root = entry('', { namingContexts: ['dc=example'], ['__proto__']: ['x'] });
      socket.write(Buffer.concat([message(id, root), message(id, result(0x65, 0))]));
    }
  });
  t.match(await open(peer).logon('u1', password, lists), {
    outcome: 'welcome',
    memberOf: [undefined],
    groupTrouble: /Active Directory only/
  });
});

t.test('answers to StartTLS', async (t) => {
  const ready = message(1, result(0x78, 0));
  // Without its last octets, which the server's own answer behind TLS would fill up.
  const forged = welcome(2);
  const answers: Readonly<Record<string, Script>> = {
    'a welcome put in behind it': (socket) => socket.write(Buffer.concat([ready, forged])),
    'half a welcome put in behind it': (socket) => {
      socket.write(Buffer.concat([ready, forged.subarray(0, -2)]));
    },
    'a welcome a moment later': (socket) => {
      socket.write(ready);
      setImmediate(() => socket.write(forged));
    },
    'a refusal': (socket) => socket.write(message(1, result(0x78, 52))),
    'another kind of answer': (socket) => socket.write(message(1, result(0x61, 0))),
    'no answer': () => {},
    text: (socket) => socket.write('hello'),
    'no handshake': (socket) => socket.write(ready)
  };
  for (const verify of [true, false]) {
    for (const [name, answer] of Object.entries(answers)) {
      const operations: number[] = [];
      const peer = await startPeer(t, (socket, request) => {
        operations.push(request.operation);
        answer(socket, request);
      });
      const directory = open(peer, { transport: 'starttls', verify });
      const began = performance.now();
      const { outcome } = await directory.logon('u1', password);
      t.equal(outcome, 'unavailable', name);
      t.ok(performance.now() - began < timeoutMs + 1000, name);
      t.strictSame(operations, [0x77], `${name}: no password in the clear`);
    }
  }
});

t.test('a welcome begun in the clear, ended behind TLS', async (t) => {
  // Whoever sits between puts the head of a success behind the answer to StartTLS; what is missing
  // of its text would be the server's own refusal. The client of ldapts itself takes that.
  const { cert, key } = await testCertificate('localhost');
  const refusal = message(2, result(0x61, 49));
  const forged = message(2, result(0x61, 0, refusal)).subarray(0, -refusal.length);
  for (const injected of [Buffer.alloc(0), forged]) {
    const server = createServer((plain) => {
      plain.on('error', () => {});
      plain.once('data', () => {
        plain.write(Buffer.concat([message(1, result(0x78, 0)), injected]));
        const secure = new TLSSocket(plain, { isServer: true, cert, key });
        secure.on('error', () => {});
        secure.on('data', () => secure.write(refusal));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as { port: number };
    const answer = await new Directory(
      directorySettings({
        servers: [{ host: '127.0.0.1', port }],
        transport: 'starttls',
        caPem: cert,
        timeoutMs
      })
    ).logon('u1', password);
    const wanted =
      injected === forged
        ? { outcome: 'unavailable', reason: /more before TLS than its answer/ }
        : { outcome: 'denied' };
    t.match(answer, wanted);
  }
});

t.test('the wrong port or certificate is told so that it can be mended', async (t) => {
  const { cert, key } = await testCertificate();
  const other = await testCertificate();
  const server = createTlsServer({ cert, key }).on('tlsClientError', () => {});
  const port = await openPort(t, server);
  server.on('connection', (socket) => t.teardown(() => socket.destroy()));
  const silent = await startPeer(t, (socket) => socket.destroy());
  const chatty = await startPeer(t, () => {}, 'hello');
  const cases: readonly [DirectorySettings['transport'], number, string | undefined, RegExp][] = [
    ['starttls', port, cert, /asked for StartTLS$/],
    ['starttls', silent.port, cert, /asked for StartTLS$/],
    ['ldaps', port, undefined, /caFile says who may sign it$/],
    ['ldaps', port, other.cert, /caFile says who may sign it$/],
    ['ldaps', chatty.port, cert, /does not speak TLS.*ldap-ldaps/]
  ];
  for (const [transport, at, caPem, reason] of cases) {
    const servers = [{ host: 'localhost', port: at }];
    const directory = new Directory(directorySettings({ servers, transport, caPem, timeoutMs }));
    t.match(await directory.logon('u1', password), { outcome: 'unavailable', reason });
  }
});

t.test('who is asked, and when', async (t) => {
  const refusing = await startPeer(t, (socket, { id, operation }) => {
    if (operation === 0x60) socket.write(message(id, result(0x61, 49)));
  });
  const cutting = await startPeer(t, (socket) => socket.destroy());
  const good = await startPeer(t, (socket, { id, operation }) => {
    if (operation === 0x60) socket.write(welcome(id));
  });
  const at = (...peers: readonly Peer[]): Directory =>
    new Directory(
      directorySettings({
        timeoutMs,
        servers: peers.map(({ port }) => ({ host: '127.0.0.1', port }))
      })
    );
  t.match(await at(refusing, good).logon('u1', password), { outcome: 'denied' });
  t.equal(good.asked(), 0, 'a refusal is final');
  const name = `127.0.0.1:${good.port}`;
  const directory = at(cutting, good);
  t.match(await directory.logon('u1', password), { outcome: 'welcome', server: name });
  t.match(await directory.logon('u1', password), { outcome: 'welcome', server: name });
  t.equal(cutting.asked(), 1, 'a server that failed is asked last for a while');
  t.match(await at(cutting).logon('u1', password), {
    outcome: 'unavailable',
    reason: `127.0.0.1:${cutting.port}: it closed the connection`,
    server: undefined
  });
  const before = good.asked();
  for (const user of ['', 'OTHER\\u1', 'EXTERNAL']) await at(good).logon(user, password);
  await at(good).logon('u1', '');
  t.equal(good.asked(), before, 'no directory is asked about what cannot be');
});

t.test('so many at a time', async (t) => {
  let busy = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  const peer = await startPeer(t, (socket, { id, operation }) => {
    if (operation !== 0x60) return;
    most = Math.max(most, ++busy);
    const answer = (): void => {
      busy--;
      socket.write(welcome(id));
    };
    // The first pair waits for the time of a third, which has no place.
    if (waiting.length < 2) waiting.push(answer);
    else answer();
  });
  const servers = [{ host: '127.0.0.1', port: peer.port }];
  const directory = new Directory(directorySettings({ servers, timeoutMs: 5000 }), {
    concurrentMax: 2,
    waitingMax: 3
  });
  const results = Array.from({ length: 6 }, () => directory.logon('u1', password));
  t.match(await results[5], { outcome: 'unavailable', reason: /too many/ });
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  for (const answer of waiting) answer();
  const outcomes = (await Promise.all(results)).map(({ outcome }) => outcome);
  t.strictSame(outcomes, [...Array.from({ length: 5 }, () => 'welcome'), 'unavailable']);
  t.equal(most, 2);

  const silent = await startPeer(t, () => {});
  const slow = new Directory(
    directorySettings({ servers: [{ host: '127.0.0.1', port: silent.port }], timeoutMs: 100 }),
    { concurrentMax: 1 }
  );
  const both = await Promise.all([slow.logon('u1', password), slow.logon('u1', password)]);
  t.match(both[0], { outcome: 'unavailable', reason: /no answer within 0.1 s/ });
  t.equal(both[1].outcome, 'unavailable', 'nobody waits for ever');
});

t.test('checks', async (t) => {
  const changed = Promise.withResolvers<void>();
  let answers = true;
  const peer = await startPeer(t, (socket, { id, operation }) => {
    if (!answers) socket.destroy();
    else if (operation === 0x63) {
      const root = entry('', { supportedLDAPVersion: ['3'] });
      socket.write(Buffer.concat([message(id, root), message(id, result(0x65, 0))]));
    }
  });
  const servers = [{ host: '127.0.0.1', port: peer.port }];
  const directory = new Directory(directorySettings({ servers, timeoutMs }), {
    checkIntervalMs: 10,
    onChange: ({ state }) => {
      if (state === 'down') changed.resolve();
    }
  });
  await directory.start();
  t.match(directory.health, { state: 'up', servers: [{ reason: '' }] });
  answers = false;
  await changed.promise;
  t.equal(directory.downReason, `127.0.0.1:${peer.port}: it closed the connection`);
  directory.stop();

  // A check that runs ends with it, and tells nothing any more.
  const silent = await startPeer(t, () => {});
  const stopped = new Directory(
    directorySettings({ servers: [{ host: '127.0.0.1', port: silent.port }], timeoutMs: 60_000 }),
    { onChange: () => t.fail('told after its end') }
  );
  const started = stopped.start();
  stopped.stop();
  await started;
  t.equal(stopped.health.state, 'unknown');
});
