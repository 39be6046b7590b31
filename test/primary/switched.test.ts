// When reloads took real servers in or out of service.

import t from 'tap';
import { switchedBy } from '../../src/primary/switched.ts';
import { configurationOf, realServer, subVS, virtualService } from './configuration.ts';

const at = { address: '10.0.0.11', port: 443 };
const a = realServer('a', at);
const b = realServer('b', at);
const aOff = realServer('a', at, { enable: false });
const none = new Map<string, number>();
const times = { drainTimeMs: 1000, slowStartMs: 5000 };

t.test('a reload that changes nothing', async (t) => {
  const same = configurationOf([virtualService({ realServers: [a, b] })]);
  t.same([...switchedBy(same, same, none, 7000)], []);
});

t.test('disabled, enabled, added, removed', async (t) => {
  const both = configurationOf([virtualService({ realServers: [a, b] })], times);
  const one = configurationOf([virtualService({ realServers: [aOff, b] })], times);
  const other = configurationOf([virtualService({ realServers: [b] })], times);
  t.same([...switchedBy(both, one, none, 7000)], [['a', 7000]]);
  t.same([...switchedBy(one, both, none, 7000)], [['a', 7000]]);
  t.same([...switchedBy(both, other, none, 7000)], [['a', 7000]]);
  t.same([...switchedBy(other, both, none, 7000)], [['a', 7000]]);
  t.same([...switchedBy(one, other, none, 7000)], [], 'it was out of service already');
  const earlier = new Map([['a', 7000]]);
  t.same([...switchedBy(one, one, earlier, 12_000)], [['a', 7000]], 'it began to drain then');
  t.same([...switchedBy(one, both, earlier, 9000)], [['a', 9000]]);
  t.same([...switchedBy(one, one, earlier, 12_001)], [], 'forgotten when nobody asks any more');
});

t.test('with their service or SubVS, and sorry servers', async (t) => {
  const sub = { realServers: [a], standby: b };
  const on = configurationOf([virtualService({ subVSs: [subVS(sub)] })]);
  const subOff = configurationOf([virtualService({ subVSs: [subVS({ ...sub, enable: false })] })]);
  const off = configurationOf([virtualService({ enable: false, subVSs: [subVS(sub)] })]);
  for (const without of [subOff, off, configurationOf([])]) {
    t.same([...switchedBy(on, without, none, 1).keys()], ['a', 'b']);
  }
});
