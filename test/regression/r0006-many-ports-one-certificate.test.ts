// Every port of a service built the TLS of that service for itself, 5 ms each: with 510 extra ports a
// worker stood still for 2.5 s when a certificate was renewed.

import t from 'tap';
import { createLog } from '../../src/log.ts';
import { buildPlan } from '../../src/service/build.ts';
import { Traffic } from '../../src/traffic/traffic.ts';
import { ClientLimits } from '../../src/worker/client-limits.ts';
import { Listener } from '../../src/worker/listeners.ts';
import { Refusals } from '../../src/worker/refusals.ts';
import { LocalBindings } from '../fixture/bindings.ts';
import { LocalPasses } from '../fixture/passes.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { configuration, relays } from '../fixture/configuration.ts';
import { serviceTls } from '../fixture/tls-settings.ts';

t.test('a hundred ports cost hardly more than one', async (t) => {
  const { cert, key } = await testCertificate('mail.test');
  const certificate = {
    name: 'mail',
    chainPem: cert,
    keyPem: key,
    dnsNames: ['mail.test'],
    selfSigned: true,
    ocsp: undefined
  };
  const log = createLog('fatal', 'worker');
  const traffic = new Traffic(log, 'test', () => {}, new LocalBindings(), new LocalPasses());
  const [virtualService] = buildPlan({
    revision: 1,
    configuration: configuration({
      service: {
        ...relays(),
        tls: serviceTls({ certificates: ['mail'], ciphers: ['TLS_AES_128_GCM_SHA256'] })
      }
    }),
    health: [],
    known: new Map(),
    counters: new Map(),
    secret: 'of the test',
    switched: [],
    turn: 0,
    clock: Date.now
  }).virtualServices;
  if (virtualService === undefined) throw new Error('no service');

  const parts = {
    traffic,
    staples: new Map<string, Buffer>(),
    clientLimits: new ClientLimits(),
    refusals: new Refusals(log)
  };
  const takes = (count: number, ticketKeys: Buffer): number => {
    const listeners = Array.from({ length: count }, () => new Listener(parts));
    const beganMs = performance.now();
    for (const listener of listeners) listener.serve(virtualService, [certificate], ticketKeys);
    return performance.now() - beganMs;
  };
  const ofOneMs = Math.min(...[1, 2, 3, 4, 5].map((n) => takes(1, Buffer.alloc(48, n))));
  const ofManyMs = takes(100, Buffer.alloc(48, 9));
  t.ok(ofManyMs < 30 * ofOneMs, `${ofManyMs} ms for 100, ${ofOneMs} ms for one`);
});
