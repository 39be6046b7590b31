// Commands, answers and what stands in them.

import t from 'tap';
import { findLiteral, parseImapCommand } from '../../src/line/imap-command.ts';
import { parseImapResponse, readImapResponse } from '../../src/line/imap-response.ts';
import { findLineFault } from '../../src/line/line-end.ts';
import { readPop3Status } from '../../src/line/pop3-answer.ts';
import { readSmtpReply } from '../../src/line/smtp-reply.ts';
import { parseChunk, parseCommand, standsAlone } from '../../src/line/verb.ts';

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1');

t.test('line ends', async (t) => {
  for (const good of ['\r\n', 'a\r\n', 'a\xff\t\r\n']) {
    t.equal(findLineFault(Buffer.from(good, 'latin1')), undefined, JSON.stringify(good));
  }
  for (const bad of ['', '\n', 'a\n', 'a\r', 'a\r\r\n', 'a\rb\r\n', 'a\0\r\n', '\r\n\r\n']) {
    t.ok(findLineFault(Buffer.from(bad, 'latin1')), JSON.stringify(bad));
  }
});

t.test('SMTP replies: as soon as they are whole, and no sooner', async (t) => {
  const text = '250-mx\r\n250-SIZE \xe9\r\n250\r\n';
  const bytes = Buffer.from(`${text}220 next\r\n`, 'latin1');
  for (let length = 0; length < text.length; length++) {
    t.equal(readSmtpReply(bytes.subarray(0, length)), 'incomplete', `${length}`);
  }
  t.strictSame(readSmtpReply(bytes), {
    code: 250,
    lines: ['mx', 'SIZE \xe9', ''],
    end: text.length
  });
  for (const bad of [
    '250-a\r\n251 b\r\n',
    '150 a\r\n',
    '650 a\r\n',
    '269 a\r\n',
    '25 a\r\n',
    '250a\r\n',
    '250 a\n',
    '250 a\rb\r\n',
    ' 250 a\r\n',
    '\r\n',
    '* OK\r\n',
    'x'.repeat(4096),
    '250-a\r\n'.repeat(200)
  ]) {
    t.equal(readSmtpReply(Buffer.from(bad)), 'malformed', JSON.stringify(bad.slice(0, 30)));
  }
});

t.test('POP3 status lines', async (t) => {
  const read = (text: string): unknown => readPop3Status(line(text));
  t.strictSame(read('+OK'), { is: 'ok', text: '' });
  t.strictSame(read('+OK hi <1@a>'), { is: 'ok', text: 'hi <1@a>' });
  t.strictSame(read('-ERR [IN-USE] no'), { is: 'error', text: '[IN-USE] no' });
  t.strictSame(read('+'), { is: 'more', text: '' });
  t.strictSame(read('+ abc='), { is: 'more', text: 'abc=' });
  for (const bad of ['+OKAY', '+ok', '-err', 'OK', '+x', '-ERRx', ''])
    t.equal(read(bad), 'malformed');
  t.equal(readPop3Status(Buffer.from('+OK')), 'incomplete');
  t.equal(readPop3Status(Buffer.from('+OK\n')), 'malformed');
});

t.test('IMAP responses', async (t) => {
  const parse = (text: string): unknown => parseImapResponse(line(text));
  const status = { tag: '*', word: 'OK', code: undefined, text: '' };
  t.strictSame(parse('* OK'), status);
  t.strictSame(parse('* ok hi'), { ...status, text: 'hi' });
  t.strictSame(parse('* OK [ALERT] hi'), { ...status, code: 'ALERT', text: 'hi' });
  t.strictSame(parse('* OK [ALERT]'), { ...status, code: 'ALERT' });
  t.strictSame(parse('a.1 NO [X [] y'), { tag: 'a.1', word: 'NO', code: 'X [', text: 'y' });
  t.strictSame(parse('* 12 EXISTS'), { ...status, word: '12', text: 'EXISTS' });
  t.strictSame(parse('* CAPABILITY A [B'), { ...status, word: 'CAPABILITY', text: 'A [B' });
  t.strictSame(parse('+'), { tag: '+', word: '', code: undefined, text: '' });
  t.strictSame(parse('+ go'), { tag: '+', word: '', code: undefined, text: 'go' });
  for (const bad of [
    '',
    '*',
    '* ',
    '*OK',
    ' * OK',
    'a',
    'a BYE',
    'a+ OK',
    '+go',
    '* OK [A',
    '* O('
  ]) {
    t.equal(parse(bad), undefined, JSON.stringify(bad));
  }
  t.equal(readImapResponse(Buffer.from('* OK')), 'incomplete');
  t.equal(readImapResponse(Buffer.from('* OK\n')), 'malformed');
});

t.test('IMAP commands', async (t) => {
  t.strictSame(parseImapCommand('a login x y'), { tag: 'a', verb: 'LOGIN', argument: 'x y' });
  t.strictSame(parseImapCommand('A-]1 NOOP'), { tag: 'A-]1', verb: 'NOOP', argument: undefined });
  t.strictSame(parseImapCommand('a NOOP '), { tag: 'a', verb: 'NOOP', argument: '' });
  for (const bad of [
    '',
    'a',
    'a ',
    ' a NOOP',
    'a  NOOP',
    'a+ NOOP',
    '* NOOP',
    'a\tNOOP',
    '"a" NOOP'
  ]) {
    t.equal(parseImapCommand(bad), undefined, JSON.stringify(bad));
  }
});

t.test('literals', async (t) => {
  const found: readonly (readonly [text: string, length: number, synchronizing: boolean])[] = [
    ['a X {0}', 0, true],
    ['a X {12}', 12, true],
    ['a X {12+}', 12, false],
    ['a X ({12}', 12, true],
    ['a X ~{12+}', 12, false],
    ['a X (~{4294967295}', 4294967295, true],
    ['a X "\\\\" {1}', 1, true],
    ['a X "{" {1}', 1, true]
  ];
  for (const [text, length, synchronizing] of found) {
    t.strictSame(findLiteral(text), { length, synchronizing }, text);
  }
  for (const text of ['', 'a X', 'a X {5} ', 'a X "{5}"', 'a X "\\"{5}"', 'a }', 'a X y}']) {
    t.equal(findLiteral(text), 'none', text);
  }
  for (const text of ['{5}', 'a X "', 'a X "{5}', 'a X "\\" {5}', 'a X y{5}', 'a X {}']) {
    t.equal(findLiteral(text), 'ambiguous', text);
  }
});

t.test('verbs', async (t) => {
  const parse = (text: string): unknown => parseCommand(line(text));
  t.strictSame(parse('noop'), { verb: 'NOOP', argument: undefined });
  t.strictSame(parse('X-a1 '), { verb: 'X-A1', argument: '' });
  t.strictSame(parse('MAIL  FROM:<a> '), { verb: 'MAIL', argument: ' FROM:<a> ' });
  for (const bad of ['', ' NOOP', 'NOOP\t', 'NOOP:', '1A', '-A', 'GET/', 'N\xc3P']) {
    t.equal(parse(bad), undefined, JSON.stringify(bad));
  }
  const alone = (text: string): boolean => standsAlone({ verb: 'A', argument: text });
  t.same(['', '  ', 'a', ' a', '\t'].map(alone), [true, true, false, false, false]);
  const chunk = (argument: string): unknown => parseChunk({ verb: 'BDAT', argument });
  t.strictSame(chunk('0 last'), { length: 0, last: true });
  t.strictSame(chunk('86'), { length: 86, last: false });
});

t.test('long lines of the worst kind are read in linear time', async (t) => {
  const began = process.cpuUsage();
  for (const text of [
    ' '.repeat(131_000),
    '"\\'.repeat(65_000),
    '{'.repeat(131_000),
    `a ${'\\'.repeat(130_000)}"}`
  ]) {
    parseCommand(line(text));
    parseCommand(line(`A${text}x`));
    standsAlone({ verb: 'A', argument: `${text}x` });
    parseChunk({ verb: 'A', argument: `5${text}` });
    parseImapCommand(`a A ${text}`);
    parseImapResponse(line(`* OK ${text}`));
    parseImapResponse(line(`* OK [${text}`));
    findLiteral(text);
    findLiteral(`${text}"${text}}`);
  }
  const usedMs = process.cpuUsage(began).user / 1000;
  t.ok(usedMs < 1000, `${usedMs} ms`);
});
