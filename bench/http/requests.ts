// Small requests on connections that stay open, by autocannon or wrk.

import { usual, usualSetup, type HttpScenario } from './setup.ts';

export const requests: readonly HttpScenario[] = [
  {
    ...usual,
    name: 'plain',
    says: 'HTTP on both sides',
    quick: true,
    setup: usualSetup,
    work: { heads: 'usual' }
  },
  {
    ...usual,
    name: 'plain-1500',
    says: 'HTTP on both sides, request heads of 1.5 KB as Outlook sends them',
    setup: usualSetup,
    work: { heads: 'outlook' }
  },
  {
    ...usual,
    name: 'plain-log',
    says: 'HTTP on both sides, every proxy writes an access log to a file',
    setup: { ...usualSetup, accessLog: true },
    work: { heads: 'usual' }
  },
  {
    ...usual,
    name: 'plain-2',
    says: 'HTTP on both sides, two workers against two threads and two processes',
    setup: { ...usualSetup, workers: 2 },
    work: { heads: 'usual' }
  },
  {
    ...usual,
    name: 'offload',
    says: 'TLS in front, plain servers',
    setup: { ...usualSetup, tlsInFront: true },
    work: { heads: 'usual' }
  },
  {
    ...usual,
    name: 'reencrypt',
    says: 'TLS on both sides',
    setup: { ...usualSetup, tlsInFront: true, tlsBehind: true },
    work: { heads: 'usual' }
  }
];
