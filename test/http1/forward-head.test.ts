// What goes on of a head: all bytes as they came, less the hop-by-hop fields, plus our own.

import t from 'tap';
import { forwardHead } from '../../src/http1/forward-head.ts';
import { AnswerParser, RequestParser } from '../../src/http1/parse-head.ts';

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The request or answer as it goes on. */
function forwarded(head: string, extra = '', behind = ''): string {
  const parser = head.startsWith('HTTP/') ? new AnswerParser() : new RequestParser();
  const bytes = latin1(head + behind);
  const end = parser.parse(bytes);
  if (end === -1) throw new Error('head is not complete');
  return forwardHead(parser.head, extra, bytes, end, bytes.length).toString('latin1');
}

/** A request with these field lines. */
function request(...lines: string[]): string {
  return ['GET /owa/?a=b|c[1] HTTP/1.1', ...lines, '', ''].join('\r\n');
}

const host = 'Host: mail.example.com';

t.test('without hop-by-hop fields nothing changes, and nothing is copied', async (t) => {
  const head = request(
    'hOST:mail.example.com:443',
    'Cookie: a=1',
    'x-Odd-CASE:   two  blanks  \t',
    'Cookie: b=~!=2; \xe9\xff',
    'Empty:',
    'Authorization: Negotiate YII=='
  );
  t.equal(forwarded(head), head);
  t.equal(forwarded(head, '', 'body bytes'), `${head}body bytes`);
  const parser = new RequestParser();
  const bytes = latin1(`${head}body`);
  const end = parser.parse(bytes);
  const out = forwardHead(parser.head, '', bytes.subarray(end), 0, 2);
  t.equal(out.buffer, bytes.buffer, 'head and body stand behind each other already');
  t.equal(out.toString('latin1'), `${head}bo`);
  const apart = forwardHead(parser.head, '', latin1('apart'), 1, 3);
  t.equal(apart.toString('latin1'), `${head}pa`, 'a body that stands elsewhere');
});

t.test('hop-by-hop fields go, wherever they stand', async (t) => {
  const hops = [
    'Connection: keep-alive',
    'KEEP-alive: timeout=5',
    'Proxy-Connection: Keep-Alive',
    'TE: trailers',
    'Upgrade: h2c'
  ];
  for (const hop of hops) {
    t.equal(forwarded(request(hop, host, 'A: 1')), request(host, 'A: 1'), `first: ${hop}`);
    t.equal(forwarded(request(host, hop, 'A: 1')), request(host, 'A: 1'), `middle: ${hop}`);
    t.equal(forwarded(request(host, 'A: 1', hop)), request(host, 'A: 1'), `last: ${hop}`);
  }
  t.equal(forwarded(request(...hops, host, ...hops)), request(host));
  t.equal(
    forwarded(request('Host2: x', host, 'TEX: 1', 'XTE: 2', 'Upgrade-Insecure-Requests: 1')),
    request('Host2: x', host, 'TEX: 1', 'XTE: 2', 'Upgrade-Insecure-Requests: 1'),
    'fields that only look like them stay'
  );
});

t.test('fields that Connection names go too', async (t) => {
  const lines = ['X-Hop: 1', host, 'x-hop: 2', 'Stays: 3', 'X-Other: 4'];
  t.equal(
    forwarded(request('Connection: close, X-HOP ,,x-other', ...lines)),
    request(host, 'Stays: 3')
  );
  t.equal(
    forwarded(request(...lines, 'Connection: x-hop', 'Connection:X-Other')),
    request(host, 'Stays: 3'),
    'two Connection lines'
  );
  t.equal(forwarded(request('Connection: TE, keep-alive', 'TE: x', host)), request(host));
  for (const name of ['Host', 'content-length', 'Transfer-Encoding']) {
    t.throws(() => forwarded(request(host, `Connection: ${name}`)), { code: 'malformed-request' });
  }
});

t.test('our own lines stand last, once', async (t) => {
  const extra = 'Connection: Keep-Alive\r\nX-ClientSide: 192.0.2.1:1 -> 192.0.2.2:443\r\n';
  t.equal(
    forwarded(request('Connection: close', host, 'A: 1'), extra, 'body'),
    `${request(host, 'A: 1', ...extra.trimEnd().split('\r\n'))}body`
  );
  t.equal(forwarded(request(host), 'A: 1\r\n'), request(host, 'A: 1'));
});

t.test('an empty line before a request is not passed on', async (t) => {
  t.equal(forwarded(`\r\n${request(host)}`), request(host));
  t.equal(
    forwarded(`\r\n${request(host, 'Connection: close')}`, 'A: 1\r\n'),
    request(host, 'A: 1')
  );
});

t.test('answers', async (t) => {
  const challenges =
    'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n' +
    'WWW-Authenticate: Basic realm="mail"\r\nPersistent-Auth: true\r\nSet-Cookie: a=1\r\n' +
    'set-cookie: b=2\r\nContent-Length: 0\r\n';
  t.equal(forwarded(`${challenges}\r\n`), `${challenges}\r\n`);
  t.equal(
    forwarded(
      'HTTP/1.1 440 \r\nConnection: Keep-Alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n' +
        'Upgrade: h2\r\nA: 1\r\n\r\n',
      'Connection: close\r\n'
    ),
    'HTTP/1.1 440 \r\nA: 1\r\nConnection: close\r\n\r\n'
  );
});
