// PROXY headers read and written, every byte of them.

import t from 'tap';
import { formatProxyHeader, readProxyHeader } from '../../src/net/proxy-header.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A header of version 2; `length` where it is to lie about its block. */
function binary(first: number, second: number, block: string, length?: number): Buffer {
  const rest = Buffer.from(block.replaceAll(' ', ''), 'hex');
  const size = length ?? rest.length;
  return Buffer.concat([signature, Buffer.from([first, second, size >> 8, size & 255]), rest]);
}

const v4 = 'cb007109 c0000201 d431 01bb';
const v6 = `20010db8${'0'.repeat(22)}01 20010db8${'0'.repeat(22)}02 d431 01bb`;
const mapped = `${'0'.repeat(20)}ffffcb007109 ${'0'.repeat(32)} 0001 0002`;
const tlvs = '02 0003 613a62 04 0000 20 0005 01 00000000';

t.test('headers that say who the client is, or that nobody is', async (t) => {
  const line = (text: string): Buffer => Buffer.from(`${text}\r\n`);
  const long = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  const cases: readonly (readonly [Buffer, string, number])[] = [
    [line('PROXY TCP4 203.0.113.9 192.0.2.1 54321 443'), '203.0.113.9', 54321],
    [line('PROXY TCP4 255.255.255.255 0.0.0.0 65535 0'), '255.255.255.255', 65535],
    [line('PROXY TCP6 2001:DB8:0:0:0:0:0:1 2001:db8::2 54321 443'), '2001:db8::1', 54321],
    [line(`PROXY TCP6 ${long} ${long} 65535 65535`), long, 65535],
    [line('PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2'), '203.0.113.9', 1],
    [line('PROXY TCP6 ::ffff:cb00:7109 ::1 1 2'), '203.0.113.9', 1],
    [line('PROXY UNKNOWN'), '', 0],
    [line('PROXY UNKNOWN '), '', 0],
    [line('PROXY UNKNOWN what ever  it says'), '', 0],
    [line(`PROXY UNKNOWN ${long} ${long} 65535 65535`), '', 0],
    [binary(0x21, 0x11, v4), '203.0.113.9', 54321],
    [binary(0x21, 0x21, v6), '2001:db8::1', 54321],
    [binary(0x21, 0x21, mapped), '203.0.113.9', 1],
    [binary(0x21, 0x11, v4 + tlvs), '203.0.113.9', 54321],
    [binary(0x21, 0x21, v6 + tlvs), '2001:db8::1', 54321],
    [binary(0x21, 0x21, v6 + '04 0fd9' + '00'.repeat(4057)), '2001:db8::1', 54321],
    [binary(0x20, 0x00, ''), '', 0],
    [binary(0x20, 0x11, v4), '', 0],
    [binary(0x20, 0xff, 'ff'), '', 0],
    [binary(0x21, 0x00, ''), '', 0],
    [binary(0x21, 0x00, v4), '', 0],
    [binary(0x21, 0x10, v4), '', 0],
    [binary(0x21, 0x01, ''), '', 0]
  ];
  for (const [bytes, address, port] of cases) {
    const client = address === '' ? undefined : { address, port };
    const want = { length: bytes.length, client };
    const name = JSON.stringify(bytes.toString('latin1', 0, 60));
    t.strictSame(readProxyHeader(bytes), want, name);
    t.strictSame(readProxyHeader(Buffer.concat([bytes, bytes])), want, 'with more behind');
    let cuts = 0;
    for (let end = 0; end < bytes.length; end++) {
      if (readProxyHeader(bytes.subarray(0, end)) === 'incomplete') cuts++;
    }
    t.equal(cuts, bytes.length, 'incomplete without its last byte');
  }
});

t.test('what is no header', async (t) => {
  const address = 'PROXY line with a bad address';
  const control = 'PROXY line with a control character';
  const cases: readonly (readonly [string | Buffer, string])[] = [
    ['GET / HTTP/1.1\r\n', 'no PROXY header'],
    ['\x16\x03\x01\x02\x00', 'no PROXY header'],
    ['proxy TCP4 203.0.113.9 192.0.2.1 1 2\r\n', 'no PROXY header'],
    ['PROXYTCP4 203.0.113.9 192.0.2.1 1 2\r\n', 'no PROXY header'],
    [' PROXY UNKNOWN\r\n', 'no PROXY header'],
    ['\r\nPROXY UNKNOWN\r\n', 'no PROXY header'],
    ['\r\n\r\n\0\r\nQUIT\r', 'no PROXY header'],
    ['PROXY \r\n', address],
    ['PROXY  TCP4 203.0.113.9 192.0.2.1 1 2\r\n', address],
    ['PROXY UNKNOWNS\r\n', address],
    ['PROXY unknown\r\n', address],
    ['PROXY TCP5 203.0.113.9 192.0.2.1 1 2\r\n', address],
    ['PROXY constructor 203.0.113.9 192.0.2.1 1 2\r\n', address],
    ['PROXY UDP4 203.0.113.9 192.0.2.1 1 2\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1 \r\n', address],
    ['PROXY TCP4 203.0.113.9  192.0.2.1 1 2\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1 2 \r\n', 'PROXY line with too many words'],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 01 2\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1 65536\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 -1 2\r\n', address],
    ['PROXY TCP4 203.0.113.09 192.0.2.1 1 2\r\n', address],
    ['PROXY TCP4 203.0.113 192.0.2.1 1 2\r\n', address],
    ['PROXY TCP4 0x7f.0.0.1 192.0.2.1 1 2\r\n', address],
    ['PROXY TCP4 ::1 ::1 1 2\r\n', address],
    ['PROXY TCP4 203.0.113.9 ::1 1 2\r\n', address],
    ['PROXY TCP6 203.0.113.9 192.0.2.1 1 2\r\n', address],
    ['PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n', address],
    ['PROXY TCP6 1::2::3 ::1 1 2\r\n', address],
    ['PROXY TCP6 ::ffff:203.0.0113.9 ::1 1 2\r\n', address],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1 2\n', control],
    ['PROXY TCP4 203.0.113.9 192.0.2.1 1 2\rX', control],
    ['PROXY TCP4\t203.0.113.9 192.0.2.1 1 2\r\n', control],
    ['PROXY UNKNOWN \0\r\n', control],
    ['PROXY UNKNOWN \xe4\r\n', control],
    [`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`, 'PROXY line too long'],
    [`PROXY UNKNOWN ${'x'.repeat(92)}`, 'PROXY line too long'],
    [binary(0x11, 0x11, v4), 'PROXY header of version 1'],
    [binary(0x31, 0x11, v4), 'PROXY header of version 3'],
    [binary(0x22, 0x11, v4), 'PROXY header with command 2'],
    [binary(0x21, 0x31, '00'.repeat(216)), 'PROXY header with address family 3, protocol 1'],
    [binary(0x21, 0x41, v4), 'PROXY header with address family 4, protocol 1'],
    [binary(0x21, 0x12, v4), 'PROXY header with address family 1, protocol 2'],
    [binary(0x21, 0x13, v4), 'PROXY header with address family 1, protocol 3'],
    [binary(0x21, 0x03, ''), 'PROXY header with address family 0, protocol 3'],
    [binary(0x21, 0x11, v4, 11), 'PROXY header without room for its addresses'],
    [binary(0x21, 0x21, v4), 'PROXY header without room for its addresses'],
    [binary(0x20, 0x00, '', 4097), 'PROXY header too long'],
    [binary(0x21, 0x11, v4, 65_535), 'PROXY header too long']
  ];
  for (const [said, reason] of cases) {
    const bytes = typeof said === 'string' ? Buffer.from(said, 'latin1') : said;
    t.strictSame(
      readProxyHeader(bytes),
      { refused: reason },
      JSON.stringify(bytes.toString('latin1', 0, 60))
    );
    for (let end = 0; end < bytes.length; end++) {
      const early = readProxyHeader(bytes.subarray(0, end));
      if (early === 'incomplete') continue;
      // Once refused, for the same reason, however many bytes there are.
      t.strictSame(early, { refused: reason }, `${end} bytes`);
      break;
    }
  }
});

t.test('headers written are read back', async (t) => {
  const four = { address: '203.0.113.9', port: 54321 };
  const six = { address: '2001:db8::1', port: 1 };
  const here4 = { address: '192.0.2.1', port: 443 };
  const here6 = { address: '2001:db8::2', port: 443 };
  for (const [source, destination, text] of [
    [four, here4, 'TCP4 203.0.113.9 192.0.2.1 54321 443'],
    [six, here6, 'TCP6 2001:db8:0:0:0:0:0:1 2001:db8:0:0:0:0:0:2 1 443'],
    [four, here6, 'TCP6 0:0:0:0:0:ffff:cb00:7109 2001:db8:0:0:0:0:0:2 54321 443'],
    [six, here4, 'TCP6 2001:db8:0:0:0:0:0:1 0:0:0:0:0:ffff:c000:201 1 443']
  ] as const) {
    const line = formatProxyHeader('v1', source, destination);
    t.equal(line.toString('latin1'), `PROXY ${text}\r\n`);
    const bytes = formatProxyHeader('v2', source, destination);
    t.equal(bytes.length, text.startsWith('TCP4') ? 28 : 52);
    for (const header of [line, bytes]) {
      t.strictSame(readProxyHeader(header), { length: header.length, client: source });
    }
  }
  t.strictSame(formatProxyHeader('v2', four, here4), binary(0x21, 0x11, v4));
  const nobody = { address: '', port: 0 };
  for (const version of ['v1', 'v2'] as const) {
    const header = formatProxyHeader(version, four, nobody);
    t.strictSame(readProxyHeader(header), { length: header.length, client: undefined });
    t.strictSame(formatProxyHeader(version, nobody, here4), header);
  }
  const zoned = formatProxyHeader('v1', { address: 'fe80::1%eth0', port: 1 }, here6);
  t.match(zoned.toString('latin1'), /^PROXY TCP6 fe80:0:0:0:0:0:0:1 2001:/);
});
