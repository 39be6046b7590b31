import t from 'tap';
import {
  addressFamily,
  formatEndpoint,
  isLoopback,
  isWildcard,
  parseAddress,
  splitEndpoint
} from '../../src/net/address.ts';

t.test('addresses have one canonical form', async (t) => {
  const forms: [written: string, canonical: string | undefined][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['::', '::'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['010.0.0.1', undefined],
    ['0x7f.0.0.1', undefined],
    ['1.2.3', undefined],
    ['2130706433', undefined],
    ['256.0.0.1', undefined],
    ['1.2.3.4.5', undefined],
    [' 1.2.3.4', undefined],
    ['1.2.3.4/24', undefined],
    ['::ffff:010.0.0.1', undefined],
    ['::ffff:1.2.3', undefined],
    ['1::2::3', undefined],
    ['[::1]', undefined],
    ['12345::', undefined],
    [':', undefined],
    ['', undefined],
    ['localhost', undefined]
  ];
  for (const [written, canonical] of forms) t.equal(parseAddress(written), canonical, written);
});

t.test('what kind of address it is', async (t) => {
  t.equal(addressFamily('192.0.2.1'), 4);
  t.equal(addressFamily('::1'), 6);
  t.same(['0.0.0.0', '::', '::1', '127.0.0.1'].map(isWildcard), [true, true, false, false]);
  t.same(['127.9.9.9', '::1', '192.0.2.1', '::'].map(isLoopback), [true, true, false, false]);
});

t.test('endpoints are cut apart and put together', async (t) => {
  t.same(splitEndpoint('10.0.0.1'), { host: '10.0.0.1', port: undefined });
  t.same(splitEndpoint('10.0.0.1:80'), { host: '10.0.0.1', port: '80' });
  t.same(splitEndpoint('[2001:db8::1]:80'), { host: '2001:db8::1', port: '80' });
  t.same(splitEndpoint('[2001:db8::1]'), { host: '2001:db8::1', port: undefined });
  t.same(splitEndpoint('2001:db8::1'), { host: '2001:db8::1', port: undefined });
  t.same(splitEndpoint('[::1]80'), { host: '[::1]80', port: undefined });
  t.same(splitEndpoint('ex01:'), { host: 'ex01', port: '' });
  t.equal(formatEndpoint('::1', 80), '[::1]:80');
  t.equal(formatEndpoint('10.0.0.1', 80), '10.0.0.1:80');
});
