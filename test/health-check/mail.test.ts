// The checks of IMAP, POP and SMTP servers: what is said, what decides, and how they go.

import { hostname } from 'node:os';
import t from 'tap';
import { beginsWithTls } from '../../src/health-check/start-tls.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { mailPeer, type MailPeer } from './mail-peer.ts';
import { failure, outcome, plain } from './outcome.ts';
import { closedPort } from './scripted-server.ts';

const name = /^[\w-]+\.[\w.-]+$/.test(hostname()) ? hostname() : '[127.0.0.1]';
const ehlo = `EHLO ${name}\r\n`;
const exchange =
  '250-EX01 Hello [127.0.0.1]\r\n250-SIZE 37748736\r\n250-STARTTLS\r\n250 CHUNKING\r\n';
const bye = '221 2.0.0 Service closing transmission channel\r\n';

const kinds = {
  imap: {
    greetings: [
      '* OK The Microsoft Exchange IMAP4 service is ready.\r\n',
      '* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.\r\n',
      '* PREAUTH hello\r\n',
      '* ok\r\n'
    ],
    answers: { LOGOUT: '* BYE logging out\r\nb1 OK LOGOUT completed.\r\n' },
    heard: ['b1 LOGOUT\r\n'],
    refusals: ['* BYE Connection is closed. 13\r\n', '* BYE\r\n'],
    expected: '"* OK" or "* PREAUTH"'
  },
  pop3: {
    greetings: ['+OK The Microsoft Exchange POP3 service is ready.\r\n', '+OK\r\n'],
    answers: { QUIT: '+OK bye\r\n' },
    heard: ['QUIT\r\n'],
    refusals: ['-ERR [SYS/TEMP] not now\r\n', '-ERR\r\n'],
    expected: '"+OK"'
  },
  smtp: {
    greetings: ['220 EX01 Microsoft ESMTP MAIL Service ready\r\n', '220-one\r\n220-two\r\n220\r\n'],
    answers: { EHLO: exchange, QUIT: bye },
    heard: [ehlo, 'QUIT\r\n'],
    refusals: ['421 4.3.2 Service not active\r\n', '554-no\r\n554 here\r\n', '250 what\r\n'],
    expected: '220'
  }
} as const;
const types = ['imap', 'pop3', 'smtp'] as const;

for (const type of types) {
  const { greetings, answers, heard, refusals, expected } = kinds[type];

  t.test(`${type}: a greeting that welcomes, a goodbye, and a FIN`, async (t) => {
    const peer = await mailPeer(t, '', answers);
    for (const greeting of greetings) {
      peer.greeting = greeting;
      peer.heard.length = 0;
      t.equal(await outcome(type, peer, plain), 'up', JSON.stringify(greeting));
      t.strictSame(peer.heard, heard);
    }
    t.strictSame(peer.endings, Array(greetings.length).fill('end'));
  });

  t.test(`${type}: a greeting in single bytes`, async (t) => {
    const peer = await mailPeer(
      t,
      (socket) => {
        void (async () => {
          for (const byte of greetings[0]) {
            socket.write(byte);
            await new Promise((resolve) => setImmediate(resolve));
          }
        })();
      },
      answers
    );
    t.equal(await outcome(type, peer, { ...plain, tls: false }), 'up');
  });

  t.test(`${type}: a refusal decides, and is quoted in one printable line`, async (t) => {
    const peer = await mailPeer(t, '', answers);
    for (const refusal of refusals) {
      peer.greeting = refusal;
      const { answered, message } = await failure(type, peer, plain);
      t.equal(answered, true, refusal);
      const quoted = refusal.trim().replaceAll('\r\n', ' ');
      const url = `${type}://127.0.0.1:${peer.port}`;
      t.equal(message, `connected to ${url}; expected ${expected}, got "${quoted}"`);
    }
    peer.greeting = `${refusals[0].trim()} \x1b[31m\xe9${'x'.repeat(500)}\r\n`;
    const { message } = await failure(type, peer, plain);
    t.match(message, /\\x1b\[31m\\xe9xxx+\.\.\."$/);
    t.ok(message.length < 300, 'bounded');
    t.notOk(peer.endings.some((ending) => ending !== 'end'));
  });

  t.test(`${type}: other protocols decide without the end of a line`, async (t) => {
    const peer = await mailPeer(t, '');
    const others: [bytes: string, what: string][] = [
      ['HTTP/1.1 408 Request Timeout\r\nA: b\r\n\r\n', 'HTTP'],
      ['\x15\x03\x01\x00\x02\x02F', 'TLS'],
      ['SSH-2.0', 'SSH'],
      ['\x00\x01\x02\x03', 'binary'],
      ['hello', `not ${type.toUpperCase()}`],
      ['\r\n', `not ${type.toUpperCase()}`],
      [type === 'imap' ? '220 mail ESMTP\r\n' : '* OK hi\r\n', type === 'imap' ? 'SMTP' : 'IMAP'],
      type === 'pop3' ? ['+OKAY\r\n', 'not POP3'] : ['+OK hi\r\n', 'POP3'],
      [`${greetings[0].trim()}\n`, `not ${type.toUpperCase()}: a line must end in CR LF`]
    ];
    for (const [bytes, what] of others) {
      peer.greeting = bytes;
      const { answered, message } = await failure(type, peer, plain);
      t.equal(answered, true, what);
      t.ok(message.endsWith(`", which is ${what}`), message);
    }
    t.strictSame(peer.heard, [], 'no word to a stranger');
  });

  t.test(`${type}: no answer: close, reset, silence, half a line`, async (t) => {
    const peer = await mailPeer(t, (socket) => socket.end());
    t.match(await failure(type, peer, plain), {
      answered: false,
      message: /, got nothing: the server closed the connection$/
    });
    peer.greeting = (socket) => socket.resetAndDestroy();
    t.match(await failure(type, peer, plain), { answered: false, message: /connection reset$/ });
    const half = greetings[0].slice(0, 3);
    peer.greeting = (socket) => socket.end(half);
    t.match(await failure(type, peer, plain), {
      answered: false,
      message: `got only "${half.trim()}": the server closed the connection`
    });
    const deadline = new AbortController();
    peer.greeting = () => setTimeout(() => deadline.abort(), 20);
    t.match(await failure(type, peer, plain, deadline.signal), {
      answered: false,
      message: /, got nothing: no answer in time$/
    });
    const nobody = { address: '127.0.0.1', port: await closedPort() };
    t.match(await failure(type, nobody, plain), {
      answered: false,
      message: `cannot connect to 127.0.0.1:${nobody.port}: connection refused`
    });
  });

  t.test(`${type}: an endless line`, async (t) => {
    const peer = await mailPeer(t, (socket) => {
      socket.write(greetings[0].trim());
      const more = (): void => {
        if (!socket.destroyed) socket.write('x'.repeat(1024), more);
      };
      more();
    });
    t.match(await failure(type, peer, plain), {
      answered: true,
      message: /\.\.\.", which is not \w+$/
    });
  });

  t.test(`${type}: whatever becomes of the goodbye, the server is up`, async (t) => {
    const goodbye = type === 'imap' ? 'LOGOUT' : 'QUIT';
    const polite: MailPeer['answers'] = answers;
    const { [goodbye]: farewell = '', ...others } = polite;
    const peer = await mailPeer(t, greetings[0], others);
    t.equal(await outcome(type, peer, plain), 'up', 'silence has its limit');
    for (const answer of ['nonsense\r\n', farewell + 'x'.repeat(100_000)]) {
      peer.answers[goodbye] = answer;
      t.equal(await outcome(type, peer, plain), 'up', answer.slice(0, 20));
    }
    let count = 0;
    peer.greeting = (socket) => {
      socket.write(greetings[0]);
      socket.on('data', (bytes) => {
        if (bytes.includes(goodbye)) {
          count++;
          socket.resetAndDestroy();
        }
      });
    };
    t.equal(await outcome(type, peer, plain), 'up', 'a reset');
    const deadline = new AbortController();
    delete peer.answers[goodbye];
    peer.greeting = (socket) => {
      socket.write(greetings[0]);
      socket.on('data', (bytes) => {
        if (bytes.includes(goodbye)) deadline.abort();
      });
    };
    t.equal(await outcome(type, peer, plain, deadline.signal), 'up', 'the deadline');
    t.equal(count, 1);
  });

  t.test(`${type}: TLS`, async (t) => {
    const { chainPem: cert, keyPem: key } = await selfSignedCertificate('EX01.corp.example', []);
    const peer = await mailPeer(t, greetings[0], answers, { cert, key });
    const secure = { ...plain, tls: true };
    t.equal(await outcome(type, peer, secure), 'up', 'nothing is verified');
    t.equal(await outcome(type, peer, { ...secure, host: 'mail.example.com' }), 'up');
    t.equal(await outcome(type, peer, { ...secure, host: '192.0.2.1' }), 'up');
    t.strictSame(peer.serverNames, [false, 'mail.example.com', false], 'SNI');
    t.strictSame(peer.endings, ['end', 'end', 'end']);
    peer.greeting = refusals[0];
    t.match(await failure(type, peer, secure), {
      answered: true,
      message: `connected to ${type}s://127.0.0.1:${peer.port}; expected`
    });
    const clear = await mailPeer(t, greetings[0], answers);
    t.match(await failure(type, clear, secure), {
      answered: false,
      message: /^TLS handshake with .* failed: what the server sent is not TLS$/
    });
  });
}

t.test('smtp: what follows the greeting decides as well', async (t) => {
  const peer = await mailPeer(t, '220 EX01\r\n', { EHLO: '421 4.3.2 not active\r\n', QUIT: bye });
  const url = `smtp://127.0.0.1:${peer.port}`;
  t.match(await failure('smtp', peer, plain), {
    answered: true,
    message: `sent "EHLO ${name}" to ${url}; expected 250, got "421 4.3.2 not active"`
  });
  t.strictSame(peer.heard, [ehlo], 'who says 421 closes');
  peer.answers.EHLO = '550-5.7.1 you\r\n550 again\r\n';
  peer.heard.length = 0;
  t.match(await failure('smtp', peer, plain), {
    answered: true,
    message: '550-5.7.1 you 550 again'
  });
  t.strictSame(peer.heard, [ehlo, 'QUIT\r\n']);
  peer.answers.EHLO = '250-half\r\n';
  const deadline = new AbortController();
  peer.greeting = (socket) => {
    socket.write('220 EX01\r\n');
    socket.on('data', () => setImmediate(() => deadline.abort()));
  };
  t.match(await failure('smtp', peer, plain, deadline.signal), {
    answered: false,
    message: /got (only "250-half"|nothing): no answer in time$/
  });
  peer.greeting = '220 EX01\r\n';
  peer.answers.EHLO = 'HTTP/1.1 400 Bad Request\r\n';
  t.match(await failure('smtp', peer, plain), { answered: true, message: /which is HTTP$/ });
});

t.test('smtp: HELO where EHLO is not known', async (t) => {
  const peer = await mailPeer(t, '220 old\r\n', { HELO: '250 old\r\n', QUIT: bye });
  for (const unknown of ['500 what?\r\n', '502 not implemented\r\n']) {
    peer.answers.EHLO = unknown;
    peer.heard.length = 0;
    t.equal(await outcome('smtp', peer, plain), 'up', unknown);
    t.strictSame(peer.heard, [ehlo, `HELO ${name}\r\n`, 'QUIT\r\n']);
  }
  peer.answers.HELO = '501 who?\r\n';
  t.match(await failure('smtp', peer, plain), { message: /^sent "HELO .* got "501 who\?"$/ });
});

t.test('TLS by the port where nothing is said of it', async (t) => {
  const tlsPorts = [25, 110, 143, 465, 587, 993, 995].filter((port) =>
    beginsWithTls({ address: '', port }, plain)
  );
  t.strictSame(tlsPorts, [465, 993, 995]);
  t.equal(beginsWithTls({ address: '', port: 465 }, { ...plain, tls: false }), false);
  t.equal(beginsWithTls({ address: '', port: 25 }, { ...plain, tls: true }), true);
});
