import t from 'tap';
import {
  addressFamily,
  formatEndpoint,
  isLoopback,
  isWildcard,
  maskAddress,
  networkTest,
  parseAddress,
  parseNetmask,
  parseNetwork,
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

t.test('networks', async (t) => {
  const masks: [address: string, bits: number, network: string][] = [
    ['10.1.2.3', 32, '10.1.2.3'],
    ['10.1.2.3', 24, '10.1.2.0/24'],
    ['10.255.2.3', 9, '10.128.0.0/9'],
    ['10.1.2.3', 1, '0.0.0.0/1'],
    ['2001:db8:1:2:3::4', 128, '2001:db8:1:2:3::4'],
    ['2001:db8:1:2:3::4', 64, '2001:db8:1:2::/64'],
    ['2001:db8:1:ffff::', 49, '2001:db8:1:8000::/49'],
    ['fe80::1%eth0', 64, 'fe80::/64']
  ];
  for (const [address, bits, network] of masks) t.equal(maskAddress(address, bits), network);

  const networks: [written: string, canonical: string | undefined][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['2001:DB8::/32', '2001:db8::/32'],
    ['::1', '::1/128'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0/08', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/8/8', undefined],
    ['::/129', undefined],
    ['::ffff:10.0.0.0/104', undefined],
    ['fe80::1%eth0', undefined],
    ['proxy.example.com', undefined]
  ];
  for (const [written, canonical] of networks) t.equal(parseNetwork(written), canonical, written);

  const isInside = networkTest(['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32']);
  const inside = ['10.9.8.7', '192.0.2.7', '2001:db8:1::1'];
  const outside = ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::1', 'fe80::1%eth0', ''];
  t.same(inside.filter(isInside), inside);
  t.same(outside.filter(isInside), []);
  t.notOk(networkTest([])('10.0.0.1'));

  const netmasks: [written: string, bits: number | undefined][] = [
    ['255.255.255.255', 32],
    ['255.255.240.0', 20],
    ['0.0.0.0', 0],
    ['24', 24],
    ['33', undefined],
    ['024', undefined],
    ['255.0.255.0', undefined],
    ['255.255.255', undefined]
  ];
  for (const [written, bits] of netmasks) t.equal(parseNetmask(written), bits, written);
});
