// Every message of the corpus, whole and cut at every byte: the verdict is the one expected, and it
// does not depend on how the bytes were cut.

import t from 'tap';
import { ProxyError, type ErrorCode } from '../../src/error.ts';
import { BodyReader } from '../../src/http1/body.ts';
import type { AnswerHead, Framing, RequestHead } from '../../src/http1/head.ts';
import { HeadGatherer } from '../../src/http1/head-gatherer.ts';
import { AnswerParser, RequestParser } from '../../src/http1/parse-head.ts';
import { badAnswers, badRequests, goodAnswers, goodRequests } from './corpus.ts';

/** What came out of a run of bytes; two of them are compared as text. */
interface Verdict {
  readonly heads: string[];
  readonly data: Buffer[];
  /** `open`: bytes are missing. `surplus`: a whole answer and more. */
  end: 'done' | 'open' | 'until-close' | 'surplus' | ErrorCode;
}

/** One side of a conversation, fed with bytes as they come. */
interface Reader {
  readonly verdict: Verdict;
  /** False once nothing more can be read. */
  take(bytes: Buffer): boolean;
}

function requestReader(): Reader {
  const parser = new RequestParser();
  const framing = (): Framing => parser.head.framing;
  return messageReader(parser, new BodyReader('client'), framing, () => false);
}

function answerReader(method: string): Reader {
  const parser = new AnswerParser();
  const framing = (): Framing => parser.head.framing({ isHead: method === 'HEAD' });
  return messageReader(parser, new BodyReader('server'), framing, () => !parser.head.isInterim);
}

function messageReader(
  parser: RequestParser | AnswerParser,
  body: BodyReader,
  framing: () => Framing,
  isLast: () => boolean
): Reader {
  const verdict: Verdict = { heads: [], data: [], end: 'done' };
  const gatherer = new HeadGatherer(parser);
  let last = false;

  function read(bytes: Buffer): Verdict['end'] {
    let rest = bytes;
    while (rest.length > 0) {
      if (body.done) {
        if (last) return 'surplus';
        const behind = gatherer.take(rest);
        if (behind === undefined) return 'open';
        verdict.heads.push(describe(parser.head, framing()));
        last = isLast();
        body.begin(framing(), parser.head.contentLength);
        rest = behind;
      }
      const from = rest;
      rest = from.subarray(
        body.advance(from, 0, (start, end) => verdict.data.push(from.subarray(start, end)))
      );
    }
    return body.done ? 'done' : body.endsWithConnection ? 'until-close' : 'open';
  }

  function take(bytes: Buffer): boolean {
    try {
      verdict.end = read(bytes);
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      verdict.end = error.code;
    }
    return verdict.end === 'done' || verdict.end === 'open' || verdict.end === 'until-close';
  }
  return { verdict, take };
}

function describe(head: RequestHead | AnswerHead, framing: string): string {
  const { minorVersion, connectionClose, connectionKeepAlive, connectionUpgrade, hopByHop } = head;
  const flags = [minorVersion, connectionClose, connectionKeepAlive, connectionUpgrade, hopByHop];
  const start =
    'status' in head
      ? String(head.status)
      : `${head.method} ${head.target} ${head.path} ${head.query} ${head.authority}`;
  const fields = head.bytes.toString('latin1', head.lineStart(0), head.end);
  const places = head.fields.slice(0, head.fieldCount * 4).map((at) => at - head.start);
  return [start, framing, head.contentLength, ...flags, fields, ...places].join(' ');
}

function run(reader: Reader, message: Buffer, cuts: readonly number[]): Verdict {
  let start = 0;
  for (const cut of [...cuts, message.length]) {
    if (!reader.take(message.subarray(start, cut))) break;
    start = cut;
  }
  return reader.verdict;
}

/** Every byte of a short message; of a long one its first and last 600 and 64 between. */
function cutsOf(message: Buffer): number[] {
  const all = Array.from({ length: Math.max(0, message.length - 1) }, (_, i) => i + 1);
  if (message.length <= 2048) return all;
  const step = Math.ceil((message.length - 1200) / 64);
  return all.filter((i) => i <= 600 || i > message.length - 600 || i % step === 0);
}

/** The first cut that changes the verdict, in words; undefined if none does. */
function firstDifference(reader: () => Reader, message: Buffer): string | undefined {
  const whole = run(reader(), message, []);
  const cuts = cutsOf(message);
  for (const cut of cuts) {
    const split = run(reader(), message, [cut]);
    if (!same(whole, split)) return tell(`cut at ${cut}`, whole, split);
  }
  const split = run(reader(), message, cuts);
  return same(whole, split) ? undefined : tell('cut at all these places', whole, split);
}

function same(a: Verdict, b: Verdict): boolean {
  if (
    a.end !== b.end ||
    a.heads.length !== b.heads.length ||
    !Buffer.concat(a.data).equals(Buffer.concat(b.data))
  )
    return false;
  return a.heads.every((head, i) => head === b.heads[i]);
}

function tell(where: string, whole: Verdict, split: Verdict): string {
  const text = (verdict: Verdict): string =>
    JSON.stringify([
      verdict.end,
      verdict.heads,
      Buffer.concat(verdict.data).toString('latin1')
    ]).slice(0, 600);
  return `${where}: whole ${text(whole)} but cut ${text(split)}`;
}

const statusOf: Partial<Record<Verdict['end'], number>> = {
  'malformed-request': 400,
  'uri-too-long': 414,
  'head-too-large': 431,
  'not-implemented': 501,
  'version-not-supported': 505
};

t.test('bad requests are refused with the status expected', async (t) => {
  const all = badRequests();
  t.ok(all.length >= 170, `${all.length} bad requests`);
  for (const { name, why, request, statuses } of all) {
    const { end } = run(requestReader(), request, []);
    t.ok(statuses.includes(statusOf[end] ?? 0), name, { end, statuses, why });
  }
});

t.test('bad answers are refused, short, or followed by a surplus', async (t) => {
  const all = badAnswers();
  t.ok(all.length >= 70, `${all.length} bad answers`);
  for (const { name, why, request, answer, close, fates, judge } of all) {
    const method = request.toString('latin1').split(' ')[0] ?? '';
    const { end, heads } = run(answerReader(method), answer, []);
    if (judge === 'exchange') continue;
    // Without a final head an interim answer or silence is a fault that only the end shows.
    const unanswered = heads.every((head) => head.startsWith('1'));
    if (fates.includes('surplus')) t.equal(end, 'surplus', name, { why });
    else if (end === 'done') t.ok(unanswered, name, { why });
    else if (end === 'until-close') t.equal(close, 'reset', name, { why });
    else t.ok(end === 'malformed-answer' || end === 'open', name, { end, why });
  }
});

t.test('good requests are read as meant', async (t) => {
  const all = goodRequests();
  t.ok(all.length >= 60, `${all.length} good requests`);
  for (const { name, why, request, expect } of all) {
    const parser = new RequestParser();
    t.not(parser.parse(request), -1, `${name}: head`, { why });
    const { head } = parser;
    const framing = head.framing === 'length' ? `length:${head.contentLength}` : head.framing;
    const seen = [head.method, head.target, head.fieldCount, framing];
    t.same(seen, [expect.method, expect.target, expect.fields, expect.framing], name, { why });
    const { heads, data, end } = run(requestReader(), request, []);
    t.equal(heads.length, expect.messages, `${name}: messages`, { end });
    t.equal(end, expect.complete ? 'done' : 'open', `${name}: end`);
    t.ok(Buffer.concat(data).equals(expect.body), `${name}: body`);
  }
});

t.test('good answers are read as meant', async (t) => {
  const all = goodAnswers();
  t.ok(all.length >= 50, `${all.length} good answers`);
  for (const { name, why, method, answer, expect } of all) {
    const { heads, data, end } = run(answerReader(method), answer, []);
    t.equal(heads.length, expect.interim + 1, `${name}: interim`, { why, end });
    const [status, framing, length] = (heads.at(-1) ?? '').split(' ');
    t.equal(Number(status), expect.status, `${name}: status`);
    t.equal(framing === 'length' ? `length:${length}` : framing, expect.framing, name, { why });
    t.equal(end, expect.framing === 'close' ? 'until-close' : 'done', `${name}: end`);
    t.ok(Buffer.concat(data).equals(expect.body), `${name}: body`);
  }
});

t.test('a request cut anywhere is read as if it were whole', async (t) => {
  for (const { name, request } of [...badRequests(), ...goodRequests()]) {
    t.equal(firstDifference(requestReader, request), undefined, name);
  }
});

t.test('an answer cut anywhere is read as if it were whole', async (t) => {
  for (const { name, answer, ...rest } of [...badAnswers(), ...goodAnswers()]) {
    const head = 'method' in rest ? rest.method : rest.request.toString('latin1');
    const method = head.split(' ')[0] ?? '';
    t.equal(
      firstDifference(() => answerReader(method), answer),
      undefined,
      name
    );
  }
});
