// What a head tells about its message, and how heads are put together from pieces.

import t from 'tap';
import type { AnswerHead, RequestHead } from '../../src/http1/head.ts';
import { isFoldedWord } from '../../src/http1/bytes.ts';
import { HeadGatherer } from '../../src/http1/head-gatherer.ts';
import { AnswerParser, RequestParser } from '../../src/http1/parse-head.ts';

function request(line: string, ...fields: string[]): RequestHead {
  const parser = new RequestParser();
  parser.parse(Buffer.from([line, ...fields, '', ''].join('\r\n'), 'latin1'));
  return parser.head;
}

function answer(line: string, ...fields: string[]): AnswerHead {
  const parser = new AnswerParser();
  parser.parse(Buffer.from([line, ...fields, '', ''].join('\r\n'), 'latin1'));
  return parser.head;
}

t.test('parts of the target', async (t) => {
  const parts = (target: string, ...fields: string[]): string[] => {
    const head = request(`GET ${target} HTTP/1.1`, 'Host: Mail.Example.com:443', ...fields);
    return [head.path, head.query, head.host, head.authority];
  };
  const rest = ['mail.example.com', 'Mail.Example.com:443'];
  t.same(parts('/OWA/a%20b?x=[1]|2@'), ['/OWA/a%20b', '?x=[1]|2@', ...rest]);
  t.same(parts('/rpc/rpcproxy.dll?mail:6001'), ['/rpc/rpcproxy.dll', '?mail:6001', ...rest]);
  t.same(parts('/?'), ['/', '?', ...rest]);
  t.same(parts('//evil/x'), ['//evil/x', '', ...rest]);
  t.same(parts('https://mail.example.com/owa?q'), ['/owa', '?q', ...rest]);
  t.same(parts('https://mail.example.com'), ['', '', ...rest]);
  t.same(parts('https://mail.example.com?a=b'), ['', '?a=b', ...rest]);
  t.equal(request('OPTIONS * HTTP/1.1', 'Host: a').path, '*');
  t.equal(request('GET / HTTP/1.1', 'Host: [2001:DB8::1]:8443').host, '[2001:db8::1]');
  t.equal(request('GET / HTTP/1.0').host, '');
});

t.test('fields that mean something', async (t) => {
  const head = (...fields: string[]): RequestHead =>
    request('RPC_IN_DATA / HTTP/1.1', 'Host: a', ...fields);
  t.match(head('Content-Length: 1073741824'), { framing: 'length', contentLength: 2 ** 30 });
  t.match(head('Content-Length: 0'), { framing: 'none' });
  t.match(head('tRANSFER-eNCODING: CHUNKED'), { framing: 'chunked' });
  t.match(head('Expect: 100-Continue'), { expectContinue: true });
  t.match(head('Expect: other'), { expectContinue: false });
  for (const value of ['NTLM TlRM', 'negotiate YII=', 'Negotiate']) {
    t.equal(head(`authorization: ${value}`).authenticatesConnection, true, value);
  }
  for (const value of ['Basic TlRM', 'NTLMv2 x', 'Bearer NTLM', '']) {
    t.equal(head(`Authorization: ${value}`).authenticatesConnection, false, value);
  }
  t.equal(head('Connection: keep-alive, Upgrade', 'Upgrade: WebSocket').asksForUpgrade, true);
  t.equal(head('Upgrade: websocket').asksForUpgrade, false, 'Connection does not name it');
  t.equal(head('Connection: upgrade', 'Upgrade: h2c').asksForUpgrade, false);
  t.equal(head('Connection: upgrade', 'Upgrade: websocket, h2c').asksForUpgrade, false);
  const old = request('GET / HTTP/1.0', 'Connection: Upgrade', 'Upgrade: websocket');
  t.equal(old.asksForUpgrade, false, 'RFC 9110 7.8: not from HTTP/1.0');
  t.equal(head('Cookie: a', 'X: y', 'cookie: b').header('cookie'), 'a, b');
  t.equal(head().header('cookie'), undefined);
});

t.test('whether a connection goes on', async (t) => {
  t.equal(request('GET / HTTP/1.1', 'Host: a').persistent, true);
  t.equal(request('GET / HTTP/1.1', 'Host: a', 'Connection: Close').persistent, false);
  t.equal(request('GET / HTTP/1.0').persistent, false);
  t.equal(request('GET / HTTP/1.0', 'connection: Keep-Alive').persistent, true);
  t.equal(request('GET / HTTP/1.0', 'Connection: keep-alive, close').persistent, false);
  t.equal(answer('HTTP/1.0 200 OK').persistent, false);
  t.equal(answer('HTTP/1.1 200').persistent, true);
});

t.test('how an answer ends', async (t) => {
  const get = { isHead: false };
  t.equal(answer('HTTP/1.1 200 OK', 'Content-Length: 5').framing(get), 'length');
  t.equal(answer('HTTP/1.1 200 OK', 'Content-Length: 0').framing(get), 'none');
  t.equal(answer('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked').framing(get), 'chunked');
  t.equal(answer('HTTP/1.1 200 OK').framing(get), 'close');
  t.equal(answer('HTTP/1.1 200 OK', 'Content-Length: 5').framing({ isHead: true }), 'none');
  t.equal(answer('HTTP/1.1 304 Not Modified', 'Content-Length: 5').framing(get), 'none');
  t.equal(answer('HTTP/1.1 204 No Content', 'Content-Length: 5').framing(get), 'none');
  t.equal(answer('HTTP/1.1 100 Continue').framing(get), 'none');
});

t.test('one parser reads head after head and keeps nothing', async (t) => {
  const parser = new RequestParser();
  const first = 'POST /a?b HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n';
  const more = 'Connection: close, upgrade, x\r\nUpgrade: websocket\r\nAuthorization: NTLM x\r\n';
  parser.parse(Buffer.from(`${first}${more}\r\n`));
  parser.parse(Buffer.from('HEAD / HTTP/1.1\r\nHost: b\r\n\r\n'));
  t.match(parser.head, {
    method: 'HEAD',
    isHead: true,
    minorVersion: 1,
    query: '',
    host: 'b',
    contentLength: -1,
    expectContinue: false,
    connectionClose: false,
    connectionUpgrade: false,
    upgradeWebSocket: false,
    authenticatesConnection: false,
    fieldCount: 1
  });
  t.same(parser.head.hopByHop, []);
});

t.test('a head of 128 KiB byte by byte, in bounded time', async (t) => {
  const field = `X: ${'v'.repeat(60_000)}\r\n`;
  const short = 'Y: z\r\n'.repeat(100);
  const text = `GET / HTTP/1.1\r\nHost: a\r\n${field}${field}${short}\r\n`;
  t.ok(text.length > 120_000 && text.length < 131_072);
  const bytes = Buffer.from(text);
  const gatherer = new HeadGatherer(new RequestParser());
  const startMs = performance.now();
  for (let i = 0; i < bytes.length - 1; i++) {
    if (gatherer.take(bytes.subarray(i, i + 1)) !== undefined) t.fail(`complete at ${i}`);
  }
  t.ok(gatherer.inProgress);
  t.equal(gatherer.take(bytes.subarray(-1))?.length, 0);
  t.notOk(gatherer.inProgress);
  // Quadratic work would take minutes; this takes 50 ms.
  t.ok(performance.now() - startMs < 3000, `${Math.round(performance.now() - startMs)} ms`);
});

t.test('many short fields byte by byte, up to every limit', async (t) => {
  const feed = (text: string): number => {
    const gatherer = new HeadGatherer(new RequestParser());
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i++) {
      if (gatherer.take(bytes.subarray(i, i + 1)) !== undefined) return i + 1;
    }
    return -1;
  };
  const start = 'GET / HTTP/1.1\r\nHost: a\r\n';
  const full = `${start}${'Y: z\r\n'.repeat(255)}\r\n`;
  t.equal(feed(full), full.length, '256 fields');
  const code = 'head-too-large';
  t.throws(() => feed(`${start}${'Y: z\r\n'.repeat(256)}\r\n`), { code }, '257 fields');
  t.throws(() => feed(`${start}X: ${'v'.repeat(66_000)}`), { code }, 'a field above 64 KiB');
  const field = `X: ${'v'.repeat(60_000)}\r\n`;
  t.throws(() => feed(`${start}${field.repeat(3)}`), { code }, 'a head above 128 KiB');
  t.throws(() => feed(`GET /${'p'.repeat(66_000)}`), { code: 'uri-too-long' });
});

t.test('bytes behind a head are given back, whatever the cut', async (t) => {
  const head = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n';
  const bytes = Buffer.from(`${head}body`);
  for (let cut = 1; cut <= bytes.length; cut++) {
    const parser = new RequestParser();
    const gatherer = new HeadGatherer(parser);
    let behind = gatherer.take(bytes.subarray(0, cut));
    const second = bytes.subarray(cut);
    behind = behind === undefined ? gatherer.take(second) : Buffer.concat([behind, second]);
    t.equal(behind?.toString(), 'body', `cut at ${cut}`);
    t.equal(parser.head.contentLength, 4);
  }
});

t.test('unfinished heads of all connections together have a limit', async (t) => {
  const piece = Buffer.from(`GET / HTTP/1.1\r\nCookie: ${'a'.repeat(60_000)}`);
  const gatherers: HeadGatherer[] = [];
  const fill = (): void => {
    for (let n = 0; n < 10_000; n++) {
      const gatherer = new HeadGatherer(new RequestParser());
      gatherers.push(gatherer);
      gatherer.take(piece);
    }
  };
  t.throws(fill, { code: 'head-too-large' }, 'refused long before 10,000');
  for (const gatherer of gatherers) gatherer.release();
  const one = new HeadGatherer(new RequestParser());
  t.equal(one.take(piece), undefined, 'and possible again when the others are gone');
  one.release();
});

t.test('an underscore is a hyphen to a server that reads CGI names', async (t) => {
  const is = (name: string): boolean =>
    isFoldedWord(Buffer.from(name), 0, name.length, 'x-ssl-cipher');
  for (const name of ['x-ssl-cipher', 'X_SSL_Cipher', 'X-SSL_CIPHER', 'x_ssl-cipher'])
    t.ok(is(name));
  for (const name of ['x-ssl-ciphe', 'x-ssl-cipherx', 'x.ssl-cipher', 'x-ssl-cipheR_'])
    t.notOk(is(name));
});
