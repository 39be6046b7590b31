// What a service says about persistence, its SubVSs take over, and a LoadMaster's words mean.

import t from 'tap';
import { load, serviceOf } from './support.ts';

const nothing = { refresh: false, name: '', maskBits: 32, maskBits6: 128 };

t.test('a service and its SubVSs', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `
global: { AlwaysPersist: 2, trustedProxies: [10.1.2.3, '2001:DB8::/32'] }
rules:
  - { name: ECP, pattern: /ecp, matchType: prefix }
  - { name: EWS, pattern: /ews, matchType: prefix }
  - { name: OAB, pattern: /oab, matchType: prefix }
virtualServices:
  - name: mail
    port: 443
    Persist: Super-src
    PersistTimeout: 1859
    refreshPersist: y
    persistMask: 255.255.255.0
    persistMask6: 64
    realServers: [10.0.0.11]
    subVSs:
      - { name: ECP, rules: [ECP] }
      - { name: EWS, rules: [EWS], persist: none }
      - { name: OAB, rules: [OAB], persist: active-cookie, persistMask: 20 }
      - { name: OWA, rules: [default], persist: header, cookie: X-Session, persistTimeout: 60 }
  - name: oos
    port: 444
    persist: query-hash
    queryTag: WOPISrc
    persistTimeout: 1800
    realServers: [10.0.0.21]
  - name: cookie
    port: 445
    persist: active-cook-src
    persistTimeout: 2419200
    cookie: Where
    realServers: [10.0.0.21]
`
  );
  const { global } = outcome.configuration;
  t.match(global, { alwaysPersist: true, trustedProxies: ['10.1.2.3/32', '2001:db8::/32'] });
  const { persistence, subVSs } = serviceOf(outcome, 'mail');
  t.equal(persistence, undefined, 'with SubVSs it is theirs');
  const handedDown = { timeoutMs: 1_800_000, refresh: true, maskBits: 24, maskBits6: 64 };
  const [ecp, ews, oab, owa] = subVSs.map((subVS) => subVS.persistence);
  t.strictSame(ecp, { mode: 'super-src', ...handedDown, name: '' });
  t.equal(ews, undefined);
  t.match(oab, { ...handedDown, mode: 'active-cookie', name: /^Ballast-[\w-]{8}$/, maskBits: 20 });
  t.strictSame(owa, { ...handedDown, mode: 'header', name: 'x-session', timeoutMs: 60_000 });
  t.strictSame(serviceOf(outcome, 'oos').persistence, {
    ...nothing,
    mode: 'query-hash',
    timeoutMs: 1_800_000,
    name: 'WOPISrc'
  });
  t.strictSame(serviceOf(outcome, 'cookie').persistence, {
    ...nothing,
    mode: 'active-cook-src',
    timeoutMs: 2_419_200_000,
    name: 'Where'
  });
});

t.test('without a word there is none', async (t) => {
  const text = 'virtualServices: [{ port: 80, realServers: [] }]';
  const { configuration } = await load(t.testdir({}), text);
  t.equal(configuration.virtualServices[0]?.persistence, undefined);
  t.match(configuration.global, { alwaysPersist: false, trustedProxies: [] });
});

t.test('one cookie for SubVSs with the same servers', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `
rules: [{ name: ECP, pattern: /ecp, matchType: prefix }]
virtualServices:
  - name: mail
    port: 443
    persist: active-cookie
    persistTimeout: 600
    cookie: Where
    subVSs:
      - { name: ECP, rules: [ECP], realServers: [10.0.0.11, 10.0.0.12] }
      - { name: OWA, rules: [default], realServers: [10.0.0.12, 10.0.0.11] }
`
  );
  const names = serviceOf(outcome, 'mail').subVSs.map((subVS) => subVS.persistence?.name);
  t.strictSame(names, ['Where', 'Where']);
});
