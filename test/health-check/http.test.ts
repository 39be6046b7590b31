import t from 'tap';
import { healthChecks } from '../../src/health-check/registry.ts';
import { selfSignedCertificate } from '../../src/tls/certificate.ts';
import { failure, get, outcome, plain, server } from './outcome.ts';
import { closedPort, says, type ScriptedServer } from './scripted-server.ts';

t.test('the request, byte by byte', async (t) => {
  const it: ScriptedServer = await server(t, says('HTTP/1.1 200 OK\r\n\r\n'));
  await healthChecks.http(it, plain, AbortSignal.timeout(20_000));
  await healthChecks.http(it, get, AbortSignal.timeout(20_000));
  await healthChecks.http(it, { ...get, http11: true }, AbortSignal.timeout(20_000));
  await healthChecks.http(
    it,
    { ...plain, http11: true, host: 'mail.example.com' },
    AbortSignal.timeout(20_000)
  );
  t.strictSame(it.heard, [
    'HEAD / HTTP/1.0\r\n\r\n',
    'GET /owa/healthcheck.htm HTTP/1.0\r\n\r\n',
    'GET /owa/healthcheck.htm HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
    'HEAD / HTTP/1.1\r\nHost: mail.example.com\r\nConnection: close\r\n\r\n'
  ]);
});

t.test('the status decides', async (t) => {
  const it = await server(t, says(''));
  for (const status of [200, 204, 299, 301, 302, 401]) {
    for (const options of [plain, get]) {
      it.script = says(`HTTP/1.1 ${status} Whatever\r\nContent-Length: 0\r\n\r\n`);
      t.equal(await outcome('http', it, options), 'up', `${options.method} ${status}`);
    }
  }
  for (const status of [101, 300, 303, 304, 307, 400, 403, 404, 500, 503, 999]) {
    it.script = says(`HTTP/1.1 ${status} Whatever\r\n\r\n`);
    const { answered, message } = await failure('http', it, plain);
    t.equal(answered, true, `${status} decides at once`);
    t.equal(
      message,
      `sent "HEAD / HTTP/1.0" to http://127.0.0.1:${it.port}; got "HTTP/1.1 ${status} Whatever"`
    );
  }
});

t.test('a status line needs no reason, and is enough for HEAD', async (t) => {
  const it = await server(t, (socket) => socket.write('HTTP/1.0 200\r\n'));
  t.equal(await outcome('http', it, plain), 'up');
});

t.test('an answer in single bytes', async (t) => {
  const it = await server(t, (socket) => {
    const bytes = 'HTTP/1.1 200 OK\r\nServer: IIS\r\n\r\n';
    void (async () => {
      for (const byte of bytes) {
        socket.write(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  });
  t.equal(await outcome('http', it, get), 'up', 'the connection stays open: the head decides');
});

t.test('a refusal is quoted with the beginning of its body, made printable', async (t) => {
  const body = 'Service is\r\n\tdown\x00\x1b[31m"\xe9 ' + 'x'.repeat(200);
  const it = await server(t, says(`HTTP/1.1 503 Not \x07 now\r\nA: b\r\n\r\n${body}`));
  const { message, answered } = await failure('http', it, { ...get, http11: true, host: 'mail' });
  t.equal(answered, true);
  t.match(message, 'sent "GET /owa/healthcheck.htm HTTP/1.1" (Host: mail) to http://127.0.0.1:');
  t.match(
    message,
    'got "HTTP/1.1 503 Not \\x07 now", body "Service is down\\x00\\x1b[31m"\\xe9 xxx'
  );
  t.match(message, /x\.\.\."$/);
  t.notMatch(message, /[^\x20-\x7e]/);
});

t.test('a refusal whose body never comes is a refusal all the same', async (t) => {
  const it = await server(t, (socket) => socket.write('HTTP/1.1 500 Oops\r\n\r\nhalf'));
  const { message, answered } = await failure('http', it, get);
  t.equal(answered, true);
  t.match(message, /got "HTTP\/1\.1 500 Oops", body "half"$/);
});

t.test('what is not HTTP', async (t) => {
  const it = await server(t, says(''));
  for (const bytes of [
    '220 mail ESMTP\r\n',
    'http/1.1 200 OK\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 +20 OK\r\n\r\n',
    'HTTP/1.2 200 OK\r\n\r\n',
    'HTTP/1.1 200 O\nK\r\n\r\n',
    ' HTTP/1.1 200 OK\r\n\r\n',
    '\x15\x03\x01\x00\x02\x02F'
  ]) {
    it.script = says(bytes);
    const { answered, message } = await failure('http', it, get);
    t.equal(answered, true, JSON.stringify(bytes));
    t.match(message, /; got ".*", which is not HTTP$/);
  }
});

t.test('garbage decides without waiting for the end of a line', async (t) => {
  const it = await server(t, (socket) => socket.write('SSH-2.0'));
  t.equal((await failure('http', it, plain)).answered, true);
});

t.test('half an answer is none', async (t) => {
  const it = await server(t, says('HTTP/1.1 20'));
  t.match(await failure('http', it, plain), {
    answered: false,
    message: /got only "HTTP\/1\.1 20": the server closed the connection$/
  });
  it.script = says('HTTP/1.1 200 OK\r\nContent-');
  t.match(await failure('http', it, get), { answered: false, message: /got only/ });
});

t.test('an endless head', async (t) => {
  const it = await server(t, says(`HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(4000)}`));
  t.match(await failure('http', it, get), {
    answered: true,
    message: /no end of the head in 16 KiB/
  });
});

t.test('no answer: close, reset, refusal, silence', async (t) => {
  const it = await server(t, (socket) => socket.end());
  t.match(await failure('http', it, get), {
    answered: false,
    message: /got nothing: the server closed the connection$/
  });
  it.script = (socket) => socket.resetAndDestroy();
  t.match(await failure('http', it, get), { answered: false, message: /connection reset$/ });
  const nobody = { address: '127.0.0.1', port: await closedPort() };
  for (const type of ['http', 'https', 'tcp'] as const) {
    t.match(await failure(type, nobody, get), {
      answered: false,
      message: `cannot connect to 127.0.0.1:${nobody.port}: connection refused`
    });
  }
  const deadline = new AbortController();
  it.script = () => deadline.abort();
  t.match(await failure('http', it, get, deadline.signal), {
    answered: false,
    message: /got nothing: no answer in time$/
  });
  t.match(await failure('http', it, get, AbortSignal.abort()), {
    answered: false,
    message: `cannot connect to 127.0.0.1:${it.port}: no answer in time`
  });
});

t.test('tcp is up with the handshake, none without anything', async (t) => {
  const it = await server(t, says(''));
  t.equal(await outcome('tcp', it, plain), 'up');
  t.equal(await outcome('none', { address: '127.0.0.1', port: await closedPort() }, plain), 'up');
  t.strictSame(it.heard, []);
});

t.test('TLS', async (t) => {
  const { chainPem: cert, keyPem: key } = await selfSignedCertificate('EX01.corp.example', []);
  const fine = says('HTTP/1.1 200 OK\r\n\r\n');
  const it = await server(t, fine, { cert, key });
  t.equal(await outcome('https', it, get), 'up', 'nothing is verified');
  t.equal(await outcome('https', it, { ...get, host: 'mail.example.com' }), 'up');
  t.equal(await outcome('https', it, { ...get, http11: true, host: 'mail.example.com:444' }), 'up');
  t.equal(await outcome('https', it, { ...get, http11: true, host: '192.0.2.1' }), 'up');
  const headers = [['Host', 'other.example.com']] as const;
  t.equal(await outcome('https', it, { ...get, http11: true, host: 'a', headers }), 'up');
  t.strictSame(
    it.serverNames,
    [false, false, 'mail.example.com', false, 'other.example.com'],
    'SNI'
  );
  it.script = says('HTTP/1.1 503 No\r\n\r\n');
  const refused = await failure('https', it, { ...plain, http11: true });
  t.match(refused, {
    answered: true,
    message: `(Host: 127.0.0.1) to https://127.0.0.1:${it.port}; got`
  });

  const old = await server(t, fine, {
    cert,
    key,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1',
    ciphers: 'AES128-SHA@SECLEVEL=0'
  });
  t.equal(await outcome('https', old, get), 'up', 'a server of 2003');
  t.strictSame(old.protocols, ['TLSv1']);

  const clear = await server(t, says('HTTP/1.1 200 OK\r\n\r\n'));
  t.match(await failure('https', clear, get), {
    answered: false,
    message: /^TLS handshake with .* failed: /
  });
  clear.script = (socket) => socket.destroy();
  t.match(await failure('https', clear, get), { answered: false, message: /^TLS handshake with / });
  const deadline = new AbortController();
  clear.script = () => deadline.abort();
  t.match(await failure('https', clear, get, deadline.signal), {
    answered: false,
    message: /failed: no end of it in time$/
  });
});
