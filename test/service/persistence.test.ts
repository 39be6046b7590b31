// The cookie that names a server, from one plan to the next and from one process to another.

import t from 'tap';
import type { Configuration, PersistenceSettings } from '../../src/config/model.ts';
import { persistenceBuilder } from '../../src/service/persistence.ts';
import { RealServer } from '../../src/service/real-server.ts';
import { configuration } from '../fixture/configuration.ts';

const settings: PersistenceSettings = {
  mode: 'active-cookie',
  timeoutMs: 600_000,
  refresh: false,
  name: 'Where',
  maskBits: 32,
  maskBits6: 128
};
const facts = {
  path: () => '/',
  query: () => '',
  host: () => '',
  sourceAddress: () => '192.0.2.1',
  header: () => undefined,
  cookie: () => undefined
};
type Tls = Configuration['virtualServices'][number]['tls'];

const plan = configuration({ servers: [1, 2] });
const servers = (plan.virtualServices[0]?.realServers ?? []).map((one) => new RealServer(one));
// Only the names of the certificates and their keys matter here.
const tls = { certificates: ['mail', 'other'] } as unknown as Tls;

function values(secret: string, keyPem: string | undefined): string[] {
  const certificates = [{ name: 'mail', keyPem }] as unknown as Configuration['certificates'];
  const build = persistenceBuilder({ ...plan, certificates }, secret);
  const built = build(settings, 'site', servers, keyPem === undefined ? undefined : tls);
  return [...(built?.ownCookie?.serverOf.keys() ?? [])];
}

t.test('values are those of the certificate, or of this run of the program', async (t) => {
  const run = values('first run', 'key');
  t.equal(run.length, 2);
  t.not(run[0], run[1]);
  t.strictSame(values('second run', 'key'), run, 'after a restart');
  t.notOk(values('first run', 'new key').some((value) => run.includes(value)));
  const clear = values('first run', undefined);
  t.strictSame(values('first run', undefined), clear, 'in every worker');
  t.notOk(values('second run', undefined).some((value) => clear.includes(value)));
});

t.test('Secure is for TLS', async (t) => {
  const build = persistenceBuilder(plan, 'secret');
  const fields = (one: Tls): string[] => [
    ...(build(settings, 'site', servers, one)?.ownCookie?.fieldOf.values() ?? [])
  ];
  t.ok(fields(tls).every((field) => field.endsWith('HttpOnly; Secure; SameSite=None\r\n')));
  t.ok(fields(undefined).every((field) => field.endsWith('HttpOnly; SameSite=Lax\r\n')));
});

t.test('each service and each mode has its own keys', async (t) => {
  const build = persistenceBuilder(plan, 'secret');
  const key = (fullName: string, more: Partial<PersistenceSettings>): string =>
    build({ ...settings, mode: 'src', ...more }, fullName, servers, undefined)?.keyOf?.(facts) ??
    '';
  const keys = [
    key('site', {}),
    key('site/OWA', {}),
    key('site', { mode: 'super-src' }),
    key('site', { mode: 'active-cook-src', name: 'Other' })
  ];
  t.equal(new Set(keys).size, keys.length, keys.join(' '));
  t.equal(key('site', { timeoutMs: 60_000, refresh: true }), keys[0], 'kept over such a change');
  t.equal(build(undefined, 'site', servers, undefined), undefined);
});
