// What an HTTP check sends beyond its URL, and what of the answer decides.

import t from 'tap';
import { compilePattern } from '../../src/content-rule/pattern.ts';
import { healthChecks } from '../../src/health-check/registry.ts';
import { failure, get, outcome, plain, server } from './outcome.ts';
import { says } from './scripted-server.ts';

t.test('interim answers are passed over', async (t) => {
  const it = await server(t, says(''));
  const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
  for (const options of [plain, get]) {
    it.script = says(`${interim}HTTP/1.1 200 OK\r\n\r\n`);
    t.equal(await outcome('http', it, options), 'up', options.method);
    it.script = says(`${interim}HTTP/1.1 503 No\r\n\r\n`);
    const refused = await failure('http', it, options);
    t.equal(refused.answered, true);
    t.match(refused.message, 'got "HTTP/1.1 503 No"');
    it.script = says(interim);
    t.match(await failure('http', it, options), {
      answered: false,
      message: /got nothing but interim answers: the server closed the connection$/
    });
    it.script = says('HTTP/1.1 100 Continue\r\n');
    t.match(await failure('http', it, options), { answered: false, message: /got only/ });
    it.script = says(interim.repeat(400));
    t.match(await failure('http', it, options), {
      answered: true,
      message: /got nothing but interim answers in 16 KiB$/
    });
  }
});

t.test('POST and OPTIONS, byte by byte', async (t) => {
  const it = await server(t, says('HTTP/1.1 200 OK\r\n\r\n'));
  const post = { ...plain, method: 'POST', postData: 'a=\xfc&b=\u20ac\r\n' } as const;
  await healthChecks.http(it, post, AbortSignal.timeout(20_000));
  const empty = { ...post, http11: true, host: 'a', postData: undefined };
  await healthChecks.http(it, empty, AbortSignal.timeout(20_000));
  await healthChecks.http(it, { ...plain, method: 'OPTIONS' }, AbortSignal.timeout(20_000));
  t.strictSame(it.heard, [
    'POST / HTTP/1.0\r\nContent-Length: 12\r\n\r\na=\xc3\xbc&b=\xe2\x82\xac\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    'OPTIONS / HTTP/1.0\r\n\r\n'
  ]);
});

t.test('further fields; Host among them is the only one', async (t) => {
  const it = await server(t, says('HTTP/1.1 503 No\r\n\r\n'));
  const headers = [
    ['User-Agent', 'Ballast'],
    ['X-Key', 'secret']
  ] as const;
  const reasons = [
    await failure('http', it, { ...plain, headers }),
    await failure('http', it, { ...plain, headers, http11: true, host: 'a' }),
    await failure('http', it, { ...plain, headers: [['host', 'b:1']] }),
    await failure('http', it, { ...plain, headers: [['host', 'b:1']], http11: true, host: 'a' })
  ].map(({ message }) => message);
  const fields = 'User-Agent: Ballast\r\nX-Key: secret\r\n';
  t.strictSame(it.heard, [
    `HEAD / HTTP/1.0\r\n${fields}\r\n`,
    `HEAD / HTTP/1.1\r\nHost: a\r\n${fields}Connection: close\r\n\r\n`,
    'HEAD / HTTP/1.0\r\nhost: b:1\r\n\r\n',
    'HEAD / HTTP/1.1\r\nhost: b:1\r\nConnection: close\r\n\r\n'
  ]);
  t.match(reasons[3], '(Host: b:1)');
  t.notMatch(reasons.join(), 'secret', 'what may be a secret is in no log');
});

t.test('codes in place of 301, 302 and 401', async (t) => {
  const it = await server(t, says(''));
  const codes = [404, 503];
  const states: [status: number, up: boolean][] = [
    [200, true],
    [204, true],
    [299, true],
    [301, false],
    [302, false],
    [401, false],
    [404, true],
    [503, true],
    [500, false]
  ];
  for (const [status, up] of states) {
    for (const options of [plain, get]) {
      it.script = says(`HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`);
      const result = await outcome('http', it, { ...options, codes });
      t.equal(result === 'up', up, `${options.method} ${status}`);
    }
  }
});

/** Passes what has `200 OK` in it, as Exchange's healthcheck.htm does. */
const ok = compilePattern('200 OK', false);

t.test('the body must match, however its end is told', async (t) => {
  const it = await server(t, says(''));
  const check = { ...get, bodyMatches: ok };
  const html = 'x200 OK<br/>EX01';
  const endings: [how: string, answer: string, open: boolean][] = [
    ['length', `Content-Length: ${html.length}\r\n\r\n${html}`, true],
    [
      'chunked',
      `transfer-encoding:  Chunked\r\n\r\n4\r\nx200\r\nc;a=b\r\n OK<br/>EX01\r\n0\r\n\r\n`,
      true
    ],
    ['close', `\r\n${html}`, false]
  ];
  for (const [how, rest, open] of endings) {
    for (const method of ['GET', 'POST'] as const) {
      const bytes = `HTTP/1.1 200 OK\r\nServer: IIS\r\n${rest}`;
      it.script = open ? (socket) => socket.write(bytes) : says(bytes);
      t.equal(await outcome('http', it, { ...check, method }), 'up', `${method} ${how}`);
      const other = { ...check, method, bodyMatches: compilePattern('/EX02$/', false) };
      t.match(
        await failure('http', it, other),
        {
          answered: true,
          message:
            /got "HTTP\/1.1 200 OK", but checkPattern does not match its body "x200 OK<br\/>EX01"$/
        },
        `${method} ${how}`
      );
    }
  }
  it.script = says('HTTP/1.1 204 No Content\r\n\r\n');
  t.match(await failure('http', it, check), { answered: true, message: /its body ""$/ });
  it.script = says(`HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno`);
  t.equal(await outcome('http', it, check), 'up', 'asked of 2xx only');
  it.script = says(
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n200 OK'
  );
  t.equal(await outcome('http', it, check), 'up', 'behind an interim answer');
});

t.test('a body that stops half-way, or is not chunked well', async (t) => {
  const it = await server(t, says('HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n200 OK'));
  const check = { ...get, bodyMatches: ok };
  t.match(await failure('http', it, check), {
    answered: false,
    message: /got "HTTP\/1.1 200 OK" and half a body: the server closed the connection$/
  });
  it.script = says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n200 OK\r\n');
  t.match(await failure('http', it, check), { answered: false, message: /half a body/ });
  it.script = says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n200 OK\r\n');
  t.match(await failure('http', it, check), { answered: true, message: /not chunked well$/ });
  it.script = (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n200 OK', () => socket.resetAndDestroy());
  };
  t.equal((await failure('http', it, check)).answered, false, 'a reset is no end');
  const deadline = new AbortController();
  it.script = (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n200 OK', () => deadline.abort());
  };
  t.match(await failure('http', it, check, deadline.signal), { answered: false });
});

t.test('an endless body is read as far as 64 KiB', async (t) => {
  const kilobyte = 'x'.repeat(1024);
  const it = await server(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const more = (): void => {
      if (!socket.destroyed) socket.write(kilobyte, more);
    };
    more();
  });
  const seen: number[] = [];
  const bodyMatches = (body: string): boolean => seen.push(body.length) > 0;
  t.equal(await outcome('http', it, { ...get, bodyMatches }), 'up');
  t.strictSame(seen, [64 * 1024]);
});
